// What hangs must not take a whole run with it: nobody sees then what has passed, and what has hung.

import { Advice } from './say.mjs';

/**
 * The result of `work`, unless it takes too long. What it has begun goes on: the caller ends what it uses.
 * @template T
 * @param {number} seconds
 * @param {string} what for the message: what takes so long
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
export async function limit(seconds, what, work) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Advice(`${what} has not ended within ${seconds} s.`)), seconds * 1000);
  });
  try {
    return await Promise.race([work, /** @type {Promise<never>} */ (late)]);
  } finally {
    clearTimeout(timer);
    // It may fail later, when nobody waits for it any more.
    work.catch(() => {});
  }
}
