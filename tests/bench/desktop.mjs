// What an agent sees: the real Flex UI in Chromium, with the demo's server and twin.

import path from 'node:path';
import { build } from '../../scripts/lib/build.mjs';
import { startDemo } from '../../scripts/lib/demo.mjs';
import { root } from '../../scripts/lib/run.mjs';
import { chromium } from '../../scripts/lib/setup.mjs';
import { kb, measure } from '../../scripts/lib/sizes.mjs';
import { Browsers } from '../e2e/browsers.mjs';
import { wasmReady } from './page.mjs';
import { LATENCY, recover } from './recovery.mjs';
import { median, ms } from './table.mjs';

/** @typedef {import('./server.mjs').Figure} Figure */

const times = (/** @type {number} */ value, /** @type {number} */ of) => `${(value / of).toFixed(2)} ×`;

/**
 * @param {number} repeat how often
 * @returns {Promise<Figure[]>}
 */
export async function desktop(repeat) {
  const rounds = Array.from({ length: repeat });
  const browsers = new Browsers(await chromium());
  await build();
  const folder = path.join(root, 'target/bench');
  const demo = await startDemo({ dir: path.join(folder, 'demo'), latencyMs: LATENCY });
  /** @type {Figure[]} */
  const figures = [];
  const row = (
    /** @type {string} */ what,
    /** @type {number[]} */ values,
    /** @type {(middle: number) => string} */ note = () => '',
    unit = 'ms',
  ) => figures.push({ what, unit, values, note: note(median(values)) });
  try {
    const alone = [];
    for (const _ of [...rounds, ...rounds]) alone.push(await wasmReady(await browsers.any()));
    /** @type {Array<import('./recovery.mjs').Recovered>} */
    const inPlace = [];
    /** @type {Array<import('./recovery.mjs').Recovered>} */
    const queued = [];
    for (const _ of rounds) {
      inPlace.push(await recover({ demo, browsers, folder }, true));
      queued.push(await recover({ demo, browsers, folder }, false));
    }
    const both = [...inPlace, ...queued];
    const of = (/** @type {typeof both} */ runs, /** @type {string} */ name) =>
      runs.map(({ figures }) => figures[name]);
    const flex = median(of(both, 'flex'));
    const beside = (/** @type {number} */ middle) => `${times(middle, flex)} Flex's own start (${ms(flex)})`;
    const trips = (/** @type {number} */ middle) => `${times(middle, 2 * LATENCY)} a round trip to Twilio`;
    const which = (/** @type {typeof both} */ runs) => () => runs.at(-1)?.which.join(', ') ?? '';
    row('core ready after the script begins, page idle', alone);
    row('core ready after the script is loaded, in Flex', of(both, 'ready'), beside);
    row('dialog on screen after the script is loaded', of(both, 'dialog'), beside);
    row('refresh → agent in the conference, in place', of(inPlace, 'back'), beside);
    row('refresh → agent in the conference, through the queue', of(queued, 'back'), beside);
    row("leave webhook → announcement requested (the server's own part)", of(queued, 'announcing'), trips);
    row('desktop ready → customer in the queue', of(queued, 'queued'), trips);
    row('REST requests for a call that was recovered, in place', of(inPlace, 'requests'), which(inPlace), '');
    row(
      'REST requests for a call that was recovered, through the queue',
      of(queued, 'requests'),
      which(queued),
      '',
    );
    row('besides, checks of the agent’s token', of(both, 'tokens'), undefined, '');
  } finally {
    await browsers.close();
    await demo.stop();
  }
  for (const { file, bytes, gzip } of measure()) {
    figures.push({ what: file, unit: 'kB', values: [bytes / 1000], note: `${kb(gzip)} after gzip` });
  }
  return figures;
}
