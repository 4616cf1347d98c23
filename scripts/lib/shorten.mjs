// The names that connect the wasm with its glue are long in both of them, with hashes that do not compress:
// 4 % of what a browser loads.

/** The option of `wasm-opt` that shortens them: it prints the mapping of the names. */
export const SHORTEN = '--minify-imports-and-exports-and-modules';

/**
 * The glue with the names that the wasm has now. All imports come from one module, which the wasm calls `a` now.
 * @param {string} glue as wasm-bindgen wrote it
 * @param {string} printed by `wasm-opt`
 * @returns {string}
 */
export function shorten(glue, printed) {
  /** @type {{imports: [string, string, string][], exports: [string, string][]}} */
  const { imports, exports } = JSON.parse(printed);
  const fields = new Map(imports.map(([, old, short]) => [old, short]));
  const members = new Map(exports);
  const taken = new Set();
  const short = (/** @type {Map<string, string>} */ names, /** @type {string} */ old) => {
    taken.add(old);
    return names.get(old) ?? old;
  };
  const text = glue
    .replace(/^(export function )(\w+)/gm, (_, begin, old) => begin + short(fields, old))
    .replace(/\bwasm\.(\w+)/g, (_, old) => `wasm.${short(members, old)}`);
  const missed = [...fields.keys()].filter((old) => !taken.has(old));
  if (missed.length || text === glue) throw new Error(`The glue does not name ${missed.join(', ')}.`);
  return text;
}
