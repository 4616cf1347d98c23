// Several pages of one agent, in tabs and in browsers.

import assert from 'node:assert/strict';
import { isBackInPlace } from './in-place.mjs';
import { isHello } from './people.mjs';
import { endsAsEver, nothingHappens, onACall, talk } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */

export const callInAWaitingTab = {
  title: 'A call that an agent accepts in a tab that waits makes that tab act',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const first = ada.page;
    await story.step('Ada opens a second tab', () => ada.opens());
    await story.step('which waits', () => ada.isTheOneThat('waits'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    await story.step('the second tab acts', () => ada.isTheOneThat('acts'));
    const second = ada.page;
    await story.step('and the first waits', () => {
      ada.page = first;
      return ada.isTheOneThat('waits');
    });
    const from = customer.mark().timeline;
    await story.step('Ada closes the second tab', () => second.close());
    await story.step('the first acts', () => ada.isTheOneThat('acts'));
    await isBackInPlace(story, ada, customer, task, { from });
  },
};

/**
 * The waiting tab's turn has come, and its Flex joins the call again. Which tab's phone rings then is Twilio's choice;
 * the twin rings the one that was registered last. So a tab is held back until the other one is so far.
 */
const refreshBesideAWaitingTab = (/** @type {string} */ title, /** @type {'first' | 'second'} */ rings) => ({
  title,
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const first = ada.page;
    await story.step('Ada opens a second tab', () => ada.opens());
    await story.step('which waits', () => ada.isTheOneThat('waits'));
    const second = ada.page;
    ada.page = first;
    await story.step('Ada mutes the microphone in the first tab', () => ada.mutes());
    const from = customer.mark().timeline;
    let release = () => {};
    const soFar = new Promise((done) => (release = () => done(undefined)));
    const held = rings === 'first' ? second : first;
    let isHeld = () => {};
    const asked = new Promise((done) => (isHeld = () => done(undefined)));
    await held.route(rings === 'first' ? isHello : '**/*.js', async (route) => {
      isHeld();
      await soFar;
      await route.continue();
    });
    const refreshed = ada.refreshes();
    if (rings === 'first') {
      await story.step('Ada refreshes the first tab, and its phone is registered first', async () => {
        await refreshed;
        await ada.phoneRegistered();
        await ada.microphoneFound(); // Flex rejects a call that rings before
      });
      await story.step('while the second wants to say hello', () => asked);
      release();
    }
    const ended = story.step('Ada is back on the call', () => customer.notes('ended', { from }));
    await ended.finally(release);
    await story.step('the first tab is up again', async () => {
      await refreshed;
      await ada.ready();
    });
    const waits = rings === 'first' ? second : first;
    const acts = rings === 'first' ? first : second;
    await story.step('the tab without the call waits, and shows no dialog', async () => {
      ada.page = waits;
      await ada.isTheOneThat('waits');
      await ada.dialog().waitFor({ state: 'hidden', timeout: 20_000 });
      assert.equal(await ada.hasCall(), false, 'no call');
    });
    ada.page = acts;
    await story.step('the tab with the call acts', async () => {
      await ada.isTheOneThat('acts');
      assert.equal(await ada.hasCall(), true, 'a call');
    });
    await isBackInPlace(story, ada, customer, task, { from, hearsAgent: false });
    await story.step('Ada is muted again', () => story.twilio.becomes('muted', () => ada.isMuted()));
    await story.step('Ada unmutes and is heard', async () => {
      await ada.mutes();
      await customer.hearsAgent();
    });
    const { timeline } = customer.mark();
    await nothingHappens(story, customer, timeline);
    await story.step('Ada hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, task, timeline);
  },
});

export const ringsInTheWaitingTab = refreshBesideAWaitingTab(
  'An agent refreshes the tab with the call, and it comes back in a second tab',
  'second',
);

export const ringsInTheRefreshedTab = refreshBesideAWaitingTab(
  'An agent refreshes the tab with the call beside a second tab, and it comes back in the first',
  'first',
);

export const getsItBack = {
  title: 'A tab that has lost its call to a second one gets it back when that one is closed',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const first = ada.page;
    const from = customer.mark().timeline;
    await story.step('Ada opens a second tab', () => ada.opens());
    const second = ada.page;
    // The phone that was registered last rings: the first tab is held back until the second one has the call.
    let release = () => {};
    const soFar = new Promise((done) => (release = () => done(undefined)));
    await first.route('**/*.js', async (route) => {
      await soFar;
      await route.continue();
    });
    const refreshed = first.reload();
    refreshed.catch(() => {}); // awaited below
    await isBackInPlace(story, ada, customer, task, { from }).finally(release);
    await story.step('the first tab is up again, and waits', async () => {
      await refreshed;
      ada.page = first;
      await ada.ready();
      await ada.isTheOneThat('waits');
      assert.equal(await ada.hasCall(), false, 'no call');
    });
    const { timeline } = customer.mark();
    await story.step('Ada closes the second tab', () => second.close());
    await story.step('the first acts', () => ada.isTheOneThat('acts'));
    await isBackInPlace(story, ada, customer, task, { from: timeline });
    assert.equal(await ada.hasCall(), true, 'it has the call');
    const last = customer.mark();
    await story.step('Ada hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, task, last.timeline);
  },
};

export const twoBrowsers = {
  title: 'An agent opens Flex in a second browser during a call',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const from = customer.mark().timeline;
    const elsewhere = await story.step('Ada opens Flex in another browser', () => story.agent('ada'));
    await story.step('which acts', () => elsewhere.isTheOneThat('acts'));
    await story.step('and the first one only looks on', () => ada.isTheOneThat('waits'));
    await story.step('no dialog stays', () =>
      elsewhere.dialog().waitFor({ state: 'hidden', timeout: 20_000 }),
    );
    await nothingHappens(story, customer, from);
    await story.step('Ada hangs up where the call is', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, task, from);
  },
};

export const browserClosed = {
  title: 'The browser with the call is closed while Flex is open in another one',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const elsewhere = await story.step('Ada opens Flex in another browser', () => story.agent('ada'));
    await story.step('which acts', () => elsewhere.isTheOneThat('acts'));
    const from = customer.mark().timeline;
    await story.step('Ada closes the first one', () => ada.closesTab());
    await isBackInPlace(story, elsewhere, customer, task, { from });
  },
};
