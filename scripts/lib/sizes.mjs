// Download sizes, compared with the recorded ones (sizes.json).

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { root } from './run.mjs';

/** Maximum size of a file after gzip -9, in bytes. */
export const LIMITS = { 'pkg/core_bg.wasm': 100_500, 'build/plugin-rejoin.js': 119_000 };

const record = path.join(root, 'sizes.json');

/** @typedef {{file: string, bytes: number, gzip: number, last?: {bytes: number, gzip: number}, limit?: number}} Size */

/** @returns {Size[]} */
export function measure() {
  const recorded = JSON.parse(readFileSync(record, 'utf8'));
  return Object.entries(LIMITS).map(([file, limit]) => {
    const content = readFileSync(path.join(root, file));
    const gzip = gzipSync(content, { level: 9 }).length;
    return { file, bytes: content.length, gzip, last: recorded[file], limit };
  });
}

/** Records these sizes. */
export function keep(/** @type {Size[]} */ sizes) {
  const now = Object.fromEntries(sizes.map(({ file, bytes, gzip }) => [file, { bytes, gzip }]));
  writeFileSync(record, `${JSON.stringify(now, null, 2)}\n`);
}

export const kb = (/** @type {number} */ bytes) => `${(bytes / 1000).toFixed(1)} kB`;

/** One line about a file. */
export function line(/** @type {Size} */ { file, bytes, gzip, last, limit }) {
  const known =
    last && `was ${kb(last.gzip)}, ${gzip < last.gzip ? '−' : '+'}${kb(Math.abs(gzip - last.gzip))}`;
  const beside = [known || 'not on record', limit && `limit ${kb(limit)}`].filter(Boolean).join('; ');
  return `${file}: ${kb(bytes)}, gzip ${kb(gzip)} (${beside})`;
}

/** The files above their limit, one sentence each. @returns {string[]} */
export const tooLarge = (/** @type {Size[]} */ sizes) =>
  sizes
    .filter(({ gzip, limit }) => limit !== undefined && gzip > limit)
    .map(
      ({ file, gzip, limit = 0 }) =>
        `${file} is ${kb(gzip)} after gzip, ${kb(gzip - limit)} above its limit.`,
    );
