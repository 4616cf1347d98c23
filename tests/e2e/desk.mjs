// What a desktop may lack when the page is back: the microphone, or permission to play sound. And what is restored.

import assert from 'node:assert/strict';
import { isBackInPlace } from './in-place.mjs';
import { isBack, isTold, talk } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */

/** @param {Story} story */
async function onACallInStrictBrowser(story) {
  const ada = await story.step('Ada signs in to Flex, in a strict browser', () =>
    story.agent('ada', { strict: true }),
  );
  const customer = await story.step('a customer calls', () => story.customer());
  return { ada, customer, task: await talk(story, ada, customer) };
}

export const microphoneBlocked = {
  title: 'An agent whose microphone is blocked meanwhile is told, and is back as soon as it is allowed',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACallInStrictBrowser(story);
    await story.step('Ada leaves the page', () => ada.goesElsewhere());
    // Once any permission is granted, all others are denied.
    await story.step('the microphone permission is revoked', async () => {
      await ada.context.clearPermissions();
      await ada.context.grantPermissions(['geolocation']);
    });
    await story.step('Ada comes back', () => ada.comesBack());
    await story.step('the dialog says what is missing', () =>
      ada.dialog().getByText('Your microphone is blocked').waitFor({ timeout: 20_000 }),
    );
    await ada.shot(story.folder, 'microphone-blocked');
    const joined = customer.timeline.said.filter(({ note }) => note?.what === 'ended');
    assert.deepEqual(joined, [], 'the agent is not back yet');
    await story.step('Ada allows it', () => ada.context.grantPermissions(['microphone']));
    await isBackInPlace(story, ada, customer, task);
  },
};

export const strictAboutSound = {
  title: 'A browser that plays nothing before a click plays the call that an agent is back on',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACallInStrictBrowser(story);
    // Whatever is evaluated in the page counts as a click: the page is left alone until the agent is back.
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await isBackInPlace(story, ada, customer, task);
  },
};

export const mutedThroughQueue = {
  title: 'An agent who is muted comes back through the queue and is muted again',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    const from = customer.mark().transcript;
    await story.step('Ada mutes the microphone', () => ada.mutes());
    await story.step('the customer no longer hears Ada', () => customer.hears(/silence/, { from }));
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    const { transcript } = customer.mark();
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await isTold(story, customer, transcript);
    await ada.ready();
    await isBack(story, ada, customer, task, { hearsAgent: false });
    await story.step('Ada is muted again', () => story.twilio.becomes('muted', () => ada.isMuted()));
    await story.step('Ada unmutes and is heard', async () => {
      await ada.mutes();
      await customer.hearsAgent();
    });
  },
};

/** TaskRouter makes an agent offline who has had no desktop for a while: here at once. */
const setBack = (
  /** @type {string} */ title,
  /** @type {object} */ assumed,
  /** @type {typeof isBack} */ back,
) => ({
  title,
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    const activity = async () => (await story.twilio.worker('ada')).activity;
    assert.equal(await activity(), 'Available');
    await story.twilio.assume({ presenceTtlMs: 0, ...assumed });
    await story.step('Ada leaves the page', () => ada.goesElsewhere());
    await story.step('TaskRouter sets Ada offline', () =>
      story.twilio.becomes('offline', async () => (await activity()) === 'Offline'),
    );
    await story.step('Ada comes back', () => ada.comesBack());
    await back(story, ada, customer, task);
    await story.step('Ada is available again', () =>
      story.twilio.becomes('available', async () => (await activity()) === 'Available'),
    );
    await story.step('and the desktop says so', () =>
      story.twilio.becomes('available', () => ada.isAt('Available')),
    );
  },
});

export const activityInPlace = setBack(
  'An agent whom TaskRouter made offline meanwhile is back in place and available again',
  {},
  /** @type {any} */ (isBackInPlace),
);

export const activityThroughQueue = setBack(
  'An agent whom TaskRouter made offline meanwhile is back through the queue and available again',
  { dtlsCloseEndsLeg: true },
  isBack,
);
