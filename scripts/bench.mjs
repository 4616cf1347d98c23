// Figures of this machine, in one table and in target/bench.json: never an assertion. `npm run bench -- --times N` repeats
// N times (5) what a desktop does, and the simulation; `--only server`, `--only desktop` or `--only simulation` measures a
// part; what follows a further `--` goes to rejoin-load, such as `-- --only server -- --seconds 3 --rate 1000`.

import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { LATENCY } from '../tests/bench/recovery.mjs';
import { table } from '../tests/bench/table.mjs';
import { root } from './lib/run.mjs';
import { Advice, giveUp, say } from './lib/say.mjs';
import { setup } from './lib/setup.mjs';

/** @typedef {import('../tests/bench/server.mjs').Figure} Figure */

const PARTS = ['server', 'desktop', 'simulation'];

async function main() {
  const { values, positionals } = parseArgs({
    options: { times: { type: 'string', default: '5' }, only: { type: 'string' } },
    allowPositionals: true,
  });
  if (values.only && !PARTS.includes(values.only)) throw new Advice(`--only takes ${PARTS.join(' or ')}.`);
  await setup();
  const isMeasured = (/** @type {string} */ part) => !values.only || values.only === part;
  /** @type {Figure[]} */
  const figures = [];
  if (isMeasured('server')) {
    const { server } = await import('../tests/bench/server.mjs');
    figures.push(...(await server(positionals)));
  }
  if (isMeasured('desktop')) {
    const { desktop } = await import('../tests/bench/desktop.mjs');
    figures.push(...(await desktop(Number(values.times))));
  }
  if (isMeasured('simulation')) {
    const { simulation } = await import('../tests/bench/simulation.mjs');
    figures.push(...(await simulation(Number(values.times))));
  }
  const [{ model }] = os.cpus();
  const gb = (os.totalmem() / 1024 ** 3).toFixed(0);
  const machine = `${os.cpus().length} × ${model.trim()}, ${gb} GB, ${os.type()} ${os.release()}`;
  const busy = os.loadavg()[0].toFixed(1);
  const kept = path.join(root, 'target/bench.json');
  mkdirSync(path.dirname(kept), { recursive: true });
  const at = new Date().toISOString();
  writeFileSync(kept, `${JSON.stringify({ at, machine, busy, latencyMs: LATENCY, figures }, null, 2)}\n`);
  say(`\n${table(figures)}`);
  say(`\n${machine}, as busy as it is (${busy} programs want to run).`);
  if (isMeasured('desktop')) {
    say(`Desktops: ${values.times} times each, ${LATENCY} ms one way between server and Twilio.`);
  }
  process.exit(0);
}

main().catch(giveUp);
