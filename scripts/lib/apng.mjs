// Joins PNGs into an animated PNG (https://www.w3.org/TR/png-3/#apng-frame-based-animation).

import { crc32, deflateSync, inflateSync } from 'node:zlib';

/** The eight bytes that a PNG begins with. */
const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** The chunks of a PNG by type; bodies of the same type are concatenated. */
function chunks(/** @type {Buffer} */ png) {
  /** @type {Map<string, Buffer>} */
  const found = new Map();
  for (let at = SIGNATURE.length; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + length);
    found.set(type, Buffer.concat([found.get(type) ?? Buffer.alloc(0), body]));
    at += 12 + length;
  }
  return found;
}

/** @param {string} type @param {Array<Buffer | number>} parts a number takes four bytes */
function chunk(type, ...parts) {
  const number = (/** @type {number} */ value) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const body = Buffer.concat(parts.map((part) => (typeof part === 'number' ? number(part) : part)));
  const named = Buffer.concat([Buffer.from(type, 'latin1'), body]);
  return Buffer.concat([number(body.length), named, number(crc32(named))]);
}

/**
 * Encodes an endless animation. Viewers without support for animated PNG show the first frame.
 * @param {Array<{png: Buffer, ms: number}>} frames of the same size and colour type, without a palette; `ms`: duration in
 *   milliseconds, at most 65535
 * @returns {Buffer}
 */
export function animate(frames) {
  let sequence = 0;
  const header = chunks(frames[0].png).get('IHDR') ?? Buffer.alloc(0);
  const drawn = frames.map(({ png, ms }, index) => {
    const { IHDR = Buffer.alloc(0), IDAT = Buffer.alloc(0) } = Object.fromEntries(chunks(png));
    if (!IHDR.equals(header))
      throw new Error(`frame ${index + 1} differs from the first in size or colour type`);
    const pixels = deflateSync(inflateSync(IDAT), { level: 9 });
    const delay = Buffer.alloc(6); // the last two bytes: keep the previous frame until this one replaces it
    delay.writeUInt16BE(ms);
    delay.writeUInt16BE(1000, 2);
    const control = chunk('fcTL', sequence++, header.subarray(0, 8), 0, 0, delay);
    return Buffer.concat([control, index === 0 ? chunk('IDAT', pixels) : chunk('fdAT', sequence++, pixels)]);
  });
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('acTL', frames.length, 0), // 0: repeat forever
    ...drawn,
    chunk('IEND'),
  ]);
}
