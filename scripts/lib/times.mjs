// How long each part of a run took.

import { seconds } from './say.mjs';

/** @typedef {{name: string, ms: number, failed?: boolean}} Time */

/** A table, the longest first, with the share of all. @returns {string} */
export function table(/** @type {Time[]} */ times) {
  const all = times.reduce((sum, { ms }) => sum + ms, 0);
  const rows = [...times]
    .sort((a, b) => b.ms - a.ms)
    .map(({ name, ms, failed }) => [failed ? `${name} (failed)` : name, seconds(ms), ms]);
  const width = Math.max(...rows.map(([name]) => String(name).length), 0);
  return rows
    .map(([name, time, ms]) => {
      const share = `${Math.round((100 * Number(ms)) / (all || 1))} %`;
      return `  ${String(name).padEnd(width)}  ${String(time).padStart(7)}  ${share.padStart(5)}`;
    })
    .join('\n');
}
