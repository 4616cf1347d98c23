// How everything ends. Whatever is started says here how it is stopped; a signal stops all of it before this program
// goes. Ctrl-C reaches npm and this program at once, and npm passes it on besides: the same signal comes twice.

import { constants } from 'node:os';

/** @type {Set<() => unknown>} */
const stops = new Set();
/** After this time this program exits, which kills whatever is left. */
const PATIENCE = 8000;

let stopping = false;
/** @type {(signal: NodeJS.Signals) => number} */
let exitCode = (signal) => 128 + constants.signals[signal];

/** True while a signal is being handled: errors of interrupted steps are then not reported. */
export const isStopping = () => stopping;

/**
 * Calls `stop` when a signal comes.
 * @param {() => unknown} stop may take its time
 * @returns {() => void} forgets it
 */
export function onStop(stop) {
  stops.add(stop);
  return () => stops.delete(stop);
}

/** From now on a signal is the normal end, not a failure. */
export function signalIsTheEnd() {
  exitCode = () => 0;
}

async function obey(/** @type {NodeJS.Signals} */ signal) {
  if (stopping) return;
  stopping = true;
  process.stdout.write('\nStopping …\n');
  setTimeout(() => process.exit(1), PATIENCE).unref();
  await Promise.allSettled([...stops].map((stop) => stop()));
  process.stdout.write('Stopped.\n');
  process.exit(exitCode(signal));
}

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, obey);
