// @ts-check
import * as core from '../pkg/core.js';
import file from '../pkg/core_bg.wasm';

/** @type {Promise<typeof core> | undefined} */
let loading;

const start = async () => {
  // webpack.config.js makes a text of it: base64 of the gzipped file.
  const text = /** @type {string} */ (/** @type {unknown} */ (file));
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  await core.default({ module_or_path: await new Response(stream).arrayBuffer() });
  return core;
};

/**
 * Starts the wasm once. Rejects when this browser, or its content security policy, does not let it.
 * @returns {Promise<typeof core>}
 */
export const loadCore = () => (loading = loading || start());
