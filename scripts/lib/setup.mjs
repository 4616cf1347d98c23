// Installs what is missing, or says exactly what to install. Each item is checked before it is touched.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { postgresPrograms } from './postgres.mjs';
import { root, run, tools, tryRun } from './run.mjs';
import { Advice, step } from './say.mjs';

const file = (/** @type {string[]} */ ...parts) => path.join(root, ...parts);

/**
 * Installs packages of Debian, where that is allowed.
 * @param {string} what they are, for people
 * @param {string[]} packages
 * @param {string} advice what to do where it is not allowed
 */
export async function install(what, packages, advice) {
  if (process.getuid?.() !== 0 || !(await tryRun('apt-get', ['--version']))) throw new Advice(advice);
  await step(`install ${what}`, async (heard) => {
    const options = { heard, env: { DEBIAN_FRONTEND: 'noninteractive' } };
    await run('apt-get', ['update', '-q'], options);
    await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], options);
  });
}

/** The exact version in Cargo.toml: the tool must have the same, or the glue does not fit the wasm. */
const bindgen = () => {
  const version = /^wasm-bindgen = "=([\d.]+)"/m.exec(readFileSync(file('Cargo.toml'), 'utf8'))?.[1];
  if (!version) throw new Advice('Cargo.toml does not pin wasm-bindgen exactly (wasm-bindgen = "=x.y.z").');
  return version;
};
/** The tools run for seconds: an optimised build would cost more minutes than it saves. */
const QUICKLY = {
  CARGO_PROFILE_RELEASE_OPT_LEVEL: '0',
  CARGO_PROFILE_RELEASE_LTO: 'off',
  CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16',
};
const WASM_PACK = '0.15.1';
const CARGO_DENY = '0.20.2';
const CARGO_MUTANTS = '27.1.0';

/** Checks for Rust, Node and a C compiler, and adds the wasm target to Rust. */
export async function compiler() {
  if (Number(process.versions.node.split('.')[0]) < 20) {
    throw new Advice(`Node ${process.versions.node} is too old: 20 is needed. https://nodejs.org`);
  }
  if (!(await tryRun('cargo', ['--version']))) {
    throw new Advice('Rust is missing. Install it (https://rustup.rs), open a new shell and start again.');
  }
  if (!(await tryRun('cc', ['--version']))) {
    throw new Advice('A C compiler is missing. On Debian: apt-get install build-essential');
  }
  await wasmTarget();
}

async function wasmTarget() {
  const lib = await tryRun('rustc', ['--print', 'target-libdir', '--target', 'wasm32-unknown-unknown']);
  if (lib && existsSync(lib.trim())) return;
  if (!(await tryRun('rustup', ['--version']))) {
    throw new Advice("Rust's wasm32-unknown-unknown target is missing, and rustup is not there to add it.");
  }
  await step('add the WebAssembly target to Rust', (heard) =>
    run('rustup', ['target', 'add', 'wasm32-unknown-unknown'], { heard }),
  );
}

async function cargoTools(/** @type {Array<[string, string, string]>} */ wanted) {
  /** @type {string[]} */
  const missing = [];
  for (const [crate, command, version] of wanted) {
    const [bin = crate, ...args] = command.split(' ');
    const found = await tryRun(path.join(tools, 'bin', bin), [...args, '--version']);
    if (!found?.includes(version)) missing.push(`${crate}@${version}`);
  }
  if (!missing.length) return;
  const build = path.join(tools, 'build');
  await step(`build ${missing.join(', ')} (some minutes, once)`, (heard) =>
    // One target directory for all tools: shared dependencies are compiled once.
    run('cargo', ['install', ...missing, '--root', tools, '--target-dir', build], { heard, env: QUICKLY }),
  );
  rmSync(build, { recursive: true, force: true });
}

/** Builds the tools that compile the plugin. */
export const wasmTools = () => cargoTools(toolsFor(false));

/** @returns {Array<[string, string, string]>} */
const toolsFor = (/** @type {boolean} */ tests) => [
  ['wasm-bindgen-cli', 'wasm-bindgen', bindgen()],
  ['wasm-pack', 'wasm-pack', WASM_PACK],
  ...(tests ? [/** @type {[string, string, string]} */ (['cargo-deny', 'cargo-deny', CARGO_DENY])] : []),
];

/** Builds the tool that tries mutants of the core. */
export const mutationTools = () => cargoTools([['cargo-mutants', 'cargo-mutants mutants', CARGO_MUTANTS]]);

/** Installs the node packages. */
export async function nodePackages() {
  const stamp = file('node_modules/.installed');
  const lock = createHash('sha256')
    .update(readFileSync(file('package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  await step('install the node packages (1 GB, some minutes, once)', (heard) =>
    run('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline'], { heard }),
  );
  writeFileSync(stamp, lock);
}

/**
 * Installs what a build needs.
 * @param {{tests?: boolean}} options `tests`: also what `npm test` needs
 */
export async function setup({ tests = false } = {}) {
  await compiler();
  // One is bound by the processor, the other by the network.
  await Promise.all([cargoTools(toolsFor(tests)), nodePackages()]);
}

/**
 * A Chromium, for checks and tests.
 * @param {{driver?: boolean}} options `driver`: its WebDriver, too
 * @returns {Promise<string>} path of the browser
 */
export async function chromium({ driver = false } = {}) {
  const { CHROMIUM } = process.env;
  if (CHROMIUM && !existsSync(CHROMIUM)) throw new Advice(`CHROMIUM is ${CHROMIUM}, and nothing is there.`);
  const found = () =>
    [CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
      (candidate) => candidate && existsSync(candidate),
    );
  const packages = [];
  if (!found()) packages.push('chromium');
  if (driver && !(await tryRun('chromedriver', ['--version']))) packages.push('chromium-driver');
  if (packages.length) {
    const advice =
      `${packages.join(' and ')} missing. On Debian: sudo apt-get install ${packages.join(' ')}\n` +
      'A Chromium elsewhere is taken from the environment variable CHROMIUM.';
    await install('Chromium', packages, advice);
  }
  const browser = found();
  if (!browser)
    throw new Advice('Chromium was installed but is not at /usr/bin/chromium. Set CHROMIUM to its path.');
  return browser;
}

/**
 * Chromium's headless shell: the same engine without what people see of a browser
 * (https://developer.chrome.com/blog/chrome-headless-shell). A desktop takes a third less of the processor to sign in. What a
 * browser asks people for, such as the microphone, and its back/forward cache are not tried there.
 * @param {string} browser the Chromium to take where there is none, or where the environment names that
 * @returns {Promise<string>} path of the program
 */
export async function headlessShell(browser) {
  const shell = '/usr/bin/chromium-headless-shell';
  if (process.env.CHROMIUM) return browser;
  if (!existsSync(shell) && process.getuid?.() === 0) {
    // Debian has it beside Chromium; who has not got it plays everything in Chromium.
    const args = ['install', '-y', '-q', '--no-install-recommends', path.basename(shell)];
    await step("install Chromium's headless shell, if there is one", async () => {
      await tryRun('apt-get', ['update', '-q']);
      await tryRun('apt-get', args);
    });
  }
  return existsSync(shell) ? shell : browser;
}

/**
 * A C compiler and Rust's library for static programs.
 * @param {string} target such as x86_64-unknown-linux-musl
 */
export async function musl(target) {
  if (!(await tryRun('musl-gcc', ['--version']))) {
    const advice = 'musl-gcc is missing. On Debian: sudo apt-get install musl-tools';
    await install('musl-gcc', ['musl-tools'], advice);
  }
  const library = await tryRun('rustc', ['--print', 'target-libdir', '--target', target]);
  if (library && existsSync(library.trim())) return;
  if (!(await tryRun('rustup', ['--version']))) {
    throw new Advice(`Rust's target ${target} is missing, and rustup is not there to add it.`);
  }
  await step(`add the target ${target} to Rust`, (heard) =>
    run('rustup', ['target', 'add', target], { heard }),
  );
}

/** Programs of PostgreSQL and PgBouncer, for tests: they start one of their own, in a temporary folder. */
export async function postgres() {
  // Debian's place for PgBouncer is not in everybody's path.
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin'];
  const found = () =>
    postgresPrograms() && folders.some((folder) => existsSync(path.join(folder, 'pgbouncer')));
  if (found()) return;
  const advice =
    'PostgreSQL or PgBouncer is missing: the store is tested on them. On Debian: sudo apt-get install postgresql pgbouncer\n' +
    'Elsewhere initdb, pg_basebackup, postgres and pgbouncer are looked for in the PATH. Nothing has to run: the tests start their own.';
  await install('PostgreSQL and PgBouncer', ['postgresql', 'pgbouncer'], advice);
  if (!found())
    throw new Advice(
      'PostgreSQL and PgBouncer were installed, but initdb, pg_basebackup, postgres or pgbouncer is not in the PATH.',
    );
}
