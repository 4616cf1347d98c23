// Everything: formatting, lints, unit, table and property tests, the browser tests of the core, strangers, and the
// end-to-end stories in Chromium. `--quick` runs what a change is tried with again and again, within minutes. `--only NAME`
// runs the parts whose name contains NAME, `--story NAME` the stories, `--flex newest` or `--flex oldest` those on one Flex UI,
// `--lanes N` plays N stories side by side, `--busy N` plays tests beside N programs that keep the processors busy, `--browser firefox` plays the stories that depend on the browser in Firefox, `--pictures` puts the screenshots of the run into docs/images.
// scripts/lib/parts.mjs lists the parts.

import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { advisories } from './lib/advisories.mjs';
import { build } from './lib/build.mjs';
import { failures, summary } from './lib/failures.mjs';
import { withFirefox } from './lib/firefox.mjs';
import { newest, oldest } from './lib/flex.mjs';
import { keepInMemory } from './lib/memory.mjs';
import { BUILD, END_TO_END, OLDEST, PARTS, SERVER, UNITS, choose } from './lib/parts.mjs';
import { env, root, run } from './lib/run.mjs';
import { Advice, giveUp, say, sinceStart, step } from './lib/say.mjs';
import { chromium, headlessShell, postgres, setup } from './lib/setup.mjs';
import { onStop } from './lib/stop.mjs';
import { table } from './lib/times.mjs';

/** Parts that are more than one command. @type {Record<string, (heard: (text: string) => void) => Promise<unknown>>} */
const WORK = { 'security advisories': advisories, [BUILD]: () => build() };

/** Number of Rust tests at once: most wait for a process, a database or a timer, and leave half of the processors idle even so. */
const THREADS = String(6 * availableParallelism());

/** Maximum number of parts that mostly wait and run at once: five browsers on two processors were late for what their tests await. */
const AT_ONCE = 3;

/**
 * Maximum time of a part but for the stories, in seconds: several times what the longest one takes. One that hangs is killed and has failed,
 * and the run ends with what it knows.
 */
const PART_WITHIN = 1800;

/** What `--busy` disturbs. What compiles or is not timed would only take longer. */
const ON_A_BUSY_MACHINE = [UNITS, SERVER, END_TO_END];

/** Starts this many programs that do nothing, as fast as they can, until they are killed or this one has gone. */
function keepBusy(/** @type {number} */ number) {
  const loop = 'const from = process.ppid; while (process.ppid === from);';
  return Array.from({ length: number }, () => spawn(process.execPath, ['-e', loop], { stdio: 'ignore' }));
}

/** Pictures for docs/images, by the story (or test) that draws them. */
const PICTURES = {
  'an-agent-refreshes-the-page-the-leg-is-lost-and-the-call-comes-back-through-the-queue': ['dialog.png'],
  'a-customer-at-the-phone-page-hears-and-sees-it-all': ['phone.png'],
  'a-refresh-seen-at-the-desktop-of-the-agent-and-at-the-phone-of-the-customer': [
    'recovery.png',
    'recovery-still.png',
  ],
  dialog: ['all.png'],
};

/** Copies the pictures of this run into docs/images. Pictures of an earlier run are skipped. */
function pictures() {
  const images = path.join(root, 'docs/images');
  mkdirSync(images, { recursive: true });
  for (const [story, names] of Object.entries(PICTURES)) {
    for (const name of names) {
      const drawn = path.join(root, 'target/e2e', story, name);
      const at = statSync(drawn, { throwIfNoEntry: false })?.mtimeMs ?? 0;
      if (at < performance.timeOrigin) continue;
      const shown = story === 'dialog' ? 'dialog-states.png' : name;
      copyFileSync(drawn, path.join(images, shown));
      say(`docs/images/${shown} is updated`);
    }
  }
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
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      story: { type: 'string', default: '' },
      flex: { type: 'string', default: '' },
      lanes: { type: 'string' },
      busy: { type: 'string', default: '0' },
      browser: { type: 'string', default: 'chromium' },
      pictures: { type: 'boolean' },
    },
  });
  if (!['chromium', 'firefox'].includes(values.browser)) {
    throw new Advice(`--browser ${values.browser}: there are chromium and firefox.`);
  }
  const inFirefox = values.browser === 'firefox';
  if (inFirefox) Object.assign(values, { only: END_TO_END, flex: newest.name });
  const { parts, flexes } = choose(values);
  const names = PARTS.map(({ name }) => name);
  if (!parts.length) throw new Advice(`--only ${values.only}: there are\n  ${names.join('\n  ')}`);
  if (!flexes.length) throw new Advice(`--flex ${values.flex}: there are ${newest.name} and ${oldest.name}`);
  const lanes = values.lanes === undefined ? undefined : Number(values.lanes);
  if (lanes !== undefined && !(Number.isInteger(lanes) && lanes > 0)) {
    throw new Advice(`--lanes ${values.lanes}: how many stories are played side by side, from 1.`);
  }
  const busy = Number(values.busy);
  if (!(Number.isInteger(busy) && busy >= 0)) {
    throw new Advice(`--busy ${values.busy}: how many programs keep the processors busy, such as 8.`);
  }
  await setup({ tests: !values.quick });
  const browser = await chromium({ driver: !values.quick });
  const shell = await headlessShell(browser);
  const onPostgres = values.quick ? [] : [SERVER, UNITS, END_TO_END];
  if (parts.some(({ name }) => onPostgres.includes(name))) await postgres();
  // After the set-up, which installs gigabytes.
  keepInMemory();
  // What makes the second compilation faster makes the first one slower: by a sixth for the tests.
  if (!existsSync(path.join(root, 'target/debug'))) env.CARGO_INCREMENTAL ??= '0';
  Object.assign(env, {
    CHROMIUM: browser,
    HEADLESS_SHELL: shell,
    RUST_TEST_THREADS: process.env.RUST_TEST_THREADS ?? THREADS,
  });
  let passed = 0;
  let unsteady = 0;
  /** @type {string[]} */
  const failed = [];
  /** @type {Parameters<typeof summary>[0]} */
  const missed = [];
  /** @type {import('./lib/times.mjs').Time[]} */
  const times = [];
  onStop(() => {
    say(`\nStopped after ${sinceStart()}, in the middle. Until then:\n${table(times)}`);
    if (missed.length) say(`\nWhat failed:\n${summary(missed)}`);
  });

  /** Plays the stories, and says how many did not hold. True if all have. */
  async function endToEnd() {
    const ready = flexes.filter((flex) => flex !== oldest || !failed.includes(OLDEST));
    if (!ready.length) return true;
    const { runAll } = await import('../tests/e2e/run.mjs');
    const { quick, story } = values;
    const options = { browser, shell, quick, only: story, lanes, flexes: ready };
    const stories = inFirefox
      ? await withFirefox((firefox) => runAll({ ...options, firefox }))
      : await runAll(options);
    passed += stories.passed;
    unsteady = stories.again.length;
    list('Held only when played again. Why it did not hold at once is to be found out:', stories.again);
    list('Did not hold, twice:', stories.missed);
    if (stories.missed.length) failed.push(`${stories.missed.length} stories ${END_TO_END}`);
    else if (values.pictures) pictures();
    return !stories.missed.length;
  }

  async function play(/** @type {import('./lib/parts.mjs').Part} */ { name, command }) {
    const begun = Date.now();
    const beside = ON_A_BUSY_MACHINE.includes(name) ? keepBusy(busy) : [];
    let holds = true;
    try {
      if (name === END_TO_END) {
        holds = await endToEnd();
      } else {
        const [program, ...args] = command ?? [];
        await step(name, WORK[name] ?? ((heard) => run(program, args, { heard, within: PART_WITHIN })));
        passed += 1;
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      say(why);
      failed.push(name);
      missed.push({ name, failures: failures(why) });
      holds = false;
    } finally {
      for (const program of beside) program.kill();
    }
    times.push({ name, ms: Date.now() - begun, failed: !holds });
  }

  /** @type {Set<Promise<void>>} */
  const waiting = new Set();
  for (const part of parts) {
    if (part.waits) {
      if (waiting.size === AT_ONCE) await Promise.race(waiting);
      const playing = play(part).finally(() => waiting.delete(playing));
      waiting.add(playing);
      continue;
    }
    await Promise.all(waiting);
    await play(part);
    // Without a build there is nothing to try out.
    if (failed.includes(BUILD)) break;
  }
  await Promise.all(waiting);
  say(`\n${table(times)}`);
  if (missed.length) say(`\nWhat failed:\n${summary(missed)}`);
  say(`\n${passed} passed, ${failed.length} failed`);
  if (failed.length) throw new Advice(`After ${sinceStart()}: not all is well: ${failed.join('; ')}.`);
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const but = unsteady ? ` ${unsteady} of the stories held only when played again (see above).` : '';
  const what = values.quick ? 'What --quick runs is well' : 'All is well';
  say(`${what} with Rejoin ${version}, after ${sinceStart()}.${but}`);
  process.exit(0);
}

main().catch(giveUp);
