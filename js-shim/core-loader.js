// @ts-check
import * as glue from '../pkg/core_bg.js';
import compiling from '../pkg/core_packed.js'; // while Flex still loads

/**
 * After a breakdown the core's state is invalid: no function is called again, neither by us nor by a pending timer or
 * network answer.
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

// Callers handle the rejection.
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
