// Everything: formatting, lints, unit, table and property tests, the browser tests of the core, strangers, and the
// end-to-end stories in Chromium. `--only NAME` runs the parts whose name contains NAME, `--story NAME` the stories,
// `--flex newest` or `--flex oldest` those on one Flex UI, `--pictures` puts the screenshots of the run into docs/images.

import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { advisories } from './lib/advisories.mjs';
import { build } from './lib/build.mjs';
import { newest, oldest } from './lib/flex.mjs';
import { env, root, run } from './lib/run.mjs';
import { Advice, giveUp, say, sinceStart, step } from './lib/say.mjs';
import { chromium, postgres, setup } from './lib/setup.mjs';

const WASM = 'wasm32-unknown-unknown';
const END_TO_END = 'end to end';
const UNITS = 'unit, table and property tests';
const OLDEST = `the Flex UI ${oldest.version}, as one script`;

/** @typedef {{name: string, work: (heard: (text: string) => void) => Promise<unknown>}} Part */

const command = (
  /** @type {string} */ name,
  /** @type {string} */ program,
  /** @type {string[]} */ ...args
) => ({
  name,
  work: (/** @type {(text: string) => void} */ heard) => run(program, args, { heard }),
});

/** @type {Part[]} */
const parts = [
  command('format of the Rust code', 'cargo', 'fmt', '--all', '--check'),
  command('format of everything else', 'prettier', '--check', '--log-level', 'warn', '.'),
  command(
    'licences and sources',
    'cargo-deny',
    '--workspace',
    'check',
    '--hide-inclusion-graph',
    'bans',
    'licenses',
    'sources',
  ),
  { name: 'security advisories', work: advisories },
  command('what the documents name', process.execPath, '--test', 'tests/docs.test.mjs'),
  command('lints', 'cargo', 'clippy', '--workspace', '--all-targets', '--', '-D', 'warnings'),
  command(
    'lints of the wasm',
    'cargo',
    'clippy',
    '-p',
    'rejoin-plugin',
    '--target',
    WASM,
    '--tests',
    '--',
    '-D',
    'warnings',
  ),
  command(UNITS, 'cargo', 'test', '--workspace'),
  command('the core in a browser', 'cargo', 'test', '-p', 'rejoin-plugin', '--target', WASM, '--tests'),
  command(OLDEST, process.execPath, 'scripts/flex-host.mjs', oldest.name),
  { name: 'build', work: () => build() },
  command('types of the shim', 'tsc', '-p', 'tsconfig.json'),
  command('types of scripts and tests', 'tsc', '-p', 'tests/tsconfig.json'),
  command('lines of the shim', process.execPath, '--test', 'tests/shim.test.mjs'),
  command('the built plugin in a browser', process.execPath, '--test', 'tests/plugin.test.mjs'),
  command('the Voice SDKs', process.execPath, '--test', 'tests/voice-sdk.test.mjs'),
  command('the dialog', process.execPath, '--test', 'tests/dialog.test.mjs'),
  command('strangers', process.execPath, '--test', 'tests/strangers/twilio-helper.test.mjs'),
  command("through Twilio's tools", process.execPath, '--test', 'tests/packaging/artefact.test.mjs'),
  command('beside other plugins', process.execPath, '--test', 'tests/packaging/beside-others.test.mjs'),
  command('stopping the demo', process.execPath, '--test', 'tests/stop.test.mjs'),
];

/** The pictures in the README. */
function pictures() {
  const stories = {
    'dialog.png': 'an-agent-refreshes-the-page-the-leg-is-lost-and-the-call-comes-back-through-the-queue',
    'phone.png': 'a-customer-at-the-phone-page-hears-and-sees-it-all',
  };
  mkdirSync(path.join(root, 'docs/images'), { recursive: true });
  for (const [name, story] of Object.entries(stories)) {
    copyFileSync(path.join(root, 'target/e2e', story, name), path.join(root, 'docs/images', name));
  }
  copyFileSync(
    path.join(root, 'target/e2e/dialog/all.png'),
    path.join(root, 'docs/images/dialog-states.png'),
  );
}

/** Repeats at the end what was printed long before. */
function list(/** @type {string} */ heading, /** @type {import('../tests/e2e/story.mjs').Miss[]} */ misses) {
  if (!misses.length) return;
  say(`\n${heading}`);
  for (const { title, at, why, evidence } of misses) {
    say(`  ${title}\n    after "${at}": ${why.replaceAll('\n', '\n    ')}\n    ${evidence}`);
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      story: { type: 'string', default: '' },
      flex: { type: 'string', default: '' },
      pictures: { type: 'boolean' },
    },
  });
  const asked = (/** @type {string} */ name) => name.includes(values.only);
  const names = [...parts.map(({ name }) => name), END_TO_END];
  if (!names.some(asked)) throw new Advice(`--only ${values.only}: there are\n  ${names.join('\n  ')}`);
  const flexes = [newest, oldest].filter(({ name }) => [name, ''].includes(values.flex));
  if (!flexes.length) throw new Advice(`--flex ${values.flex}: there are ${newest.name} and ${oldest.name}`);
  await setup({ tests: true });
  const browser = await chromium({ driver: true });
  if (asked(UNITS)) await postgres();
  Object.assign(env, { CHROMIUM: browser });
  let passed = 0;
  let unsteady = 0;
  const failed = [];
  // The parts after the build need it.
  const inside = parts.map(({ name }) => name);
  const built = [...inside.slice(inside.indexOf('build')), END_TO_END];
  const wanted = (/** @type {string} */ name) => {
    if (name === OLDEST) return flexes.includes(oldest) && (asked(name) || asked(END_TO_END));
    return asked(name) || (name === 'build' && built.some(asked));
  };
  for (const { name, work } of parts.filter((part) => wanted(part.name))) {
    try {
      await step(name, work);
      passed += 1;
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
      failed.push(name);
      // Without a build there is nothing to test.
      if (name === 'build') break;
    }
  }
  const ready = flexes.filter((flex) => flex !== oldest || !failed.includes(OLDEST));
  if (wanted(END_TO_END) && !failed.includes('build') && ready.length) {
    const { runAll } = await import('../tests/e2e/run.mjs');
    const stories = await runAll({ browser, only: values.story, flexes: ready });
    passed += stories.passed;
    unsteady = stories.again.length;
    list('Held only when played again. Why it did not hold at once is to be found out:', stories.again);
    list('Did not hold, twice:', stories.missed);
    if (stories.missed.length) failed.push(`${stories.missed.length} stories end to end`);
    else if (values.pictures) pictures();
  }
  say(`\n${passed} passed, ${failed.length} failed`);
  if (failed.length) throw new Advice(`After ${sinceStart()}: not all is well: ${failed.join('; ')}.`);
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const but = unsteady ? ` ${unsteady} of the stories held only when played again (see above).` : '';
  say(`All is well with Rejoin ${version}, after ${sinceStart()}.${but}`);
  process.exit(0);
}

main().catch(giveUp);
