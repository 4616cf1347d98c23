// Flex deploys one file, so the wasm is embedded in it, and unpacks itself.

import { gzipSync } from 'node:zlib';

/** Runs in the browser. @returns {Uint8Array<ArrayBuffer>} */
function decode(/** @type {string} */ text) {
  const decoder = /** @type {{fromBase64?: (text: string) => Uint8Array<ArrayBuffer>}} */ (Uint8Array);
  if (decoder.fromBase64) return decoder.fromBase64(text);
  const chars = atob(text);
  const bytes = new Uint8Array(chars.length);
  // `Uint8Array.from(chars, …)` takes ten times as long.
  for (let at = 0; at < chars.length; at += 1) bytes[at] = chars.charCodeAt(at);
  return bytes;
}

/** Runs in the browser. @returns {Promise<WebAssembly.Module>} */
async function compile(/** @type {string} */ text) {
  const packed = /** @type {ReadableStream} */ (new Response(decode(text)).body);
  const unpacked = packed.pipeThrough(new DecompressionStream('gzip'));
  // Compiled while it is unpacked, which requires a response of this type.
  const headers = { 'content-type': 'application/wasm' };
  return WebAssembly.compileStreaming(new Response(unpacked, { headers }));
}

/**
 * A script whose default export is the promise of the compiled wasm; compiling begins when it is loaded.
 * @param {Buffer} wasm
 */
export function pack(wasm) {
  // Base64 of gzip is smaller than gzip of base64.
  const text = gzipSync(wasm, { level: 9, memLevel: 6 }).toString('base64');
  return `${decode}\n${compile}\nexport default compile('${text}');\n`;
}

/** Its TypeScript declaration. */
export const PACKED_TYPES =
  'declare const compiled: Promise<WebAssembly.Module>;\nexport default compiled;\n';
