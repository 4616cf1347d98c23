// A story runs against a started demo: its steps are timed and printed, and evidence of failures is kept.

import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { limit } from '../../scripts/lib/limit.mjs';
import { isStopping } from '../../scripts/lib/stop.mjs';
import { Browsers } from './browsers.mjs';
import { Agent, Customer, Twilio } from './people.mjs';

/** @typedef {import('./people.mjs').Demo} Demo */

/** Maximum time of a story, and of clearing up after it, in seconds: several times what the longest one takes. */
const STORY_WITHIN = 300;
const END_WITHIN = 120;

export class Story {
  /**
   * @param {string} title
   * @param {Demo} demo
   * @param {import('./browsers.mjs').Browsers} browsers
   * @param {string} folder for screenshots and logs
   * @param {(line: string) => void} [print] takes what the story says, line by line
   */
  constructor(title, demo, browsers, folder, print = console.log) {
    this.title = title;
    this.print = print;
    /** The step at which it is, or the last one. */
    this.at = '';
    /** It has failed. */
    this.isOver = false;
    this.demo = demo;
    this.browsers = browsers;
    this.folder = path.join(folder, title.replace(/[^a-z0-9]+/gi, '-').toLowerCase());
    this.twilio = new Twilio(demo);
    /** @type {string[]} */
    this.diary = [];
    /** @type {Agent[]} */
    this.agents = [];
    /** @type {Customer[]} */
    this.customers = [];
    /** What else is closed at the end. @type {Array<() => Promise<unknown>>} */
    this.leaving = [];
    // Files of an earlier run would be taken for this one's.
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder, { recursive: true });
  }

  /** @template T @param {string} what @param {() => Promise<T>} work @returns {Promise<T>} */
  async step(what, work) {
    // It took too long, and has been given up: it does nothing more to the demo.
    if (this.isOver) return new Promise(() => {});
    const begun = Date.now();
    this.at = what;
    this.diary.push(`${new Date().toISOString()} -- ${what}`);
    try {
      const result = await work();
      this.print(`  ✓ ${what} (${Date.now() - begun} ms)`);
      return result;
    } catch (error) {
      // The demo is being stopped: the story ends here, and did not fail.
      if (isStopping()) return new Promise(() => {});
      this.print(`  ✗ ${what} (${Date.now() - begun} ms)`);
      throw error;
    }
  }

  async agent(/** @type {'ada' | 'bo'} */ name, /** @type {import('./people.mjs').SignIn} */ options = {}) {
    const agent = await Agent.signsIn(this.demo, this.browsers, name, this.diary, options);
    this.agents.push(agent);
    return agent;
  }

  async customer() {
    const customer = await Customer.dials(this.demo);
    this.customers.push(customer);
    return customer;
  }

  async customerAtPage() {
    const customer = await Customer.dialsFromPage(this.demo, this.browsers, this.diary);
    this.customers.push(customer);
    return customer;
  }

  shot = (/** @type {Agent} */ agent, /** @type {string} */ name) => agent.shot(this.folder, name);

  /** Screenshots, consoles and logs, to investigate a failure. */
  async keepEvidence(/** @type {unknown} */ error) {
    for (const agent of this.agents) {
      await agent.shot(this.folder, `failed-${agent.name}`).catch(() => {});
    }
    for (const { page, call } of this.customers) {
      await page?.screenshot({ path: path.join(this.folder, `failed-${call}.png`) }).catch(() => {});
    }
    const lines = this.customers.map((customer) =>
      [customer.call, ...customer.transcript.said, '--', ...customer.timeline.said]
        .map((said) => JSON.stringify(said))
        .join('\n'),
    );
    writeFileSync(path.join(this.folder, 'console.txt'), this.diary.join('\n'));
    writeFileSync(path.join(this.folder, 'customers.txt'), lines.join('\n\n'));
    writeFileSync(
      path.join(this.folder, 'error.txt'),
      error instanceof Error ? String(error.stack) : String(error),
    );
    const state = await this.twilio.state().catch((failed) => ({ failed: String(failed) }));
    writeFileSync(path.join(this.folder, 'state.json'), JSON.stringify(state, null, 1));
    for (const program of [this.demo.twin, ...this.demo.servers]) {
      copyFileSync(program.log, path.join(this.folder, path.basename(program.log)));
    }
  }

  /** The next story begins without calls and without tasks to wrap up. */
  async end() {
    for (const customer of this.customers) {
      await customer.hangUp().catch(() => {});
      customer.leave();
    }
    await Promise.all(this.agents.map((agent) => agent.leave().catch(() => {})));
    await Promise.all(this.leaving.map((leave) => leave().catch(() => {})));
    await this.twilio.tidy();
  }
}

/**
 * @typedef {{title: string, play: (story: Story) => Promise<void>, servers?: number, settings?: Record<string, string>}} Told
 *   `servers`: as many as it takes, if more than one. `settings`: what the servers have otherwise than for the other
 *   stories, by their variables
 */
/** @typedef {{title: string, at: string, why: string, evidence: string}} Miss a story that did not hold, and where */
/** @typedef {{passed: number, missed: Miss[], again: Miss[]}} Outcome `again`: what held only when played again */

/**
 * Plays a story once.
 * @param {Told} what
 * @param {Story} story
 * @returns {Promise<Miss | undefined>} how it failed, if it did
 */
async function playOnce({ title, play, settings = {} }, story) {
  story.print(title);
  const begun = Date.now();
  try {
    const played = async () => {
      // Pages of an earlier story are closed by now: a server that is started anew waits for none of them.
      for (const server of story.demo.servers) await server.has(settings);
      await play(story);
    };
    await limit(STORY_WITHIN, 'The story', played());
    story.print(`  held (${((Date.now() - begun) / 1000).toFixed(1)} s)\n`);
    return undefined;
  } catch (error) {
    story.isOver = true;
    await limit(END_WITHIN, `The evidence of "${title}"`, story.keepEvidence(error)).catch((late) =>
      story.print(late.message),
    );
    const why = error instanceof Error ? error.message : String(error);
    story.print(`  ${why}\n  Evidence: ${story.folder}\n`);
    return { title, at: story.at, why, evidence: story.folder };
  } finally {
    await limit(END_WITHIN, `What ends "${title}"`, story.end());
  }
}

/**
 * Plays stories, one after another on each demo. What did not hold is played once more after all others: eighty stories
 * with real sound on a machine that may be busy with something else are too many for none ever to be disturbed. What
 * holds only then is not hidden: the run names it at its end, with where it failed first.
 * @param {Told[]} stories
 * @param {{demos: Demo[], browser: string, shell?: string, firefox?: import('../../scripts/lib/firefox.mjs').Firefox, artefacts: string, isChat?: (story: Told) => boolean}} options
 *   `shell`: the headless shell of the browser; `firefox`: what the agents have, instead of Chromium; `isChat`: it has no call, and waits most of its time
 * @returns {Promise<Outcome>}
 */
export async function tell(stories, { demos, browser, shell, firefox, artefacts, isChat = () => false }) {
  const browsers = new Browsers(browser, { shell, firefox });
  /** @type {Outcome} */
  const outcome = { passed: 0, missed: [], again: [] };

  /** What stories say side by side is printed when each has ended: it would be mixed up otherwise. */
  async function play(
    /** @type {typeof stories[number]} */ story,
    /** @type {Demo} */ demo,
    folder = artefacts,
  ) {
    /** @type {string[]} */
    const said = [];
    const print = demos.length === 1 ? console.log : (/** @type {string} */ line) => void said.push(line);
    try {
      return await playOnce(story, new Story(story.title, demo, browsers, folder, print));
    } finally {
      if (said.length) console.log(said.join('\n'));
    }
  }

  /** @type {Array<{story: typeof stories[number], first: Miss}>} */
  const late = [];
  try {
    await inLanes(stories, demos, isChat, async (story, demo) => {
      const first = await play(story, demo);
      if (first) late.push({ story, first });
      else outcome.passed += 1;
    });
    if (late.length) console.log('Played again:\n');
    const isLateChat = (/** @type {{story: Told}} */ { story }) => isChat(story);
    await inLanes(late, demos, isLateChat, async ({ story, first }, demo) => {
      const second = await play(story, demo, path.join(artefacts, 'again'));
      if (second) {
        outcome.missed.push(second);
      } else {
        outcome.passed += 1;
        outcome.again.push(first);
      }
    });
  } finally {
    await browsers.close();
  }
  return outcome;
}

/**
 * Each demo takes the next of what waits as soon as it is free. From the third one on they take nothing but chats, and the others take
 * those last: two calls side by side are what a small machine plays without pauses in the sound.
 * @template T
 * @param {T[]} all
 * @param {Demo[]} demos
 * @param {(each: T) => boolean} isChat
 * @param {(each: T, demo: Demo) => Promise<void>} work
 */
async function inLanes(all, demos, isChat, work) {
  const chats = all.filter(isChat);
  const others = all.filter((each) => !isChat(each));
  const lanes = demos.map(async (demo, lane) => {
    const takesOthers = lane < 2 || !all.some(isChat);
    for (;;) {
      const next = (takesOthers ? others.shift() : undefined) ?? chats.shift();
      if (!next) return;
      await work(next, demo);
    }
  });
  // A lane that breaks off must not take away the browsers of another one that is in the middle of a story.
  for (const lane of await Promise.allSettled(lanes)) {
    if (lane.status === 'rejected') throw lane.reason;
  }
}
