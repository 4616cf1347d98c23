// Makes the real @twilio/flex-ui one script, flex-host.js, for the twin's desktop pages: the newest into target/flex-host,
// with the argument `oldest` the oldest that the plugin supports into target/flex-host-oldest.
// Does nothing when the script exists and was made from the same versions in the same way.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { newest, oldest, OLDEST_INTEGRITY } from './lib/flex.mjs';
import { root, run } from './lib/run.mjs';
import { giveUp } from './lib/say.mjs';

const sources = path.join(root, 'scripts/flex-host');

const versionOf = async (/** @type {string} */ name) =>
  JSON.parse(await readFile(path.join(root, 'node_modules', name, 'package.json'), 'utf8')).version;

async function ingredients(/** @type {string[]} */ packages, /** @type {object} */ more = {}) {
  const versions = { ...more };
  for (const name of packages) versions[name] = await versionOf(name);
  const hash = createHash('sha256');
  const scripts = ['entry.js', 'node-globals.js'].map((name) => path.join(sources, name));
  for (const file of [fileURLToPath(import.meta.url), ...scripts]) hash.update(await readFile(file));
  return JSON.stringify({ versions, scripts: hash.digest('hex') }, null, 2) + '\n';
}

/** Bundles the node packages. The npm package is a library that requires React and others. */
const bundled = {
  ...newest,
  madeFrom: () =>
    ingredients(['@twilio/flex-ui', 'react', 'react-dom', 'esbuild', 'process', 'buffer', 'path-browserify']),
  make: (/** @type {string} */ outfile) =>
    build({
      entryPoints: [path.join(sources, 'entry.js')],
      outfile,
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
    }),
};

/**
 * Up to 2.7 the package contains the script that Twilio hosts, with all of its dependencies except React: nothing else
 * has to be installed.
 */
const fetched = {
  ...oldest,
  madeFrom: () =>
    ingredients(['react', 'react-dom'], { '@twilio/flex-ui': oldest.version, OLDEST_INTEGRITY }),
  async make(/** @type {string} */ outfile) {
    const wanted = `@twilio/flex-ui@${oldest.version}`;
    const pack = ['pack', wanted, '--silent', '--prefer-offline', '--pack-destination', oldest.folder];
    const [name] = /^\S+\.tgz$/m.exec(await run('npm', pack)) ?? [];
    if (!name) throw new Error(`npm does not say where it put ${wanted}.`);
    const archive = path.join(oldest.folder, name);
    const digest = createHash('sha512')
      .update(await readFile(archive))
      .digest('base64');
    if (`sha512-${digest}` !== OLDEST_INTEGRITY) {
      throw new Error(`${wanted} is not what it was: its checksum is sha512-${digest}.`);
    }
    const script = 'package/bundle/twilio-flex.unbundled-react.browser.js';
    await run('tar', ['-xzf', archive, '-C', oldest.folder, script]);
    const react = ['react', 'react-dom'].map((name) =>
      path.join(root, 'node_modules', name, 'umd', `${name}.production.min.js`),
    );
    const parts = [...react, path.join(oldest.folder, script)].map((file) => readFile(file, 'utf8'));
    await writeFile(outfile, (await Promise.all(parts)).join('\n;\n'));
    await rm(archive);
    await rm(path.join(oldest.folder, 'package'), { recursive: true });
  },
};

async function main() {
  const { name, folder, madeFrom, make } = process.argv[2] === oldest.name ? fetched : bundled;
  const script = path.join(folder, 'flex-host.js');
  const stamp = path.join(folder, 'made-from.json');
  const wanted = await madeFrom();
  const isThere = async () => (await stat(script)).size > 0 && (await readFile(stamp, 'utf8')) === wanted;
  if (await isThere().catch(() => false)) return console.log(`flex-host, ${name}: up to date`);
  const started = Date.now();
  await mkdir(folder, { recursive: true });
  // Written aside first: an aborted run must not leave half a script with a valid stamp.
  const aside = path.join(folder, `flex-host.${process.pid}.js`);
  await make(aside);
  await rename(aside, script);
  await writeFile(stamp, wanted);
  const { size } = await stat(script);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(`flex-host, ${name}: made ${(size / 1e6).toFixed(1)} MB in ${seconds} s`);
}

main().catch(giveUp);
