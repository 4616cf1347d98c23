// Figures of this machine, in one table: never an assertion. `npm run bench -- --times N` repeats N times (5).

import path from 'node:path';
import { parseArgs } from 'node:util';
import { chromium as playwright } from 'playwright-core';
import { wasmReady } from '../tests/bench/page.mjs';
import { LATENCY, recover } from '../tests/bench/recovery.mjs';
import { chromeArgs } from '../tests/e2e/people.mjs';
import { build } from './lib/build.mjs';
import { startDemo } from './lib/demo.mjs';
import { root } from './lib/run.mjs';
import { giveUp, say } from './lib/say.mjs';
import { chromium, setup } from './lib/setup.mjs';
import { kb, measure } from './lib/sizes.mjs';

const median = (/** @type {number[]} */ values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return (low + high) / 2;
};

const ms = (/** @type {number} */ value) => `${value < 100 ? value.toFixed(1) : Math.round(value)} ms`;
const times = (/** @type {number} */ value, /** @type {number} */ of) => `${(value / of).toFixed(2)} ×`;

async function main() {
  const { values } = parseArgs({ options: { times: { type: 'string', default: '5' } } });
  const repeat = Array.from({ length: Number(values.times) });
  await setup();
  const executablePath = await chromium();
  await build();
  const folder = path.join(root, 'target/bench');
  const demo = await startDemo({ dir: path.join(folder, 'demo'), latencyMs: LATENCY });
  const browser = await playwright.launch({ executablePath, args: chromeArgs });
  /** @type {string[][]} */
  const table = [['', 'median', 'lowest', 'highest', 'in proportion']];
  const row = (
    /** @type {string} */ what,
    /** @type {number[]} */ figures,
    /** @type {(middle: number) => string} */ proportion = () => '',
    shown = ms,
  ) => {
    const middle = median(figures);
    const all = [middle, Math.min(...figures), Math.max(...figures)].map(shown);
    table.push([what, ...all, proportion(middle)]);
  };
  try {
    const alone = [];
    for (const _ of [...repeat, ...repeat]) alone.push(await wasmReady(browser));
    /** @type {Array<Record<string, number>>} */
    const inPlace = [];
    /** @type {Array<Record<string, number>>} */
    const queued = [];
    for (const _ of repeat) {
      inPlace.push(await recover({ demo, browser, folder }, true));
      queued.push(await recover({ demo, browser, folder }, false));
    }
    const both = [...inPlace, ...queued];
    const of = (/** @type {Array<Record<string, number>>} */ runs, /** @type {string} */ name) =>
      runs.map((figures) => figures[name]);
    const flex = median(of(both, 'flex'));
    const beside = (/** @type {number} */ middle) => `${times(middle, flex)} Flex's own start (${ms(flex)})`;
    const trips = (/** @type {number} */ middle) => `${times(middle, 2 * LATENCY)} a round trip to Twilio`;
    row('core ready after the script begins, page idle', alone);
    row('core ready after the script is loaded, in Flex', of(both, 'ready'), beside);
    row('dialog on screen after the script is loaded', of(both, 'dialog'), beside);
    row('refresh → agent in the conference, in place', of(inPlace, 'back'), beside);
    row('refresh → agent in the conference, through the queue', of(queued, 'back'), beside);
    row("leave webhook → announcement requested (the server's own part)", of(queued, 'announcing'), trips);
    row('desktop ready → customer in the queue', of(queued, 'queued'), trips);
    const count = (/** @type {number} */ value) => String(value);
    row('REST requests for a call that was recovered, in place', of(inPlace, 'requests'), undefined, count);
    row(
      'REST requests for a call that was recovered, through the queue',
      of(queued, 'requests'),
      undefined,
      count,
    );
    row('besides, checks of the agent’s token', of(both, 'tokens'), undefined, count);
  } finally {
    await browser.close();
    await demo.stop();
  }
  for (const { file, bytes, gzip } of measure())
    table.push([file, kb(bytes), '', '', `${kb(gzip)} after gzip`]);
  const widths = table[0].map((_, column) => Math.max(...table.map((line) => line[column].length)));
  say();
  for (const line of table) {
    const [what, median, low, high, proportion] = line;
    const numbers = [median, low, high].map((cell, at) => cell.padStart(widths[at + 1]));
    say(`${what.padEnd(widths[0])}  ${numbers.join('  ')}  ${proportion}`.trimEnd());
  }
  say(
    `\n${values.times} times each, ${LATENCY} ms one way between server and Twilio, on this machine as busy as it is.`,
  );
  process.exit(0);
}

main().catch(giveUp);
