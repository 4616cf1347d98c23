// What `npm test` runs, in this order, as data. scripts/test.mjs runs it.

import { newest, oldest } from './flex.mjs';

const WASM = 'wasm32-unknown-unknown';

export const BUILD = 'build';
export const END_TO_END = 'end to end';
export const SERVER = 'tests of the server';
export const UNITS = 'unit, table and property tests';
export const COMPILED = 'the tests, compiled';
export const OLDEST = `the Flex UI ${oldest.version}, as one script`;

/**
 * `command`: the program and its arguments; a part without one is a function of scripts/test.mjs. `runs`: both with and
 * without `--quick`, or only with it; without it alone if this is left out. `needs`: parts that run before it, asked for or
 * not. `waits`: it mostly waits, and runs at once with those before and after it that do.
 * @typedef {{name: string, command?: string[], runs?: 'always' | 'quick', needs?: string[], waits?: boolean}} Part
 */

// In the form that ./failures.mjs reads: later versions of Node have another default (https://nodejs.org/api/test.html#test-reporters).
const node = (/** @type {string} */ file) => [process.execPath, '--test', '--test-reporter=tap', file];
const clippy = (/** @type {string[]} */ ...what) => ['cargo', 'clippy', ...what, '--', '-D', 'warnings'];
const rustTests = (/** @type {string[]} */ ...which) => [
  ...'cargo test --workspace --no-fail-fast'.split(' '),
  ...which,
];

/** @returns {Part} */
const inBrowsers = (/** @type {string} */ name, /** @type {string} */ file) => ({
  name,
  needs: [BUILD],
  waits: true,
  command: node(file),
});

/** @type {Part[]} */
export const PARTS = [
  { name: 'format of the Rust code', runs: 'always', command: ['cargo', 'fmt', '--all', '--check'] },
  {
    name: 'format of everything else',
    runs: 'always',
    command: ['prettier', '--check', '--log-level', 'warn', '.'],
  },
  {
    name: 'licences and sources',
    command: 'cargo-deny --workspace check --hide-inclusion-graph bans licenses sources'.split(' '),
  },
  { name: 'security advisories' },
  { name: 'what the documents name', runs: 'always', command: node('tests/docs.test.mjs') },
  { name: 'what deploys it', runs: 'always', command: node('tests/deploy.test.mjs') },
  { name: 'what watches it', runs: 'always', command: node('tests/monitoring.test.mjs') },
  { name: 'what a release is', runs: 'always', command: node('tests/release.test.mjs') },
  { name: 'what the parts of this are', runs: 'always', command: node('tests/parts.test.mjs') },
  { name: 'lints', runs: 'always', command: clippy('--workspace', '--all-targets') },
  { name: 'lints of the wasm', command: clippy('-p', 'rejoin-plugin', '--target', WASM, '--tests') },
  { name: 'unit tests', runs: 'quick', command: 'cargo test --workspace --lib --bins'.split(' ') },
  // Before the build, whose programs the stories run: nothing is compiled beside them.
  { name: COMPILED, command: 'cargo test --workspace --no-run'.split(' ') },
  {
    name: '200 simulated worlds',
    runs: 'quick',
    command: [process.execPath, 'scripts/simulate.mjs', '--seeds', '200'],
  },
  {
    name: 'the core in a browser',
    command: ['cargo', 'test', '-p', 'rejoin-plugin', '--target', WASM, '--tests'],
  },
  { name: OLDEST, command: [process.execPath, 'scripts/flex-host.mjs', oldest.name] },
  { name: BUILD, runs: 'always' },
  { name: 'types of the shim', runs: 'always', needs: [BUILD], command: ['tsc', '-p', 'tsconfig.json'] },
  {
    name: 'types of scripts and tests',
    runs: 'always',
    needs: [BUILD],
    command: ['tsc', '-p', 'tests/tsconfig.json'],
  },
  { name: 'lines of the shim', runs: 'always', needs: [BUILD], command: node('tests/shim.test.mjs') },
  inBrowsers('the built plugin in a browser', 'tests/plugin.test.mjs'),
  inBrowsers('a hidden tab', 'tests/hidden.test.mjs'),
  inBrowsers('the Voice SDKs', 'tests/voice-sdk.test.mjs'),
  inBrowsers('the dialog', 'tests/dialog.test.mjs'),
  inBrowsers('the console', 'tests/console.test.mjs'),
  { name: 'the page of a timeline', waits: true, command: node('tests/timeline.test.mjs') },
  { name: 'the published figures', waits: true, command: node('tests/figures.test.mjs') },
  { name: 'strangers', needs: [BUILD], command: node('tests/strangers/twilio-helper.test.mjs') },
  { name: "through Twilio's tools", needs: [BUILD], command: node('tests/packaging/artefact.test.mjs') },
  // It looks for free ports for a demo, as the Voice SDKs do: not at the same time.
  { name: 'beside other plugins', needs: [BUILD], command: node('tests/packaging/beside-others.test.mjs') },
  { name: 'stopping the demo', needs: [BUILD], command: node('tests/stop.test.mjs') },
  // All tests, so that a failure hides no other. Those of the server wait for processes and databases, and leave more than half of
  // the processors to the others, which take what is left. Both name the workspace, and targets of all packages: else Cargo would choose
  // other features, and compile anew.
  { name: SERVER, needs: [COMPILED], waits: true, command: rustTests('--bins', '--test', 'server') },
  {
    name: UNITS,
    needs: [COMPILED],
    waits: true,
    command: ['nice', ...rustTests('--lib', '--test', '[!s]*')],
  },
  { name: END_TO_END, runs: 'always', needs: [OLDEST, BUILD] },
];

/**
 * The parts to run, in order, and the Flex UIs of the stories.
 * @param {{only?: string, flex?: string, quick?: boolean}} [asked] a part of the names; the name of a Flex UI
 * @returns {{parts: Part[], flexes: import('./flex.mjs').Flex[]}} empty where nothing has such a name
 */
export function choose({ only = '', flex = '', quick = false } = {}) {
  // The quick run plays its stories on the newest Flex UI, unless the other one is asked for.
  const named = flex || (quick ? newest.name : '');
  const flexes = [newest, oldest].filter(({ name }) => [name, ''].includes(named));
  const asked = PARTS.filter(({ runs }) => runs === 'always' || (runs === 'quick') === quick).filter(
    ({ name }) => name.includes(only),
  );
  const needed = asked.flatMap(({ needs = [] }) => needs);
  const parts = PARTS.filter((part) => asked.includes(part) || needed.includes(part.name)).filter(
    ({ name }) => name !== OLDEST || flexes.includes(oldest),
  );
  return { parts, flexes };
}
