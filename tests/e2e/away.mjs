// An agent leaves Flex for another site in the same tab, and comes back with the browser's button: the browser may show
// the same page again, from its back/forward cache, or load it again.

import assert from 'node:assert/strict';
import { isBackInPlace } from './in-place.mjs';
import { isBack, isTold, nothingHappens, talk } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */

async function onACallInAKeepingBrowser(/** @type {Story} */ story) {
  const ada = await story.step('Ada signs in to Flex, in a browser that keeps pages', () =>
    story.agent('ada', { keepsPages: true }),
  );
  const customer = await story.step('a customer calls', () => story.customer());
  const task = await talk(story, ada, customer);
  return { ada, customer, task };
}

export const backInPlace = {
  title: 'An agent follows a link during a call, goes back, and is back in place',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACallInAKeepingBrowser(story);
    await story.step('the call is protected', () => ada.isProtected());
    const { timeline: from } = customer.mark();
    await story.step('the agent follows a link', () => ada.followsALink());
    await story.step('the server hears of it at once', () => customer.notes('page-gone', { from }));
    await story.step('the agent goes back', () => ada.goesBack());
    const { restored, why } = await story.step('to a page that is loaded again', () => ada.whatCameBack());
    assert.equal(restored, false, 'the leg stands, and a page with a leg is not kept');
    assert.ok(why?.includes('rtc'), `because of the leg: ${why}`);
    await isBackInPlace(story, ada, customer, task, { from });
  },
};

export const backThroughTheQueue = {
  title: 'An agent follows a link, the phone hangs up, the agent goes back, and the call comes back',
  settings: { REJOIN_IN_PLACE: 'off' },
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACallInAKeepingBrowser(story);
    const { transcript } = customer.mark();
    await story.step('the agent follows a link', () => ada.followsALink());
    await isTold(story, customer, transcript);
    await story.step('the agent goes back', () => ada.goesBack());
    const { restored, why } = await story.step('to a page that is loaded again', () => ada.whatCameBack());
    assert.equal(restored, false, 'Flex keeps the microphone after a call, and the browser no such page');
    assert.ok(why?.includes('mediastream'), `because of the microphone: ${why}`);
    await ada.ready();
    await isBack(story, ada, customer, task);
  },
};

export const restoredAndLoadedAnew = {
  title: 'An agent follows a link, loses a call in another browser, goes back, and the restored page gets it',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex, in a browser that keeps pages', () =>
      story.agent('ada', { keepsPages: true }),
    );
    await story.step('the agent follows a link', () => ada.followsALink());
    const elsewhere = await story.step('and opens Flex in another browser', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, elsewhere, customer);
    await story.step('the call is protected', () => elsewhere.isProtected());
    const { timeline: from } = customer.mark();
    await story.step('the agent closes Flex there', () => elsewhere.closesTab());
    await story.step('the agent goes back in the first browser', () => ada.goesBack());
    await story.step('to the page that was left, which reloads itself, as its phone is gone', () =>
      ada.page.waitForFunction("sessionStorage.getItem('restored') && !('__left' in window)", null, {
        timeout: 20_000,
      }),
    );
    await ada.ready();
    await isBackInPlace(story, ada, customer, task, { from });
  },
};

export const restoredWithoutACall = {
  title: 'An agent without a call follows a link, goes back, and the restored page hears the server again',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex, in a browser that keeps pages', () =>
      story.agent('ada', { keepsPages: true }),
    );
    const hears = () => ada.page.waitForFunction('Rejoin.status().pushUp', null, { timeout: 20_000 });
    await story.step('the page hears the server', hears);
    await story.step('the agent follows a link', () => ada.followsALink());
    await story.step('the agent goes back', () => ada.goesBack());
    const { restored, same, why } = await story.step('to the page that was left', () => ada.whatCameBack());
    assert.ok(restored && same, `it was kept, and not loaded again: ${why}`);
    await story.step('the page hears the server again', hears);
    await story.step('and acts', () => ada.isTheOneThat('acts'));
  },
};

export const asleep = {
  title: 'A page stands still for half a minute during a call, and nothing is recovered',
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await onACallInAKeepingBrowser(story);
    const { timeline } = customer.mark();
    await story.step('the page stands still', () => ada.freezes(true));
    await story.step('for half a minute', () => new Promise((done) => setTimeout(done, 30_000)));
    await story.step('and runs again', () => ada.freezes(false));
    await nothingHappens(story, customer, timeline);
    await story.step('the agent hears the customer', () => ada.hearsCustomer());
    await story.step('the call is protected', () => ada.isProtected());
  },
};
