// Session inactivity: customer and agent are both there, and nobody writes.

import assert from 'node:assert/strict';
import { onAChat, stands } from './chat-people.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./chat-people.mjs').Writer} Writer */

/** After this long without a message, in seconds: long enough for what comes before the silence, on a busy machine, too. */
const ALERT = 15;
const SECOND_ALERT = 21;
const CLOSE = 27;
const SETTINGS = {
  REJOIN_CONVERSATION_ALERT_MS: `${ALERT}000`,
  REJOIN_CONVERSATION_SECOND_ALERT_MS: `${SECOND_ALERT}000`,
  REJOIN_CONVERSATION_CLOSE_MS: `${CLOSE}000`,
};

const IDLE = 'Are you still there? We have not heard from you for a while.';
const ENDING = 'We have not heard from you for a while, so this conversation will end soon.';

/** The last message is at least this many seconds after the one before. Twilio's times are whole seconds. */
async function isAfter(/** @type {Writer} */ customer, /** @type {number} */ seconds) {
  const [before, last] = (await customer.sees()).messages.slice(-2).map(({ at }) => Date.parse(at) / 1000);
  assert.ok(last - before > seconds - 1, `the last message is ${last - before} s after the one before`);
}

/** Ada is on a chat, whose customer gets the first alert when nobody writes. */
async function alerted(/** @type {Story} */ story) {
  const { ada, customer } = await onAChat(story);
  await story.step('the server knows whose chat it is', () => stands(story, customer, 'attended'));
  await story.step('nobody writes, and the customer is asked', () => customer.reads(IDLE));
  await isAfter(customer, ALERT);
  return { ada, customer };
}

export const alertedAndClosed = {
  title: 'Nobody writes in a chat: the customer is asked, then warned, and the chat is closed',
  settings: SETTINGS,
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await alerted(story);
    await story.step('then warned', () => customer.reads(ENDING));
    await isAfter(customer, SECOND_ALERT - ALERT);
    const warned = Date.now();
    await story.shot(ada, 'warned');
    await story.step('and the chat is closed', () =>
      story.twilio.becomes('closed', async () => (await customer.sees()).status === 'closed'),
    );
    const after = (Date.now() - warned) / 1000;
    assert.ok(after > CLOSE - SECOND_ALERT - 1, `closed ${after} s after the warning`);
    await story.step('Ada completes the task', async () => {
      await ada.page.getByRole('button', { name: 'Complete' }).first().waitFor({ timeout: 20_000 });
      await story.shot(ada, 'closed');
      await ada.completes();
      await story.twilio.becomes('no task', async () => !(await ada.tasks()).length);
    });
    assert.deepEqual(await customer.transcript(), [
      'customer: Hello?',
      'agent: How can I help?',
      `system: ${IDLE}`,
      `system: ${ENDING}`,
    ]);
  },
};

export const alertedAndWrites = {
  title: 'A customer who is asked whether they are there writes, and the time begins anew',
  settings: SETTINGS,
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await alerted(story);
    await story.step('the customer writes, and Ada reads it', async () => {
      await customer.writes('Yes, I am looking for the number.');
      await ada.page.getByText('Yes, I am looking').first().waitFor({ timeout: 20_000 });
    });
    await story.step('nobody writes, and the customer is asked once more', () => customer.reads(IDLE));
    await isAfter(customer, ALERT);
    await story.shot(ada, 'asked-again');
    await story.step('the server has it with Ada', () => stands(story, customer, 'attended'));
    assert.deepEqual(await customer.transcript(), [
      'customer: Hello?',
      'agent: How can I help?',
      `system: ${IDLE}`,
      'customer: Yes, I am looking for the number.',
      `system: ${IDLE}`,
    ]);
  },
};
