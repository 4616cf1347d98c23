// The failover test: npm run test:failover. The database's primary is killed with SIGKILL at each durable step of a recovery,
// while other calls go on at another server, and its standby is promoted. The figures are printed and kept in
// target/failover.json. docs/deployment.md shows those of one run.
//
// It exits with 1 when a synchronous standby has cost anything: a recovery, a callback that was answered 204, or a request
// that was sent twice. An asynchronous one may, by its nature: what it has cost is printed.
//
// `--standby synchronous|asynchronous|behind` and `--rung same-agent|next-agent` run a part; `--steps N` takes N steps of
// each recovery, spread over all of them; `--lanes N` runs N recoveries at once (3); `--minutes N` ends it (120).

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { root, run } from './lib/run.mjs';
import { Advice, giveUp, say, step } from './lib/say.mjs';
import { compiler, postgres } from './lib/setup.mjs';

const TEST = 'kills::primary::the_primary_is_killed_at_each_step';
const SERVER = ['test', '-p', 'rejoin-server', '--test', 'server'];

/**
 * One recovery, as the test writes it.
 * @typedef {{standby: string, rung: string, step: string, killed: boolean, goesOnMs: number | null, failure: string | null,
 *   withAgent: boolean, doubled: Array<[string, number]>, acknowledged: number, webhooksLost: number, log?: string[]}} Ran
 */

const isGood = (/** @type {Ran} */ { failure, doubled, webhooksLost }) =>
  failure === null && doubled.length === 0 && webhooksLost === 0;

/** The value that this share of them does not exceed. */
const share = (/** @type {number[]} */ sorted, /** @type {number} */ of) =>
  sorted[Math.max(0, Math.ceil(sorted.length * of) - 1)];

async function main() {
  const { values } = parseArgs({
    options: {
      standby: { type: 'string' },
      rung: { type: 'string' },
      steps: { type: 'string' },
      lanes: { type: 'string', default: '3' },
      minutes: { type: 'string', default: '120' },
    },
  });
  await compiler();
  await postgres();
  await step('build the test', (heard) => run('cargo', [...SERVER, '--no-run'], { heard }));
  const result = path.join(root, 'target/failover.jsonl');
  rmSync(result, { force: true });
  const env = {
    REJOIN_FAILOVER_RESULT: result,
    REJOIN_FAILOVER_STANDBY: values.standby,
    REJOIN_FAILOVER_RUNG: values.rung,
    REJOIN_FAILOVER_STEPS: values.steps,
    REJOIN_FAILOVER_LANES: values.lanes,
  };
  const args = [...SERVER, '--', '--ignored', '--exact', TEST, '--nocapture'];
  const within = Number(values.minutes) * 60;
  /** @type {unknown} */
  let stopped = null;
  await step('kill the primary at each step', (heard) => run('cargo', args, { heard, env, within })).catch(
    (error) => (stopped = error),
  );
  const lines = existsSync(result) ? readFileSync(result, 'utf8').split('\n').filter(Boolean) : [];
  /** @type {Ran[]} */
  const all = lines.map((line) => JSON.parse(line));
  const ran = all.filter(({ killed, failure }) => killed || failure !== null);
  const machine = `${os.cpus().length} × ${os.cpus()[0].model.trim()}, ${(os.totalmem() / 1024 ** 3).toFixed(0)} GB`;
  mkdirSync(path.join(root, 'target'), { recursive: true });
  writeFileSync(
    path.join(root, 'target/failover.json'),
    `${JSON.stringify({ at: new Date().toISOString(), machine, runs: all }, null, 2)}\n`,
  );
  report(all, ran);
  say(`\n${machine}, ${values.lanes} recoveries at once.`);
  if (stopped) {
    const end =
      stopped instanceof Error ? stopped.message.split('\n').slice(-25).join('\n') : String(stopped);
    throw new Advice(`The test did not come to its end (--minutes ${values.minutes}):\n${end}`);
  }
  if (!ran.length) throw new Advice('The primary was never killed: nothing was tested.');
  const bad = ran.filter((one) => one.standby === 'synchronous' && !isGood(one));
  if (bad.length) throw new Advice('A synchronous standby has cost something: see above.');
}

function report(/** @type {Ran[]} */ all, /** @type {Ran[]} */ ran) {
  const seconds = (/** @type {number | undefined} */ ms) => (ms === undefined ? '-' : (ms / 1000).toFixed(2));
  const rows = [
    [
      'standby',
      'recovery',
      'kills',
      'lost',
      'end not known',
      'doubled',
      'callbacks lost',
      'goes on after: p50',
      'p99',
      'max (s)',
    ],
  ];
  for (const key of new Set(ran.map(({ standby, rung }) => `${standby} ${rung}`))) {
    const of = ran.filter(({ standby, rung }) => `${standby} ${rung}` === key);
    const times = of.flatMap(({ goesOnMs }) => goesOnMs ?? []).sort((a, b) => a - b);
    const sum = (/** @type {(one: Ran) => number} */ each) => of.reduce((all, one) => all + each(one), 0);
    rows.push([
      of[0].standby,
      of[0].rung,
      String(of.length),
      String(of.filter(({ failure, withAgent }) => failure !== null && !withAgent).length),
      String(of.filter(({ failure, withAgent }) => failure !== null && withAgent).length),
      String(sum(({ doubled }) => doubled.length)),
      `${sum(({ webhooksLost }) => webhooksLost)} of ${sum(({ acknowledged }) => acknowledged)}`,
      ...[0.5, 0.99, 1].map((of) => seconds(share(times, of))),
    ]);
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  say();
  for (const row of rows)
    say(
      row
        .map((cell, at) => cell.padEnd(widths[at]))
        .join('  ')
        .trimEnd(),
    );
  const missed = all.length - ran.length;
  if (missed) say(`\n${missed} steps were not reached again: no kill there.`);
  for (const one of ran.filter((one) => !isGood(one))) {
    say(`\n${one.standby} standby, ${one.rung}, killed at ${one.step}:`);
    if (one.failure) say(`  ${one.withAgent ? 'with an agent, but' : 'not brought back:'} ${one.failure}`);
    for (const [what, times] of one.doubled) say(`  ${times} times: ${what}`);
    if (one.webhooksLost) say(`  ${one.webhooksLost} of ${one.acknowledged} callbacks lost`);
    if (one.standby === 'synchronous') for (const line of one.log ?? []) say(`  | ${line}`);
  }
}

main().catch(giveUp);
