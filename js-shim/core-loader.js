// @ts-check
import * as glue from '../pkg/core_bg.js';
import compiling from '../pkg/core_packed.js'; // while Flex still loads

/** @type {import('./types').Guarded} */
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

compiling.catch(() => {}); // callers handle the rejection

/** @type {import('./types').LoadCore} */
export const loadCore = async (broken) => {
  // The build names the glue `a`, see scripts/lib/shorten.mjs.
  const instance = await WebAssembly.instantiate(await compiling, { a: { ...glue } });
  glue.__wbg_set_wasm(guarded(instance.exports, broken));
  glue.__wbindgen_start();
  return glue;
};
