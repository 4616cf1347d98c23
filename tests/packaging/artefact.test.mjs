// The file that agents' browsers load, and that Twilio's own tools accept it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { freePort } from '../../scripts/lib/demo.mjs';
import { env, root } from '../../scripts/lib/run.mjs';
import { kb, line, measure, tooLarge } from '../../scripts/lib/sizes.mjs';

const NAME = 'plugin-rejoin';
/** What Twilio's builder takes, for the script and for the map each. */
const TWILIO_LIMIT = 10e6;
const built = (/** @type {string} */ file) => path.join(root, 'build', file);
const script = () => readFileSync(built(`${NAME}.js`), 'utf8');
const map = () => JSON.parse(readFileSync(built(`${NAME}.js.map`), 'utf8'));

/** Twilio's tools write into the home directory: they get one of their own. @type {string} */
let home;

before(() => {
  home = mkdtempSync(path.join(tmpdir(), 'rejoin-home-'));
  mkdirSync(path.join(home, '.twilio-cli/flex'), { recursive: true });
  const write = (/** @type {string} */ file, /** @type {object} */ content) =>
    writeFileSync(path.join(home, '.twilio-cli', file), JSON.stringify(content));
  write('package.json', { name: 'twilio-cli-plugins', dependencies: {} });
  write('flex/plugins.json', { plugins: [{ name: NAME, dir: root }] });
});

after(() => rmSync(home, { recursive: true, force: true }));

/** @param {string[]} args */
const flexPlugin = (...args) => {
  const child = spawn('flex-plugin', args, {
    cwd: root,
    env: { ...env, HOME: home, CI: 'true', NODE_ENV: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // it starts others: they are killed as one group
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (output += bytes));
  const ended = new Promise((done) => child.once('close', (code, signal) => done(signal ?? code)));
  return { child, ended, output: () => output };
};

test('one script, its map and the licences of what is inside', () => {
  const entries = readdirSync(path.join(root, 'build'));
  assert.deepEqual(entries.filter((name) => name !== 'release').sort(), [
    `${NAME}.js`,
    `${NAME}.js.LICENSE.txt`,
    `${NAME}.js.map`,
  ]);
  assert.match(
    readFileSync(built(`${NAME}.js.LICENSE.txt`), 'utf8'),
    /plugin-rejoin \d+\.\d+\.\d+, Apache-2\.0/,
  );
  for (const file of [`${NAME}.js`, `${NAME}.js.map`]) {
    const { size } = statSync(built(file));
    assert.ok(size < TWILIO_LIMIT, `${file}: ${kb(size)}`);
  }
});

test('the map is complete, and has the name under which Flex serves it', () => {
  const { sources, sourcesContent, mappings } = map();
  assert.match(script(), /\n\/\/# sourceMappingURL=bundle\.js\.map\s*$/);
  const shim = sources.findIndex((/** @type {string} */ source) => source.endsWith('js-shim/plugin.js'));
  assert.ok(shim >= 0, 'the shim is in it');
  assert.ok(sourcesContent[shim].includes('RejoinPlugin'));
  assert.ok(mappings.length > 1000, `${mappings.length} characters of mappings`);
});

test('it does not contain what Flex provides', () => {
  const packages = new Set(
    map().sources.flatMap(
      (/** @type {string} */ source) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? [],
    ),
  );
  assert.deepEqual([...packages], ['@twilio/flex-plugin']);
  // A part that each of them must contain, in case the map does not name it.
  for (const sign of ['Minified React error', '@@redux/INIT', 'Minified Redux error', 'runDefault']) {
    assert.ok(!script().includes(sign), `"${sign}"`);
  }
});

test('it contains the wasm, and loads no other file', () => {
  const texts = script().match(/[A-Za-z0-9+/]{5000,}={0,2}/g) ?? [];
  assert.equal(texts.length, 1);
  const wasm = gunzipSync(Buffer.from(texts[0], 'base64'));
  assert.ok(wasm.equals(readFileSync(path.join(root, 'pkg/core_bg.wasm'))), 'it is the one of pkg/');
  assert.ok(WebAssembly.validate(wasm));
  assert.doesNotMatch(script(), /\.wasm\b/);
});

test('it is below the size limits, and a larger one is reported', () => {
  const sizes = measure();
  assert.deepEqual(tooLarge(sizes), [], sizes.map(line).join('\n'));
  const [file, limit] = ['some.js', 1000];
  assert.deepEqual(tooLarge([{ file, bytes: 4000, gzip: 1100, limit }]), [
    'some.js is 1.1 kB after gzip, 0.1 kB above its limit.',
  ]);
  assert.equal(
    line({ file, bytes: 4000, gzip: 900, limit, last: { bytes: 1, gzip: 1000 } }),
    'some.js: 4.0 kB, gzip 0.9 kB (was 1.0 kB, −0.1 kB; limit 1.0 kB)',
  );
});

test("Twilio's check before every command finds no problem", async () => {
  const check = flexPlugin('pre-script-check');
  assert.equal(await check.ended, 0, check.output());
});

test('flex-plugin start serves it for development', { timeout: 120_000 }, async () => {
  const port = await freePort();
  const server = flexPlugin('start', 'plugin', '--name', NAME, '--port', String(port));
  try {
    const address = `http://127.0.0.1:${port}/plugins/${NAME}.js`;
    // No event reports when it listens; a request is answered once the first build is done.
    let response;
    while (!response) {
      const over = Symbol('over');
      response = await fetch(address).catch(() => null);
      if (response) break;
      const pause = new Promise((done) => setTimeout(done, 100));
      assert.equal(await Promise.race([server.ended.then(() => over), pause]), undefined, server.output());
    }
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /javascript/);
    const text = await response.text();
    assert.ok(text.includes('RejoinPlugin') && text.includes('webpack-dev-server'), 'ours, with live reload');
  } finally {
    process.kill(-(/** @type {number} */ (server.child.pid)), 'SIGTERM');
    await server.ended;
  }
});

test('flex-plugin deploy would upload two files', async (context) => {
  // Twilio's own script up to the point where an account is needed for good; what asks the account is replaced.
  const require = createRequire(import.meta.url);
  const scripts = '@twilio/flex-plugin-scripts/dist';
  process.chdir(root);
  Object.assign(process.env, {
    TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
    TWILIO_AUTH_TOKEN: 'none',
    CI: 'true',
  });
  /** @type {string[][]} */
  const uploads = [];
  const [service, environment] = [{ sid: `ZS${'0'.repeat(32)}` }, { domain_name: 'x.twil.io', sid: 'ZE' }];
  const enough = new Error('the uploads are known');
  class Anything {
    getServiceSids = async () => [service.sid];
    getFlexUIVersion = async () => '2.17.1';
    getUIDependencies = async () => ({ react: '17.0.2', 'react-dom': '17.0.2' });
    get = async (/** @type {string | undefined} */ sid) => (sid ? service : environment);
    upload = async (/** @type {string} */ _name, /** @type {string} */ uri, /** @type {string} */ file) => {
      uploads.push([uri, file]);
      return { sid: 'ZN' };
    };
    registerSid = async () => {};
    create = async () => {
      throw enough; // from here on it would write the version into package.json
    };
  }
  const clients = require.resolve(`${scripts}/clients`);
  require(clients);
  const names = Object.keys(require(clients));
  const cached = /** @type {NodeJS.Module} */ (require.cache[clients]);
  cached.exports = Object.fromEntries(names.map((name) => [name, Anything]));
  const { _doDeploy: deploy } = require(`${scripts}/scripts/deploy`);
  await assert.rejects(deploy('0.0.0', { isPublic: false, overwrite: false }), enough);

  assert.deepEqual(uploads, [
    [`/plugins/${NAME}/0.0.0/bundle.js`, built(`${NAME}.js`)],
    [`/plugins/${NAME}/0.0.0/bundle.js.map`, built(`${NAME}.js.map`)],
  ]);
  for (const [uri, file] of uploads) context.diagnostic(`${uri}: ${kb(statSync(file).size)}`);
});
