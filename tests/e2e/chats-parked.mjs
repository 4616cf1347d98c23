// Chats that wait for their customers when the agent's page is gone: the server parks them instead of inviting an agent.

import assert from 'node:assert/strict';
import { onAChat, sends, stands, takes, types } from './chat-people.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./chat-people.mjs').Writer} Writer */

/** What customers read when their agent is gone and the chat waits for them. */
const PARKED = 'The connection to your agent was lost. Write to us when you like, and someone will answer.';
const AGAIN = 'When does it arrive?';

/** Where this agent's participants of the conversation stand. */
async function seats(/** @type {Story} */ story, /** @type {Writer} */ { conversation }) {
  const { chats } = await story.twilio.state();
  const { participants } = chats.find((/** @type {any} */ { sid }) => sid === conversation);
  return participants.filter((/** @type {any} */ { kind, joined }) => kind === 'agent' && joined);
}

/** Ada has a chat, closes the tab, and the chat is parked. Bo is available all the time, and is offered nothing. */
async function parked(/** @type {Story} */ story) {
  // As by default, Flex sets the agent offline before the agent counts as gone.
  await story.twilio.assume({ presenceTtlMs: 10_000 });
  const { ada, customer } = await onAChat(story);
  const bo = await story.step('Bo is available', () => story.agent('bo'));
  await story.step('the server knows whose chat it is', () => stands(story, customer, 'attended'));
  await story.step('Ada closes the tab', () => ada.closesTab());
  await story.step('the customer reads that the chat waits for them', () => customer.reads(PARKED, 40_000));
  await story.step('the chat is parked, and nobody is in it', async () => {
    await stands(story, customer, 'parked');
    assert.equal((await customer.sees()).status, 'inactive');
    assert.deepEqual(await seats(story, customer), []);
  });
  assert.deepEqual(await bo.tasks(), [], 'nobody is offered it');
  return { ada, bo, customer };
}

/** The agent takes what is offered, sees all that was said, and goes on with it. */
async function goesOn(
  /** @type {Story} */ story,
  /** @type {Agent} */ agent,
  /** @type {Writer} */ customer,
) {
  await story.step('the agent takes it, and sees all that was said', async () => {
    await takes(agent, AGAIN);
    for (const text of ['Hello?', 'How can I help?', PARKED])
      await agent.page.getByText(text).first().waitFor({ timeout: 20_000 });
  });
  await story.shot(agent, 'taken');
  await story.step('the agent answers', async () => {
    await types(agent, 'Tomorrow.');
    await sends(agent);
    await customer.reads('Tomorrow.');
  });
  await story.step('the server has it with the agent', () => stands(story, customer, 'attended'));
  assert.equal((await customer.sees()).status, 'active');
  assert.equal((await seats(story, customer)).length, 1, 'one agent is in it');
  assert.deepEqual(await customer.transcript(), [
    'customer: Hello?',
    'agent: How can I help?',
    `system: ${PARKED}`,
    `customer: ${AGAIN}`,
    'agent: Tomorrow.',
  ]);
}

export const parkedAndWoken = {
  title:
    'A chat is parked when its agent is gone, and the next agent gets all of it when the customer writes',
  settings: { REJOIN_CONVERSATION_UNATTENDED: 'park' },
  async play(/** @type {Story} */ story) {
    const { ada, bo, customer } = await parked(story);
    await story.step('the customer writes, and Bo is offered the chat', async () => {
      await customer.writes(AGAIN);
      await bo.rings();
    });
    await story.shot(bo, 'offered');
    await goesOn(story, bo, customer);
    await story.step('Ada comes back, and has no chat', async () => {
      await ada.opens();
      await story.twilio.becomes('no task', async () => !(await ada.tasks()).length);
    });
  },
};

export const wokenForTheSame = {
  title:
    'A parked chat that Flex does not route by itself goes to the agent who had it, once that agent is back',
  settings: { REJOIN_CONVERSATION_UNATTENDED: 'park' },
  async play(/** @type {Story} */ story) {
    await story.twilio.assume({ leftChatInvitesItself: false });
    const { ada, bo, customer } = await parked(story);
    await story.step('Ada opens Flex again, and is available', async () => {
      await ada.opens();
      await story.twilio.available('ada');
    });
    await story.step('the customer writes, and Ada is offered the chat', async () => {
      await customer.writes(AGAIN);
      await ada.rings();
    });
    await goesOn(story, ada, customer);
    assert.deepEqual(await bo.tasks(), [], 'Bo is offered nothing');
    const { chats } = await story.twilio.state();
    const { tasks } = chats.find((/** @type {any} */ { sid }) => sid === customer.conversation);
    assert.equal(tasks.length, 2, 'one invite, after the first task');
  },
};
