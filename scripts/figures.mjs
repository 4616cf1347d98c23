// Measures the published figures and writes docs/figures.json, docs/figures.md and docs/figures.html: npm run figures.
//
// `--only day`, `--only browser` or `--only bench` measures one part and keeps the others; `--render` measures nothing.
// `--seeds N` (8000) and `--sample N` are worlds of the day, `--times N` (3) plays of each story. `--program FILE` is a
// simulation that is built already, `--bench FILE` what `npm run bench` has written already.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { BENCH, rows, stored, write } from './lib/figures.mjs';
import { newest } from './lib/flex.mjs';
import { root, run } from './lib/run.mjs';
import { Advice, giveUp, say, step } from './lib/say.mjs';
import { setup } from './lib/setup.mjs';
import { median } from '../tests/bench/table.mjs';

/** @typedef {import('./lib/figures.mjs').Figures} Figures */

const PARTS = ['day', 'browser', 'bench'];
/** From this day, without a time: what is published says nothing about an hour. */
const today = () => new Date().toISOString().slice(0, 10);

/** @returns {Promise<Figures['day']>} */
async function day(
  /** @type {string | undefined} */ program,
  /** @type {number} */ seeds,
  /** @type {number} */ sample,
) {
  const simulate = program ?? path.join(root, 'target/simulate/simulate');
  if (!program) {
    await step('build the simulation, optimised (ten minutes the first time)', (heard) =>
      run('cargo', ['build', '-p', 'rejoin-world', '--profile', 'simulate', '--bin', 'simulate'], { heard }),
    );
  }
  const table = (/** @type {number} */ of) =>
    step(`play ${of} calls of an ordinary day`, async (heard) => {
      const said = await run(simulate, ['--ordinary-day', '--seeds', String(of)], { heard });
      const lines = said.split('\n').filter((line) => line.startsWith('|'));
      if (!rows(lines).length) throw new Advice(`The simulation printed no table:\n${said}`);
      return lines;
    });
  return {
    date: today(),
    seeds,
    table: await table(seeds),
    sample: { seeds: sample, table: await table(sample) },
  };
}

/** @returns {Promise<Figures['browser']>} */
async function browser(/** @type {number} */ times) {
  await setup();
  const { stories } = await import('../tests/bench/stories.mjs');
  return { date: today(), flex: newest.version, stories: await stories(times) };
}

/** What `npm run bench` has measured; what it has not, stays. @returns {Promise<Figures['bench']>} */
async function bench(/** @type {Figures['bench']} */ before, /** @type {string | undefined} */ file) {
  if (!file) await run('npm', ['run', 'bench'], { heard: (text) => process.stdout.write(text) });
  const kept = file ?? path.join(root, 'target/bench.json');
  if (!existsSync(kept)) throw new Advice(`${kept} is missing: \`npm run bench\` writes it.`);
  /** @type {{at: string, figures: import('../tests/bench/server.mjs').Figure[]}} */
  const measured = JSON.parse(readFileSync(kept, 'utf8'));
  const now = { ...before };
  for (const { id, is } of BENCH.filter(({ is }) => is)) {
    /** @type {Record<string, number>} */
    const values = {};
    for (const of of ['', 'SQLite', 'PostgreSQL']) {
      const found = measured.figures.find(({ what }) => what === (of ? `${is}, ${of}` : is));
      if (found) values[of] = Number(median(found.values).toPrecision(3));
    }
    if (Object.keys(values).length) now[id] = { date: measured.at.slice(0, 10), values };
    else say(`${kept} has nothing of "${is}": its figure stays as it was.`);
  }
  return now;
}

async function main() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      render: { type: 'boolean', default: false },
      seeds: { type: 'string', default: '8000' },
      sample: { type: 'string', default: '150' },
      times: { type: 'string', default: '3' },
      program: { type: 'string' },
      bench: { type: 'string' },
    },
  });
  if (values.only && !PARTS.includes(values.only)) throw new Advice(`--only takes ${PARTS.join(' or ')}.`);
  const count = (/** @type {'seeds' | 'sample' | 'times'} */ name) => {
    const number = Number(values[name]);
    if (!Number.isInteger(number) || number < 1) throw new Advice(`--${name} takes a number from 1 on.`);
    return number;
  };
  const counts = { seeds: count('seeds'), sample: count('sample'), times: count('times') };
  const is = (/** @type {string} */ part) => !values.render && (!values.only || values.only === part);
  const figures = stored();
  // Each part is written as soon as it is measured: a later one may fail.
  if (is('day')) {
    figures.day = await day(values.program, counts.seeds, counts.sample);
    await write(figures);
  }
  if (is('browser')) {
    figures.browser = await browser(counts.times);
    await write(figures);
  }
  if (is('bench')) figures.bench = await bench(figures.bench, values.bench);
  await write(figures);
  say('docs/figures.md and docs/figures.html are written. Read what has changed before you commit it.');
  process.exit(0);
}

main().catch(giveUp);
