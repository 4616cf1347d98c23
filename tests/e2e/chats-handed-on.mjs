// Chats whose agent's page is gone.

import assert from 'node:assert/strict';
import path from 'node:path';
import axe from 'axe-core';
import { onAChat, sends, stands, takes, types } from './chat-people.mjs';
import { opens } from './console.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./chat-people.mjs').Writer} Writer */

/** What customers read when their agent is gone and another one is looked for. */
const GONE = /connection to your agent/i;

/** The console, opened from the demo's page, with a chat that has nobody. */
const supervises = async (
  /** @type {Story} */ story,
  /** @type {Agent} */ bo,
  /** @type {Writer} */ customer,
) => {
  const start = await bo.page.context().newPage();
  await start.goto(story.demo.pageUrl);
  const now = await opens(start, 'Console', 'Now');
  const row = now.locator('#conversations tr', { hasText: customer.conversation });
  await row.filter({ hasText: 's ago' }).waitFor({ timeout: 20_000 });
  await now.evaluate(axe.source);
  const { violations } = await now.evaluate(() => /** @type {any} */ (window).axe.run());
  assert.deepEqual(
    violations.map((/** @type {any} */ { id, nodes }) => `${id}: ${nodes[0].html}`),
    [],
  );
  await now.screenshot({ path: path.join(story.folder, 'console.png'), fullPage: true });
  return now;
};

export const toTheNext = {
  title: 'An agent closes the tab, and the chat goes to the next agent with all that was said',
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await onAChat(story);
    const bo = await story.step('Bo is available', () => story.agent('bo'));
    await story.step('the server knows whose chat it is', () => stands(story, customer, 'attended'));
    await story.step('Ada closes the tab, and the customer writes', async () => {
      await ada.closesTab();
      await customer.writes('Are you still there?');
    });
    await story.step('the customer is told, once it is certain', () =>
      story.twilio.becomes('told', async () => (await customer.told()).length === 1, 40_000),
    );
    const now = await story.step('a supervisor opens the console, which shows that nobody has the chat', () =>
      supervises(story, bo, customer),
    );
    await story.step('Bo is offered the chat, after Ada', () =>
      bo.acceptButton().waitFor({ timeout: 90_000 }),
    );
    await story.shot(bo, 'offered');
    await story.step('Bo takes it, and sees all that was said', async () => {
      await takes(bo, 'Hello?');
      for (const text of ['How can I help?', 'Are you still there?'])
        await bo.page.getByText(text).first().waitFor({ timeout: 20_000 });
    });
    await story.shot(bo, 'taken');
    await story.step('the console shows that Bo has it', () =>
      now
        .locator('#conversations tr', { hasText: customer.conversation })
        .locator('td', { hasText: 'Another agent has it' })
        .waitFor({ timeout: 20_000 }),
    );
    await story.step('Bo answers', async () => {
      await types(bo, 'I am. Ada had to leave.');
      await sends(bo);
      await customer.reads('I am. Ada had to leave.');
    });
    await story.step('the server has it with Bo', () => stands(story, customer, 'attended'));
    const notices = await customer.told();
    assert.equal(notices.length, 1);
    assert.match(notices[0].body, GONE);
    await story.step('Ada comes back, and has no chat', async () => {
      await ada.opens();
      await ada.ready();
      await story.twilio.becomes('no task', async () => !(await ada.tasks()).length);
    });
  },
};

export const backInTime = {
  title: 'An agent closes the tab and opens a new one, and the customer of the chat hears nothing of it',
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await onAChat(story);
    await story.step('the server knows whose chat it is', () => stands(story, customer, 'attended'));
    await story.step('Ada closes the tab, and opens Flex again', async () => {
      await ada.closesTab();
      await ada.opens();
      await ada.ready();
    });
    await story.step('the chat is there, and goes on', async () => {
      await ada.page.getByText('How can I help?').first().waitFor({ timeout: 30_000 });
      await customer.writes('My parcel is late.');
      await ada.page.getByText('My parcel is late.').first().waitFor({ timeout: 20_000 });
    });
    // Longer than the time after which an agent who does not come back is gone.
    await story.step('nobody is told anything', async () => {
      await new Promise((done) => setTimeout(done, 20_000));
      assert.deepEqual(await customer.told(), []);
    });
    await stands(story, customer, 'attended');
  },
};

export const backLate = {
  title: 'An agent of a chat comes back when the customer has been told, and goes on with it',
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await onAChat(story);
    const bo = await story.step('Bo is available', () => story.agent('bo'));
    await story.step('the server knows whose chat it is', () => stands(story, customer, 'attended'));
    await story.step('Ada closes the tab, and the customer is told', async () => {
      await ada.closesTab();
      await story.twilio.becomes('told', async () => (await customer.told()).length === 1, 40_000);
    });
    await story.step('Ada opens Flex again, and answers', async () => {
      await ada.opens();
      await ada.ready();
      await ada.page.getByText('How can I help?').first().waitFor({ timeout: 20_000 });
      await types(ada, 'I am back.');
      await sends(ada);
      await customer.reads('I am back.');
    });
    await story.shot(ada, 'back');
    await story.step('the server has it with Ada', () => stands(story, customer, 'attended'));
    // Longer than until an agent would be invited.
    await story.step('nobody else is offered it', async () => {
      await new Promise((done) => setTimeout(done, 20_000));
      assert.deepEqual(await bo.tasks(), []);
      assert.equal((await customer.told()).length, 1);
    });
  },
};

export const withoutThePlugin = {
  title: 'An agent reloads Flex without the plugin, and keeps the chat: TaskRouter knows that they are there',
  // Flex sets nobody offline while the page loads.
  settings: { REJOIN_CONVERSATION_OFFLINE_AFTER_MS: '2000', REJOIN_CONVERSATION_GOODBYE_MS: '33000' },
  async play(/** @type {Story} */ story) {
    await story.twilio.assume({ presenceTtlMs: 15_000 });
    const { ada, customer } = await onAChat(story);
    const bo = await story.step('Bo is available', () => story.agent('bo'));
    await story.step('the server knows whose chat it is', () => stands(story, customer, 'attended'));
    await story.step('Ada reloads Flex, which does not load the plugin any more', async () => {
      await ada.context.route('**/plugin-rejoin.js*', (route) => route.abort());
      await ada.page.reload();
      await ada.page.getByText('How can I help?').first().waitFor({ timeout: 30_000 });
    });
    await story.step('the page that had the plugin is away', () => stands(story, customer, 'awaited'));
    await story.step('when its time is over, the chat is still Ada’s', () =>
      stands(story, customer, 'unjudged', 60_000),
    );
    await story.shot(ada, 'without-the-plugin');
    await story.step('the customer writes, and Ada answers', async () => {
      await customer.writes('My parcel is late.');
      await ada.page.getByText('My parcel is late.').first().waitFor({ timeout: 20_000 });
      await types(ada, 'I will look.');
      await sends(ada);
      await customer.reads('I will look.');
    });
    assert.deepEqual(await customer.told(), [], 'nobody is told that Ada is gone');
    assert.deepEqual(await bo.tasks(), [], 'nobody else is offered it');
    await stands(story, customer, 'unjudged');
  },
};
