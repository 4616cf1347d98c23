// However `npm start` is stopped, no process of it is left. `rejoin demo` sets its account up, and stops. Neither listens where
// no browser comes, or where a connection may be in the way.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort } from '../scripts/lib/demo.mjs';

const root = new URL('..', import.meta.url);

/** Far from the port of a demo that somebody has open. */
const FROM = 14_180;

/** True when the process group is empty. Processes that are not our children do not report their end, so poll briefly. */
async function gone(/** @type {number} */ group) {
  for (const end = Date.now() + 2000; Date.now() < end; ) {
    try {
      process.kill(-group, 0);
    } catch {
      return true;
    }
    await new Promise((done) => setTimeout(done, 20));
  }
  return false;
}

function killGroup(/** @type {number} */ group) {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // As it should be: the group is empty.
  }
}

/** Ways to stop it: who gets which signal. npm passes SIGINT and SIGTERM on to its script. */
const ways = /** @type {const} */ ([
  ['Ctrl-C, which the whole process group gets', 'SIGINT', true],
  ['a closed terminal', 'SIGHUP', true],
  ['SIGTERM to npm alone', 'SIGTERM', false],
]);

for (const [title, signal, group] of ways) {
  test(title, { timeout: 120_000 }, async () => {
    const port = await freePort(FROM);
    const npm = spawn('npm', ['start', '--', '--port', String(port)], {
      cwd: fileURLToPath(root),
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    const pid = /** @type {number} */ (npm.pid);
    const closed = once(npm, 'close');
    try {
      let said = '';
      npm.stdout.setEncoding('utf8').on('data', (text) => (said += text));
      while (!said.includes('Ctrl-C stops everything')) {
        await Promise.race([
          once(npm.stdout, 'data'),
          closed.then(() => assert.fail(`it ended early:\n${said}`)),
        ]);
      }
      const urls = /Twin +(\S+) +Server +(\S+)/.exec(said)?.slice(1) ?? [];
      assert.equal(urls.length, 2, said);
      for (const url of urls) assert.ok((await fetch(url)).status < 500, `${url} answers`);

      process.kill(group ? -pid : pid, signal);
      const [code] = await closed;
      if (signal !== 'SIGHUP') assert.equal(code, 0, 'npm dies of SIGHUP, and of nothing else');
      for (const url of urls) await assert.rejects(fetch(url), `${url} still answers`);
      assert.ok(await gone(pid), 'no process of the group is left');
      assert.match(said, /Stopped\.\s*$/);
    } finally {
      killGroup(pid);
      rmSync(new URL(`target/demo-${port}`, root), { recursive: true, force: true });
    }
  });
}

test('rejoin demo, on an account that it sets up as an administrator does', { timeout: 60_000 }, async () => {
  const port = await freePort(FROM);
  // A real account in the environment must not be touched, nor disturb.
  const env = {
    ...process.env,
    TWILIO_ACCOUNT_SID: 'AC'.padEnd(34, '9'),
    TWILIO_API_KEY: 'SK'.padEnd(34, '9'),
  };
  const demo = spawn('target/debug/rejoin', ['demo', '--port', String(port)], {
    cwd: fileURLToPath(root),
    env: { ...env, TWILIO_API_KEY_SECRET: 'secret', REJOIN_PUBLIC_URL: 'https://rejoin.example.com' },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const pid = /** @type {number} */ (demo.pid);
  const closed = once(demo, 'close');
  try {
    let said = '';
    demo.stdout.setEncoding('utf8').on('data', (text) => (said += text));
    while (!said.includes('Ctrl-C stops it')) {
      await Promise.race([
        once(demo.stdout, 'data'),
        closed.then(() => assert.fail(`it ended early:\n${said}`)),
      ]);
    }
    const twin = `http://127.0.0.1:${port}`;
    const get = async (/** @type {string} */ at) => (await fetch(`${twin}${at}`)).text();
    assert.match(await get('/__twin/done'), /POST TaskChannels.*Recovery Ping/, '`rejoin provision` was run');
    const token = /"token":"([^"]+)"/.exec(await get('/flex?worker=ada'))?.[1] ?? '';
    const plugins = await fetch(`${twin}/plugins?roles=agent`, { headers: { 'X-Flex-JWE': token } });
    const [plugin] = await plugins.json();
    assert.equal(plugin?.name, 'plugin-rejoin', 'desktops load what `rejoin deploy` released');
    assert.equal(await get(plugin.src), readFileSync(new URL('build/plugin-rejoin.js', root), 'utf8'));
    demo.kill('SIGTERM');
    assert.deepEqual(await closed, [0, null]);
    await assert.rejects(fetch(twin), 'the twin still answers');
    assert.ok(await gone(pid), 'no process of the group is left');
  } finally {
    killGroup(pid);
  }
});

test(
  'rejoin demo, with a plugin that cannot be deployed, ends with what `rejoin deploy` says',
  { timeout: 60_000 },
  async () => {
    const port = await freePort(FROM);
    const folder = mkdtempSync(path.join(tmpdir(), 'rejoin-demo-'));
    const bundle = path.join(folder, 'not-a-plugin.js');
    writeFileSync(bundle, '');
    const demo = spawn('target/debug/rejoin', ['demo', '--port', String(port), '--plugin', bundle], {
      cwd: fileURLToPath(root),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const pid = /** @type {number} */ (demo.pid);
    try {
      let said = '';
      for (const stream of [demo.stdout, demo.stderr])
        stream.setEncoding('utf8').on('data', (text) => (said += text));
      assert.deepEqual(await once(demo, 'close'), [1, null], said);
      assert.match(
        said,
        /`rejoin deploy` could not set up the account of the demo[^]*The plugin's file is empty/,
      );
      assert.doesNotMatch(said, /Open http/);
      assert.ok(await gone(pid), 'no process of the group is left');
    } finally {
      killGroup(pid);
      rmSync(folder, { recursive: true });
    }
  },
);

test('no program gets a port that browsers do not open, or that the system gives to connections', async () => {
  assert.ok((await freePort(4190)) > 4190);
  assert.ok((await freePort(46_645)) < 32_768);
});

for (const [what, program, args] of /** @type {const} */ ([
  ['npm start', 'npm', ['start', '--', '--port', '4190']],
  ['rejoin demo', 'target/debug/rejoin', ['demo', '--port', '4190']],
])) {
  test(`${what} refuses a port that browsers do not open`, { timeout: 60_000 }, async () => {
    const child = spawn(program, args, { cwd: fileURLToPath(root), stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (said += text));
    assert.deepEqual(await once(child, 'close'), [1, null], said);
    assert.match(said, /[Bb]rowsers do not open port 4190/);
  });
}
