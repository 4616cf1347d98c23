// Bundles the real @twilio/flex-ui into target/flex-host/flex-host.js, for the twin's desktop pages.
// Does nothing when the bundle is there already and was made from the same versions by the same scripts.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const sources = path.join(root, 'scripts/flex-host');
const folder = path.join(root, 'target/flex-host');
const bundle = path.join(folder, 'flex-host.js');
const stamp = path.join(folder, 'made-from.json');

const packages = ['@twilio/flex-ui', 'react', 'react-dom', 'esbuild', 'process', 'buffer', 'path-browserify'];

async function ingredients() {
  const versions = {};
  for (const name of packages) {
    const file = path.join(root, 'node_modules', name, 'package.json');
    versions[name] = JSON.parse(await readFile(file, 'utf8')).version;
  }
  const hash = createHash('sha256');
  for (const file of [
    fileURLToPath(import.meta.url),
    ...['entry.js', 'node-globals.js'].map((f) => path.join(sources, f)),
  ]) {
    hash.update(await readFile(file));
  }
  return JSON.stringify({ versions, scripts: hash.digest('hex') }, null, 2) + '\n';
}

async function isThere(madeFrom) {
  try {
    const { size } = await stat(bundle);
    return size > 0 && (await readFile(stamp, 'utf8')) === madeFrom;
  } catch {
    return false;
  }
}

const madeFrom = await ingredients();
if (await isThere(madeFrom)) {
  console.log('flex-host: up to date');
} else {
  const started = Date.now();
  await mkdir(folder, { recursive: true });
  // To the side first: a build that is cut short must not leave half a bundle behind a valid stamp.
  const aside = path.join(folder, `flex-host.${process.pid}.js`);
  await build({
    entryPoints: [path.join(sources, 'entry.js')],
    outfile: aside,
    bundle: true,
    minify: true,
    format: 'iife',
    platform: 'browser',
    mainFields: ['browser', 'module', 'main'],
    define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
    alias: { path: 'path-browserify' },
    inject: [path.join(sources, 'node-globals.js')],
    loader: { '.css': 'text' },
    legalComments: 'none',
    logLevel: 'error',
  });
  await rename(aside, bundle);
  await writeFile(stamp, madeFrom);
  const { size } = await stat(bundle);
  console.log(
    `flex-host: bundled ${(size / 1e6).toFixed(1)} MB in ${((Date.now() - started) / 1000).toFixed(1)} s`,
  );
}
