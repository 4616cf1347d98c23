// Agents and customers who write.

import assert from 'node:assert/strict';
import path from 'node:path';
import axe from 'axe-core';
import { atThePage, onAChat, sends, takes, types } from './chat-people.mjs';

/** @typedef {import('./story.mjs').Story} Story */

export const toItsEnd = {
  title: 'An agent answers a chat, refreshes the tab, and ends the chat',
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await onAChat(story);
    await story.shot(ada, 'chat');
    await story.step('Ada refreshes the tab, and sees the chat again', async () => {
      await ada.refreshes();
      await ada.ready();
      await ada.page.getByText('How can I help?').first().waitFor({ timeout: 30_000 });
    });
    await story.step('the customer writes, and Ada reads it', async () => {
      await customer.writes('My parcel is late.');
      await ada.page.getByText('My parcel is late.').first().waitFor({ timeout: 20_000 });
    });
    await story.shot(ada, 'after-refresh');
    await story.step('Ada ends the chat and completes it', async () => {
      await ada.page.getByRole('button', { name: /^End/ }).first().click({ timeout: 20_000 });
      await ada.completes();
      await story.twilio.becomes('completed', async () => !(await ada.tasks()).length);
    });
    const { status } = await customer.sees();
    assert.equal(status, 'closed');
  },
};

export const fromAPhone = {
  title: 'A customer writes from a page as wide as a phone, refreshes it, and goes on',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada is available', () => story.agent('ada'));
    const page = await story.step('a customer opens the chat page', () =>
      atThePage(story, { colorScheme: 'dark', hasTouch: true }),
    );
    const shot = (/** @type {string} */ name) =>
      page.screenshot({ path: path.join(story.folder, `${name}.png`) });
    const says = async (/** @type {string} */ text) => {
      await page.getByLabel('Your message').fill(text);
      await page.getByRole('button', { name: 'Send' }).click();
    };
    await shot('customer-before');
    await story.step('the customer writes, and Ada takes the chat', async () => {
      await says('Hello?');
      await takes(ada, 'Hello?');
      await page.getByText('You are chatting with an agent.').waitFor({ timeout: 20_000 });
    });
    await story.step('Ada answers', async () => {
      await types(ada, 'How can I help?');
      await sends(ada);
      await page.getByText('How can I help?').waitFor({ timeout: 20_000 });
    });
    await story.step('the customer refreshes the page, and goes on', async () => {
      await page.reload();
      await page.getByText('How can I help?').waitFor({ timeout: 20_000 });
      await page.getByLabel('Your message').press('Tab');
      await says('My parcel is late.');
      await ada.page.getByText('My parcel is late.').first().waitFor({ timeout: 20_000 });
    });
    for (const colorScheme of /** @type {const} */ (['dark', 'light'])) {
      await page.emulateMedia({ colorScheme });
      await shot(`customer-${colorScheme}`);
      await story.step(`axe finds nothing in the page, ${colorScheme}`, async () => {
        await page.evaluate(axe.source);
        const { violations } = await page.evaluate(() => /** @type {any} */ (window).axe.run());
        assert.deepEqual(
          violations.map((/** @type {any} */ { id, nodes }) => `${id}: ${nodes[0].html}`),
          [],
        );
      });
    }
    await story.step('nothing is wider than the screen', async () => {
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${wide} px`);
    });
  },
};

/** Invokes an action of Flex on the channel of this conversation, as Flex's own menu does. */
const onChannel = (
  /** @type {import('./people.mjs').Agent} */ { page },
  /** @type {string} */ action,
  channelSid = '',
) =>
  page.evaluate(
    ([action, channelSid]) => {
      const { Actions, Manager } = /** @type {any} */ (window).Twilio.Flex;
      const [task] = Manager.getInstance().store.getState().flex.worker.tasks.values();
      const channel = channelSid || task.attributes.flexInteractionChannelSid;
      return Actions.invokeAction(action, { channelSid: channel }).then(() => channel);
    },
    [action, channelSid],
  );

export const pausedAndLeft = {
  title: 'An agent pauses a chat, goes on with it, leaves it, and gets it again when the customer writes',
  async play(/** @type {Story} */ story) {
    // Both are off in a new account.
    await story.twilio.features(['leave-pause-resume-all-digital-channels']);
    await story.twilio.configures({ agent_conv_end_methods: { enabled: ['Pause', 'Leave'] } });
    const { ada, customer } = await onAChat(story);
    const nothing = () => story.twilio.becomes('no task', async () => !(await ada.tasks()).length);
    const channel = await story.step('Ada pauses the chat', async () => {
      const channel = await onChannel(ada, 'PauseChannel');
      await nothing();
      return channel;
    });
    await story.step('Ada goes on with it', async () => {
      // Flex lists by itself what is paused.
      await ada.page.waitForFunction(
        (channel) => {
          const { worker } = /** @type {any} */ (window).Twilio.Flex.Manager.getInstance().store.getState()
            .flex;
          return [...worker.pausedEmailConversationsMap.values()].some(({ sid }) => sid === channel);
        },
        channel,
        { timeout: 20_000 },
      );
      await onChannel(ada, 'ResumeChannel', channel);
      await ada.page.getByText('How can I help?').first().waitFor({ timeout: 20_000 });
      assert.deepEqual(
        (await ada.tasks()).map(({ status }) => status),
        ['accepted'],
      );
    });
    await story.step('Ada leaves it', async () => {
      await onChannel(ada, 'LeaveChannel');
      await nothing();
      assert.equal((await customer.sees()).status, 'inactive');
    });
    await story.step('the customer writes, and Ada takes it again', async () => {
      await customer.writes('One more thing');
      await takes(ada, 'One more thing');
      assert.equal((await customer.sees()).status, 'active');
    });
  },
};
