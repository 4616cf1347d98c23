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

/**
 * Starts the wasm. Rejects when this browser, or its content security policy, does not let it.
 * @param {(error: unknown) => void} broken called once, if the core breaks down
 * @returns {Promise<typeof glue>}
 */
export const loadCore = async (broken) => {
  // webpack.config.js makes a text of it: base64 of the gzipped file.
  const text = /** @type {string} */ (/** @type {unknown} */ (file));
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  const wasm = await new Response(stream).arrayBuffer();
  // The build names the glue `a`, see scripts/lib/shorten.mjs.
  const { instance } = await WebAssembly.instantiate(wasm, { a: { ...glue } });
  glue.__wbg_set_wasm(guarded(instance.exports, broken));
  glue.__wbindgen_start();
  return glue;
};
