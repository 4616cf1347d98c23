// @ts-check
import * as glue from '../pkg/core_bg.js';
import file from '../pkg/core_bg.wasm';

/**
 * After a breakdown nothing inside holds: no function is called again then, not by us and not by a timer or an answer
 * from the network that was still to come.
 * @param {WebAssembly.Exports} exports
 * @param {(error: unknown) => void} broken
 * @returns {Record<string, any>}
 */
const guarded = (exports, broken) => {
  let works = true;
  const guard =
    (/** @type {Function} */ call) =>
    (/** @type {unknown[]} */ ...args) => {
      try {
        if (works) return call(...args);
      } catch (error) {
        works = false;
        broken(error);
      }
      return []; // the glue takes it for "no value, no error"
    };
  const entries = Object.entries(exports);
  return Object.fromEntries(entries.map(([name, it]) => [name, typeof it === 'function' ? guard(it) : it]));
};

/** @returns {Uint8Array<ArrayBuffer>} */
const decode = (/** @type {string} */ text) => {
  const decoder = /** @type {{fromBase64?: (text: string) => Uint8Array<ArrayBuffer>}} */ (Uint8Array);
  if (decoder.fromBase64) return decoder.fromBase64(text);
  const chars = atob(text);
  const bytes = new Uint8Array(chars.length);
  // `Uint8Array.from(chars, …)` takes ten times as long.
  for (let at = 0; at < chars.length; at += 1) bytes[at] = chars.charCodeAt(at);
  return bytes;
};

const compile = async () => {
  // webpack.config.js makes a text of it: base64 of the gzipped file.
  const packed = decode(/** @type {string} */ (/** @type {unknown} */ (file)));
  const stream = /** @type {ReadableStream} */ (new Response(packed).body);
  const unpacked = stream.pipeThrough(new DecompressionStream('gzip'));
  // Compiled while it is unpacked: it asks for a response of this type.
  const headers = { 'content-type': 'application/wasm' };
  return WebAssembly.compileStreaming(new Response(unpacked, { headers }));
};

// While Flex is still on its way to the plugin.
const compiling = compile();
// Whoever needs it hears of it.
compiling.catch(() => {});

/**
 * Starts the wasm. Rejects when this browser, or its content security policy, does not let it.
 * @param {(error: unknown) => void} broken called once, if the core breaks down
 * @returns {Promise<typeof glue>}
 */
export const loadCore = async (broken) => {
  // The build names the glue `a`, see scripts/lib/shorten.mjs.
  const instance = await WebAssembly.instantiate(await compiling, { a: { ...glue } });
  glue.__wbg_set_wasm(guarded(instance.exports, broken));
  glue.__wbindgen_start();
  return glue;
};
