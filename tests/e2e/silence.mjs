// A page that is gone without a goodbye: the customer is told while the leg still stands.

import assert from 'node:assert/strict';
import { killBrowser } from './browsers.mjs';
import { isBackInPlace } from './in-place.mjs';
import { endsAsEver, isBack, onACall, talk } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Customer} Customer */

/** Twilio ends the leg of a browser that is gone after 30 s. This is long before it, on a busy machine, too. */
const TOLD_WITHIN = 15_000;

/** The customer hears that the agent may be gone, and nobody counts as lost. */
export async function isToldOfSilence(
  /** @type {Story} */ story,
  /** @type {Customer} */ customer,
  from = 0,
) {
  const { transcript } = customer.mark();
  const gone = Date.now();
  await story.step('the page answers nothing', () => customer.notes('page-silent', { from }));
  const told = await story.step('the customer hears what is going on', () =>
    customer.hears(/announcement: The connection/, { from: transcript }),
  );
  const after = customer.began + told.at - gone;
  assert.ok(after < TOLD_WITHIN, `the customer was told after ${after} ms`);
  await story.step('in a voice, not just as a flag', () => customer.hearsSpeech());
}

/** The push channel of the page can be cut; what a route does to requests does not touch one that is open. */
const cuttable = (/** @type {import('playwright-core').BrowserContext} */ context) =>
  context.addInitScript(() => {
    const real = window.fetch;
    window.fetch = (input, init) => {
      if (!(input instanceof Request && input.url.includes('/v1/push'))) return real(input, init);
      const cut = new AbortController();
      Object.assign(window, { cutPush: () => cut.abort() });
      return real(input, { ...init, signal: AbortSignal.any([input.signal, cut.signal]) });
    };
  });

/** The leg of the agent who is on the call stands. */
export async function stands(/** @type {Story} */ story, /** @type {any} */ task) {
  const { participants } = await story.twilio.conference(task.taskSid);
  const agents = participants.filter((/** @type {any} */ p) => p.kind === 'agent' && p.joined);
  assert.equal(agents.length, 1, "the agent's leg stands");
}

export const silentAfterCrash = {
  title: "An agent's renderer crashes, and the customer is told while the agent's leg stands",
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    await story.step('the renderer crashes', () => ada.crashes());
    await isToldOfSilence(story, customer);
    await stands(story, task);
    const { timeline } = customer.mark();
    await story.step('Ada opens Flex again', async () => {
      await ada.page.close();
      await ada.opens();
    });
    await isBackInPlace(story, ada, customer, task, { from: timeline });
  },
};

export const silentAfterKill = {
  title:
    "An agent's browser is killed, the customer is told, and the same agent is back after the leg has fallen",
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const { transcript } = customer.mark();
    await story.step('the browser is killed (SIGKILL)', () => killBrowser(ada.context));
    await isToldOfSilence(story, customer);
    await stands(story, task);
    await story.step('the leg falls', () => customer.notes('agent-lost'));
    const again = await story.step('Ada signs in again', () => story.agent('ada'));
    await isBack(story, again, customer, task);
    const told = customer.transcript.said
      .slice(transcript)
      .filter((said) => /announcement: The connection/.test(said.heard));
    assert.equal(told.length, 1, 'the customer is told once');
  },
};

export const killedBesideAnother = {
  title: 'The browser with the call is killed while Flex is open in another one, and the customer is told',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const elsewhere = await story.step('Ada opens Flex in another browser', () => story.agent('ada'));
    await story.step('which acts', () => elsewhere.isTheOneThat('acts'));
    const from = customer.mark().timeline;
    await story.step('the first one is killed (SIGKILL)', () => killBrowser(ada.context));
    await isToldOfSilence(story, customer, from);
    await stands(story, task);
    await story.step('the leg falls', () => customer.notes('agent-lost', { from }));
    await isBack(story, elsewhere, customer, task);
  },
};

export const cutFromTheServer = {
  title: 'A page that cannot reach the server answers over its call, and the customer hears nothing of it',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada', { prepare: cuttable }));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    const { timeline, transcript } = customer.mark();
    const asked = async () =>
      (await story.twilio.log()).filter((line) => line.includes('/UserDefinedMessages.json')).length;
    const before = await asked();
    const server = `${story.demo.serverUrl}/v1/**`;
    await story.step('the server is out of reach for the page', async () => {
      await ada.context.route(server, (route) => route.abort());
      await ada.page.evaluate('cutPush()');
    });
    await story.step('the page is asked over its call', () =>
      story.twilio.becomes('asked', async () => (await asked()) > before),
    );
    await story.step('the customer hears the agent for five seconds more', async () => {
      for (const end = Date.now() + 5000; Date.now() < end; ) await customer.hearsAgent();
    });
    await story.step('the server is in reach again', () => ada.context.unroute(server));
    const noted = customer.timeline.said.slice(timeline).map(({ note }) => note?.what);
    assert.ok(!noted.includes('page-silent'), `${noted}`);
    const heard = customer.transcript.said.slice(transcript).map((line) => line.heard ?? '');
    assert.ok(!heard.some((what) => /announcement|tone/.test(what)), `${heard}`);
    await story.step('Ada hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, task, timeline);
  },
};
