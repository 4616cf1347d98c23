// Chats that an agent transfers by Flex's own button, with the agent's page there, or gone a moment later.

import assert from 'node:assert/strict';
import { onAChat, sends, stands, takes, types } from './chat-people.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./chat-people.mjs').Writer} Writer */

/** Longer than until the customer would be told of an agent who is gone, and another one invited. */
const LONG = 40_000;

/** How the chat stands at Twilio. */
async function chat(/** @type {Story} */ story, /** @type {Writer} */ { conversation }) {
  const { chats } = await story.twilio.state();
  return chats.find((/** @type {any} */ { sid }) => sid === conversation);
}

/** Transfers the chat that is shown, with Flex's own button and directory. */
async function transfers(/** @type {Story} */ story, /** @type {Agent} */ agent) {
  const { page } = agent;
  await page.getByTestId('task-actions-menu-toggle').click({ timeout: 20_000 });
  await page.getByTestId('task-transfer-button').click({ timeout: 20_000 });
  const bo = page.locator('.Twilio-WorkerDirectory-Worker', { hasText: 'Bo' }).first();
  await bo.hover({ timeout: 20_000 });
  await bo.getByTestId('cbm-cold-transfer-button').click({ timeout: 20_000 });
  await story.shot(agent, 'directory');
  await page.getByTestId('confirm-transfer-button').click({ timeout: 20_000 });
}

/** Ada answers a chat and transfers it to Bo. */
async function transferred(/** @type {Story} */ story, /** @type {object} */ assumed = {}) {
  // Off in a new account. As by default, Flex sets an agent offline before the agent counts as gone.
  await story.twilio.features(['new-transfer-experience']);
  await story.twilio.assume({ presenceTtlMs: 10_000, ...assumed });
  const { ada, customer } = await onAChat(story);
  const bo = await story.step('Bo is available', () => story.agent('bo'));
  await story.step('the server knows whose chat it is', () => stands(story, customer, 'attended'));
  await story.step('Ada transfers it to Bo, by the button of Flex', () => transfers(story, ada));
  await story.step('Bo is offered it', () => bo.rings());
  assert.equal((await chat(story, customer)).status, 'transfer');
  await story.shot(ada, 'transferred');
  await story.shot(bo, 'offered');
  return { ada, bo, customer };
}

/** Bo takes it and goes on; the customer has heard of nothing else. */
async function goesOn(
  /** @type {Story} */ story,
  /** @type {Agent} */ bo,
  /** @type {Writer} */ customer,
  tasks = 2,
) {
  await story.step('Bo takes it, and sees all that was said', async () => {
    await takes(bo, 'Hello?');
    await bo.page.getByText('How can I help?').first().waitFor({ timeout: 20_000 });
  });
  await story.shot(bo, 'taken');
  await story.step('Bo answers', async () => {
    await types(bo, 'Bo here.');
    await sends(bo);
    await customer.reads('Bo here.');
  });
  await story.step('the server has it with Bo', () => stands(story, customer, 'attended'));
  await heardNothing(story, customer, tasks);
  assert.deepEqual(await customer.transcript(), [
    'customer: Hello?',
    'agent: How can I help?',
    'agent: Bo here.',
  ]);
}

/** Nobody was told anything, and so many tasks were made for it. */
async function heardNothing(
  /** @type {Story} */ story,
  /** @type {Writer} */ customer,
  /** @type {number} */ tasks,
) {
  assert.deepEqual(await customer.told(), []);
  assert.equal((await chat(story, customer)).tasks.length, tasks, 'tasks of the chat');
}

const passes = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms));

export const toAnotherAgent = {
  title: 'An agent transfers a chat by the button of Flex, and the next agent goes on with all that was said',
  async play(/** @type {Story} */ story) {
    const { ada, bo, customer } = await transferred(story);
    await story.step('the server leaves it to Twilio', () => stands(story, customer, 'waiting'));
    await goesOn(story, bo, customer);
    await story.step('Ada completes the task, and the chat goes on', async () => {
      await ada.completes();
      await story.twilio.becomes('no task', async () => !(await ada.tasks()).length);
      assert.equal((await customer.sees()).status, 'active');
    });
    await story.step('Ada closes the tab, and nobody hears of it', async () => {
      await ada.closesTab();
      await passes(LONG);
      await stands(story, customer, 'attended');
      await heardNothing(story, customer, 2);
    });
  },
};

const closesTheTab = (/** @type {string} */ title, /** @type {object} */ assumed) => ({
  title,
  async play(/** @type {Story} */ story) {
    const { ada, bo, customer } = await transferred(story, assumed);
    await story.step('Ada closes the tab', () => ada.closesTab());
    await story.step('nobody is told or invited', async () => {
      await passes(LONG);
      await heardNothing(story, customer, 2);
      await stands(story, customer, 'waiting');
    });
    await goesOn(story, bo, customer);
  },
});

export const andClosesTheTab = closesTheTab(
  'An agent transfers a chat and closes the tab, and nobody is told or invited before the next agent takes it',
  {},
);

export const andStaysOnIt = closesTheTab(
  'An agent who transfers a chat stays on it until the next one takes it, closes the tab, and nobody is told or invited',
  { transferKeepsAgent: true, inactiveIsTold: false },
);

export const andIsDeclined = {
  title: 'An agent transfers a chat and closes the tab, the next agent declines it, and it is offered again',
  async play(/** @type {Story} */ story) {
    const { ada, bo, customer } = await transferred(story);
    await story.step('Ada closes the tab, and is offline', async () => {
      await ada.closesTab();
      await story.twilio.becomes(
        'offline',
        async () => (await story.twilio.worker('ada')).activity === 'Offline',
      );
    });
    await story.step('Bo declines it, by the button of Flex', () =>
      bo.page.locator('.Twilio-TaskButton-Reject').first().click({ timeout: 20_000 }),
    );
    await story.step('the workflow finds nobody', async () => {
      const { tasks } = await chat(story, customer);
      await stands(story, customer, 'waiting');
      await story.twilio.cancels(tasks.at(-1));
    });
    await story.step('Bo is offered it by an invite of the server', () =>
      bo.acceptButton().waitFor({ timeout: 90_000 }),
    );
    await goesOn(story, bo, customer, 3);
  },
};
