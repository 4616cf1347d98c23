// Worlds per second and core: the smallest ones, with one agent and one customer, and drawn ones.

import path from 'node:path';
import { root, run } from '../../scripts/lib/run.mjs';
import { Advice, step } from '../../scripts/lib/say.mjs';
import { median } from './table.mjs';

/** @typedef {import('./server.mjs').Figure} Figure */

const plan = (/** @type {string} */ name) => ['--plan', path.join(root, `tests/bench/worlds/${name}.json`)];

/** What is played, how many worlds of it are enough for a figure, and what a table calls it. */
const PLAYED = [
  { what: 'a call of half a minute', args: plan('call'), worlds: 3000 },
  { what: 'a call of a minute and a half', args: plan('longer-call'), worlds: 3000 },
  { what: 'half a minute, a refresh, back in place', args: plan('refresh-in-place'), worlds: 1500 },
  { what: 'half a minute, a refresh, back through the queue', args: plan('refresh'), worlds: 1500 },
  { what: 'drawn, refresh', args: ['--scenario', 'refresh'], worlds: 1000 },
  { what: 'drawn, outbound', args: ['--scenario', 'outbound'], worlds: 1500 },
  { what: 'drawn, mixed', args: ['--scenario', 'mixed'], worlds: 500 },
  { what: 'drawn, large', args: ['--scenario', 'large'], worlds: 15 },
];

/**
 * @param {number} repeat how often
 * @returns {Promise<Figure[]>}
 */
export async function simulation(repeat) {
  await step('build the simulation, optimised (ten minutes the first time)', (heard) =>
    run('cargo', ['build', '-p', 'rejoin-world', '--profile', 'simulate', '--bin', 'simulate'], { heard }),
  );
  return step('measure the simulation', async (heard) => {
    const measured = PLAYED.map(({ what, args, worlds }) => ({
      what,
      args: [...args, '--seed', '1', '--seeds', String(worlds), '--threads', '1'],
      worlds: /** @type {number[]} */ ([]),
      simulated: /** @type {number[]} */ ([]),
    }));
    // By turns, so that other load on the machine affects all of them.
    for (let round = 0; round < repeat; round++) {
      for (const each of measured) {
        heard(each.what);
        const { worlds, simulated } = rates(
          await run(path.join(root, 'target/simulate/simulate'), each.args),
        );
        each.worlds.push(worlds);
        each.simulated.push(simulated);
      }
    }
    const smallest = median(measured[0].worlds);
    return measured.map(({ what, worlds, simulated }) => ({
      what: `worlds a second and core: ${what}`,
      unit: '',
      values: worlds,
      note: `${(median(worlds) / smallest).toFixed(2)} × the first, ${Math.round(median(simulated)).toLocaleString('en')} × real time`,
    }));
  });
}

/** What the last line but one of the simulation says. */
function rates(/** @type {string} */ output) {
  const said = /: (\d+) worlds, \d+ events and (\d+) simulated seconds a second/.exec(output);
  if (!said) throw new Advice(`The simulation did not say how fast it was:\n${output}`);
  return { worlds: Number(said[1]), simulated: Number(said[2]) };
}
