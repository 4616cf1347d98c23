// Stories for the oldest supported Flex UI. It cannot join a call again, so the queue is its only way back.

import assert from 'node:assert/strict';
import { draftRefreshed } from './chat-drafts.mjs';
import { messageReplyLost } from './chat-messages.mjs';
import { consoleFromFlex } from './console.mjs';
import { heldThroughQueue } from './on-hold.mjs';
import { outboundLegLost } from './outbound.mjs';
import { isBack, isTold, talk } from './steps.mjs';
import { agentHangsUp, closedTab, customerHangsUp, refresh, serverKilled } from './stories.mjs';

/** @typedef {import('./story.mjs').Story} Story */

const SAID_ONCE = /this Flex UI ends calls at a reload/;

const refreshWithoutJoining = {
  title: 'An agent refreshes a Flex that cannot join again, and the call comes back through the queue',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    const said = () => story.diary.filter((line) => SAID_ONCE.test(line)).length;
    assert.equal(said(), 1, 'the console says what this Flex cannot do');
    const { transcript } = customer.mark();
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await isTold(story, customer, transcript);
    await ada.ready();
    const { task: again } = await isBack(story, ada, customer, task);
    assert.equal(said(), 2, 'once a page');
    await story.step('Ada refreshes again', () => ada.refreshes());
    await ada.ready();
    await story.step('and is back again', () =>
      story.twilio.becomes(
        'another task is accepted',
        async () =>
          (await ada.tasks()).some(
            ({ sid, status, attributes }) =>
              status === 'accepted' && sid !== again.sid && attributes.disconnectedTaskSid === again.taskSid,
          ),
        20_000,
      ),
    );
    await story.step('audio runs both ways', async () => {
      await customer.hearsAgent();
      await ada.hearsCustomer();
    });
  },
};

const startsAtOnce = {
  title: 'Flex starts as soon as the plugin is there',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    // How long Flex waits for plugins that do not report: longer than this story.
    await ada.context.addInitScript(() => {
      /** @type {any} */
      let config;
      Object.defineProperty(window, 'appConfig', {
        get: () => config,
        set: (given) =>
          (config = { ...given, pluginService: { ...given.pluginService, initializationTimeout: 600_000 } }),
      });
    });
    await story.step('Ada refreshes the page, and Flex starts', async () => {
      await ada.refreshes();
      await ada.ready();
    });
  },
};

const mute = {
  title: 'An agent mutes the microphone and is heard again',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    await talk(story, ada, customer);
    const from = customer.mark().transcript;
    await story.step('Ada mutes the microphone', () => ada.mutes());
    await story.step('the customer no longer hears Ada', () => customer.hears(/silence/, { from }));
    await story.step('Ada unmutes', () => ada.mutes());
    await story.step('the customer hears Ada again', () => customer.hearsAgent());
  },
};

export const stories = [
  startsAtOnce,
  refreshWithoutJoining,
  refresh,
  closedTab,
  agentHangsUp,
  customerHangsUp,
  mute,
  heldThroughQueue,
  serverKilled,
  outboundLegLost,
  consoleFromFlex,
  draftRefreshed,
  messageReplyLost,
];
