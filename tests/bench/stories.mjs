// How soon customers hear something, and have an agent again, in stories with the real Flex UI: for docs/figures.md.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from '../../scripts/lib/build.mjs';
import { startDemo } from '../../scripts/lib/demo.mjs';
import { newest } from '../../scripts/lib/flex.mjs';
import { root } from '../../scripts/lib/run.mjs';
import { step } from '../../scripts/lib/say.mjs';
import { chromium } from '../../scripts/lib/setup.mjs';
import { Browsers } from '../e2e/browsers.mjs';
import { refreshInPlace } from '../e2e/in-place.mjs';
import { silentAfterCrash } from '../e2e/silence.mjs';
import { closedTab, refresh } from '../e2e/stories.mjs';
import { Story } from '../e2e/story.mjs';

/** @typedef {import('../../scripts/lib/figures.mjs').Play} Play */
/** @typedef {'refreshInPlace' | 'refresh' | 'crash' | 'closedTab'} Accident */

/** @type {Record<Accident, {title: string, play: (story: Story) => Promise<void>}>} */
const STORIES = { refreshInPlace, refresh, crash: silentAfterCrash, closedTab };
/** What an agent does by mistake. */
const ACTS = /** @type {const} */ (['refreshes', 'crashes', 'closesTab']);
const OURS = /announcement|audio/;

/** A story that notes when the accident happens. */
class Timed extends Story {
  /** @type {number | undefined} point in time */
  accident = undefined;

  /** @override */
  async agent(
    /** @type {'ada' | 'bo'} */ name,
    /** @type {import('../e2e/people.mjs').SignIn} */ options = {},
  ) {
    const agent = await super.agent(name, options);
    for (const act of ACTS) {
      const does = agent[act].bind(agent);
      agent[act] = async () => {
        this.accident ??= Date.now();
        return does();
      };
    }
    return agent;
  }
}

/** Plays a story. @returns {Promise<Play>} */
async function play(
  /** @type {Accident} */ accident,
  /** @type {import('../e2e/people.mjs').Demo} */ demo,
  /** @type {Browsers} */ browsers,
) {
  const { title, play } = STORIES[accident];
  const story = new Timed(title, demo, browsers, path.join(root, 'target/bench'), () => {});
  try {
    await play(story);
    const [customer] = story.customers;
    const [agent] = story.agents;
    const { accident: at } = story;
    if (at === undefined) throw new Error(`${title}: nothing happened to the agent`);
    const ended = customer.timeline.said.find(({ note }) => note?.what === 'ended');
    // The transcript counts from the begin of the call.
    const heard = customer.transcript.said.find(
      (said) => OURS.test(said.heard ?? '') && customer.began + said.at >= at,
    );
    if (!ended || !heard) throw new Error(`${title}: the customer heard nothing, or had no agent again`);
    const back = { voice: ended.at - at, heard: Math.round(customer.began + heard.at - at) };
    if (agent.page.isClosed()) return back;
    return { ...back, flex: Math.round((await agent.page.evaluate('window.__flexReadyAt')) - at) };
  } catch (error) {
    await story.keepEvidence(error);
    throw error;
  } finally {
    await story.end();
  }
}

/**
 * @param {number} times how often each story is played
 * @returns {Promise<import('../../scripts/lib/figures.mjs').Browser['stories']>}
 */
export async function stories(times) {
  const browsers = new Browsers(await chromium());
  await build();
  const data = mkdtempSync(path.join(tmpdir(), 'rejoin-data-'));
  const settings = { DATABASE_URL: `sqlite:${path.join(data, 'rejoin.sqlite')}` };
  const demo = await startDemo({ dir: path.join(root, 'target/bench/demo'), flex: newest, settings });
  /** @type {Record<string, Play[]>} */
  const played = {};
  try {
    // By turns, so that other load on the machine affects all of them.
    for (let round = 1; round <= times; round++) {
      for (const accident of /** @type {Accident[]} */ (Object.keys(STORIES))) {
        const one = await step(`${STORIES[accident].title} (${round} of ${times})`, () =>
          play(accident, demo, browsers),
        );
        (played[accident] ??= []).push(one);
      }
    }
  } finally {
    await browsers.close();
    await demo.stop();
    rmSync(data, { recursive: true, force: true });
  }
  return played;
}
