// Output for people: one line a step, with its duration, and a sign of life while it takes long.

import { isStopping } from './stop.mjs';

const started = Date.now();

export const seconds = (ms) => (ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`);

export const say = (text = '') => process.stdout.write(`${text}\n`);

/** A problem of the machine or the user, with advice what to do: shown without a stack. */
export class Advice extends Error {}

/**
 * Runs one step. `work` gets a function that takes what the step prints: its last line is shown every 15 s.
 * @template T
 * @param {string} title
 * @param {(heard: (text: string) => void) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(title, work) {
  const begun = Date.now();
  let last = '';
  const heard = (/** @type {string} */ text) => {
    const lines = text.split(/[\r\n]+/).filter((line) => line.trim());
    if (lines.length) last = /** @type {string} */ (lines.at(-1)).trim();
  };
  const alive = setInterval(
    () => say(`  … ${title}, ${seconds(Date.now() - begun)}: ${last.slice(0, 90)}`),
    15_000,
  );
  try {
    const result = await work(heard);
    say(`✓ ${title} (${seconds(Date.now() - begun)})`);
    return result;
  } catch (error) {
    say(`✗ ${title} (${seconds(Date.now() - begun)})`);
    throw error;
  } finally {
    clearInterval(alive);
  }
}

export const sinceStart = () => seconds(Date.now() - started);

/** Ends the program with the reason on the screen. */
export function giveUp(/** @type {unknown} */ error) {
  // A step that ends because everything is being stopped has not failed.
  if (isStopping()) return;
  say();
  if (error instanceof Advice) say(error.message);
  else say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exit(1);
}
