// What `npm test` and `npm test -- --quick` choose to run, and what they say of failures.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { failures, summary } from '../scripts/lib/failures.mjs';
import { newest, oldest } from '../scripts/lib/flex.mjs';
import { limit } from '../scripts/lib/limit.mjs';
import { BUILD, END_TO_END, OLDEST, PARTS, SERVER, UNITS, choose } from '../scripts/lib/parts.mjs';
import { run } from '../scripts/lib/run.mjs';
import { table } from '../scripts/lib/times.mjs';

const names = (/** @type {Parameters<typeof choose>[0]} */ asked = {}) =>
  choose(asked).parts.map(({ name }) => name);

test('without options, everything runs but what only the quick run has', () => {
  const left = PARTS.filter(({ name }) => !names().includes(name));
  assert.ok(left.length > 0);
  assert.ok(left.every(({ runs }) => runs === 'quick'));
  assert.deepEqual(choose().flexes, [newest, oldest]);
});

test('the quick run has units, worlds and stories on one Flex UI', () => {
  const quick = names({ quick: true });
  for (const name of ['lints', 'unit tests', '200 simulated worlds', BUILD, END_TO_END]) {
    assert.ok(quick.includes(name), name);
  }
  for (const name of [SERVER, UNITS, OLDEST]) assert.ok(!quick.includes(name), name);
  assert.deepEqual(choose({ quick: true }).flexes, [newest]);
});

test('a part that is asked for brings along what it needs', () => {
  assert.deepEqual(names({ only: 'the dialog' }), [BUILD, 'the dialog']);
  assert.deepEqual(names({ only: END_TO_END }), [OLDEST, BUILD, END_TO_END]);
  assert.deepEqual(names({ only: END_TO_END, flex: newest.name }), [BUILD, END_TO_END]);
  assert.deepEqual(names({ only: 'format of the Rust' }), ['format of the Rust code']);
});

test('what there is not is not chosen', () => {
  assert.deepEqual(names({ only: 'no such part' }), []);
  assert.deepEqual(choose({ flex: 'no such one' }).flexes, []);
});

test('the names of the parts differ, and whatever a part needs is a part before it', () => {
  const all = PARTS.map(({ name }) => name);
  assert.equal(new Set(all).size, all.length);
  PARTS.forEach(({ needs = [] }, at) =>
    assert.ok(
      needs.every((name) => all.indexOf(name) >= 0 && all.indexOf(name) < at),
      all[at],
    ),
  );
});

test('each target with Rust tests runs in one part, and only those of the server beside the others', () => {
  const metadata = execFileSync('cargo', ['metadata', '--no-deps', '--offline', '--format-version', '1'], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  /** @type {Array<{name: string, targets: Array<{name: string, kind: string[], test: boolean}>}>} */
  const packages = JSON.parse(metadata).packages;
  const targets = packages.flatMap(({ name, targets }) => targets.map((target) => ({ ...target, of: name })));
  // The others are chosen by not beginning with this letter.
  const apart = targets.filter(({ name, kind }) => kind.includes('test') && name.startsWith('s'));
  assert.deepEqual(
    apart.map(({ name, of }) => [of, name]),
    [['rejoin-server', 'server']],
  );
  const others = ['example', 'bench'];
  const neither = targets.filter(({ kind, test }) => test && kind.some((it) => others.includes(it)));
  assert.deepEqual(neither, [], 'these would need a part');
});

test('the times are a table, the longest first', () => {
  const text = table([
    { name: 'short', ms: 500 },
    { name: 'long', ms: 9500, failed: true },
  ]);
  assert.deepEqual(text.split('\n'), ['  long (failed)    9.5 s   95 %', '  short            0.5 s    5 %']);
});

test('the end of a run names the tests that failed, where, and why', () => {
  const rust = [
    'test calls::fine ... ok',
    'test calls::broken ... FAILED',
    'test calls::gone ... FAILED',
    'failures:',
    '',
    '---- calls::broken stdout ----',
    '',
    "thread 'calls::broken' (17) panicked at crates/a/src/calls.rs:3:9:",
    'assertion `left == right` failed',
    '  left: 1',
    ' right: 2',
    'stack backtrace:',
    '   0: __rustc::rust_begin_unwind',
    '---- calls::gone stdout ----',
    'Error: "no call"',
    '',
    'failures:',
    '    calls::broken',
    '    calls::gone',
  ].join('\n');
  assert.deepEqual(failures(rust), [
    {
      test: 'calls::broken',
      why: ['crates/a/src/calls.rs:3:9', 'assertion `left == right` failed', '  left: 1', ' right: 2'],
    },
    { test: 'calls::gone', why: ['Error: "no call"'] },
  ]);
  assert.equal(
    summary([
      { name: 'some tests', failures: failures(rust).slice(1) },
      { name: 'lints', failures: failures('error: unused import') },
    ]),
    '  some tests\n    calls::gone\n      Error: "no call"\n' +
      '  lints\n    none of its tests: see the output of the part',
  );
});

test('the end of a run names the tests that had not ended', () => {
  const output =
    'test calls::slow has been running for over 60 seconds\ntest calls::hangs has been running for over 60 seconds\n' +
    'test calls::slow ... ok\n\ncargo test was killed: it had not ended within 1800 s';
  const why = ['It had not ended when its program did.'];
  assert.deepEqual(failures(output), [{ test: 'calls::hangs', why }]);
});

test("the end of a run names the tests that failed in Node's runner, and not those around them", (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'failures-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'a.test.mjs');
  writeFileSync(
    file,
    "import test from 'node:test';\ntest('fine', () => {});\n" +
      "test('outer', (t) => t.test('inner', () => { throw new Error('no door'); }));\n",
  );
  // As in a run: its own runner, not a part of this one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { stdout } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', file], {
    encoding: 'utf8',
    env,
  });
  assert.deepEqual(failures(stdout), [{ test: 'inner', why: [`${file}:3:24`, 'no door'] }]);
});

test(
  'a program ends a part although what it has left behind holds its output',
  { timeout: 30_000 },
  async () => {
    for (const left of ['sleep 600', 'setsid sleep 60']) {
      await assert.rejects(
        run('sh', ['-c', `${left} & echo begun; exit 3`]),
        /^Error: begun\n\nsh .* ended with 3$/,
      );
    }
  },
);

test('a program that takes too long has failed', { timeout: 30_000 }, async () => {
  const hangs = run('sh', ['-c', 'echo begun; sleep 600'], { within: 0.5 });
  await assert.rejects(hangs, /^Error: begun\n[^]* was killed: it had not ended within 0.5 s$/);
});

test('work that takes too long has failed, and other work has its result', async () => {
  const never = limit(0.01, 'The story', new Promise(() => {}));
  await assert.rejects(never, /^Error: The story has not ended within 0.01 s.$/);
  assert.equal(await limit(60, 'The story', Promise.resolve(1)), 1);
  await assert.rejects(limit(60, 'The story', Promise.reject(new Error('no call'))), /^Error: no call$/);
});
