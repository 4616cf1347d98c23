// Messages of an agent that are on their way when the page or its socket is lost.

import assert from 'node:assert/strict';
import { has, kept } from './chat-drafts.mjs';
import { input, onAChat, sends, types } from './chat-people.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./chat-people.mjs').Writer} Writer */

const BEFORE = ['customer: Hello?', 'agent: How can I help?'];

/** What the plugin says in the chat. */
const notice = (/** @type {Agent} */ { page }) => page.locator('[data-rejoin=notice]').first();

/** The customer has each of these once, in this order, and nothing waits any more. */
async function hasOnce(
  /** @type {Story} */ story,
  /** @type {Agent} */ ada,
  customer,
  /** @type {string[]} */ bodies,
) {
  await customer.reads(bodies.at(-1));
  await story.twilio.becomes('nothing waits', async () => !(await kept(ada)).includes('unsent'), 60_000);
  const { messages } = await customer.sees();
  assert.deepEqual(await customer.transcript(), [...BEFORE, ...bodies.map((body) => `agent: ${body}`)]);
  const ids = messages
    .filter(({ from }) => from === 'agent')
    .map(({ attributes }) => JSON.parse(attributes).rejoin);
  assert.equal(new Set(ids).size, bodies.length + 1, 'each message has an id of its own');
  assert.ok(
    ids.every((id) => /^[0-9a-f-]{36}$/.test(id)),
    `${ids}`,
  );
}

export const messageReplyLost = {
  title: 'The reply to a message is lost with the socket, and the customer has the message once',
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await onAChat(story);
    await customer.faults({ lostReplies: 1 });
    await story.step('Ada sends a message, whose reply is lost', async () => {
      await types(ada, 'It is in Graz.');
      await sends(ada);
      await customer.reads('It is in Graz.');
    });
    await story.step('Ada sees that it waits, with an empty input', async () => {
      await notice(ada).getByText('Not sent yet').waitFor({ timeout: 10_000 });
      await has(story, ada, '');
    });
    await story.shot(ada, 'waits');
    await story.step('and that it was sent', () =>
      notice(ada).getByText('Sent: It is in Graz.').waitFor({ timeout: 20_000 }),
    );
    await story.shot(ada, 'sent');
    await hasOnce(story, ada, customer, ['It is in Graz.']);
    await has(story, ada, '');
    await story.step('the notice goes away', () =>
      notice(ada).getByText('Sent').waitFor({ state: 'hidden', timeout: 20_000 }),
    );
  },
};

/** Nothing comes through the agent's socket any more, and the agent sends a message. */
async function sendsIntoSilence(
  /** @type {Agent} */ ada,
  /** @type {Writer} */ customer,
  /** @type {string} */ text,
) {
  await customer.faults({ silent: ['ada'] });
  await types(ada, text);
  await sends(ada);
}

export const messageRefreshed = {
  title: 'An agent refreshes the page while a message is on its way, and the customer has the message once',
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await onAChat(story);
    await story.step('Ada sends a message, which does not come through', async () => {
      await sendsIntoSilence(ada, customer, 'It is in Graz.');
      await story.twilio.becomes('kept', async () => (await kept(ada)).includes('unsent'));
    });
    assert.deepEqual(await customer.transcript(), BEFORE);
    await customer.faults({});
    await story.step('Ada refreshes the page', () => ada.refreshes());
    // As soon as the page is ready the message goes: on a busy machine that would be too late to look.
    await story.step('Ada sees that it waits', () =>
      notice(ada).getByText('Not sent yet').waitFor({ timeout: 40_000 }),
    );
    await story.shot(ada, 'waits');
    await ada.ready();
    await story.step('and the customer has it', () => hasOnce(story, ada, customer, ['It is in Graz.']));
    await has(story, ada, '');
  },
};

export const messageStoredAndRefreshed = {
  title: 'An agent refreshes the page before the reply to a message, and the customer has the message once',
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await onAChat(story);
    await customer.faults({ lostReplies: 1 });
    await story.step('Ada sends a message, and refreshes the page at once', async () => {
      await types(ada, 'It is in Graz.');
      await sends(ada);
      await customer.reads('It is in Graz.');
      assert.ok((await kept(ada)).includes('unsent'));
      await ada.refreshes();
      await ada.ready();
    });
    await story.step('the message is found, and not sent again', () =>
      hasOnce(story, ada, customer, ['It is in Graz.']),
    );
    await has(story, ada, '');
  },
};

export const messagesCut = {
  title: 'The socket is cut while an agent writes, and the messages arrive once and in order',
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await onAChat(story);
    await story.step('Ada sends a message into silence, and the socket is cut', async () => {
      await sendsIntoSilence(ada, customer, 'One.');
      await story.twilio.becomes('kept', async () => (await kept(ada)).includes('unsent'));
      await story.twilio.cutsOff('ada');
    });
    await story.step('Ada sees that it waits', () =>
      notice(ada).getByText('Not sent yet').waitFor({ timeout: 60_000 }),
    );
    await story.step('Ada types the next one meanwhile', async () => {
      await has(story, ada, '');
      await types(ada, 'Two.');
    });
    await story.shot(ada, 'waits');
    await story.step('the socket is back', async () => {
      await customer.faults({});
      await story.twilio.letsThrough('ada');
    });
    await story.step('the first message arrives', () => customer.reads('One.'));
    await story.step('the second one is still in the input, and is sent', async () => {
      await has(story, ada, 'Two.');
      await input(ada).click();
      await sends(ada);
    });
    await hasOnce(story, ada, customer, ['One.', 'Two.']);
  },
};

export const messageOver = {
  title: 'A conversation is closed while a message waits, and the message is not sent',
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await onAChat(story);
    await story.step('Ada sends a message into silence', async () => {
      await sendsIntoSilence(ada, customer, 'One.');
      await story.twilio.becomes('kept', async () => (await kept(ada)).includes('unsent'));
    });
    await story.step('the conversation is closed', async () => {
      const { chats } = await story.twilio.state();
      const { interaction, channel } = chats.find(({ sid }) => sid === customer.conversation);
      const url = `${story.demo.twinUrl}/__tw/flex-api.twilio.com/v1/Interactions/${interaction}/Channels/${channel}`;
      const headers = { authorization: story.twilio.authorization() };
      const body = new URLSearchParams({ Status: 'closed' });
      assert.ok((await fetch(url, { method: 'POST', headers, body })).ok);
      await customer.faults({});
    });
    await story.step('Ada refreshes the page', async () => {
      await ada.refreshes();
      await ada.ready();
    });
    await story.step('Ada is told that it is not sent', () =>
      notice(ada).getByText('Not sent, and not tried again: One.').waitFor({ timeout: 40_000 }),
    );
    await story.shot(ada, 'not-sent');
    assert.deepEqual(await customer.transcript(), BEFORE);
    await story.step('it is looked for, and never sent, until Ada completes the task', async () => {
      const returned = await ada.page.evaluate(() =>
        Object.entries(localStorage)
          .filter(([key]) => key.startsWith('rejoin.unsent.'))
          .map(([, value]) => JSON.parse(value).returned),
      );
      assert.deepEqual(returned, [true]);
      await ada.completes();
      await story.twilio.becomes('forgotten', async () => !(await kept(ada)).includes('unsent'));
    });
  },
};

export const messageInTwoTabs = {
  title: 'A tab is closed while a message is on its way, and another tab sends the message once',
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await onAChat(story);
    const first = ada.page;
    await story.step('Ada opens a second tab, with the same chat', async () => {
      await ada.opens();
      await ada.page.getByText('How can I help?').first().waitFor({ timeout: 30_000 });
    });
    const second = ada.page;
    await story.step('Ada sends a message in the first tab, which does not come through', async () => {
      ada.page = first;
      await sendsIntoSilence(ada, customer, 'It is in Graz.');
      await story.twilio.becomes('kept', async () => (await kept(ada)).includes('unsent'));
      await customer.faults({});
    });
    ada.page = second;
    await story.step('the second tab leaves it to the first', async () => {
      await ada.page.waitForFunction(
        async () =>
          (await navigator.locks.query()).pending?.some(({ name }) => name?.startsWith('rejoin-message-')),
        null,
        { timeout: 10_000 },
      );
      assert.deepEqual(await customer.transcript(), BEFORE);
    });
    await story.step('the first tab is closed', () => first.close({ runBeforeUnload: false }));
    await story.step('the second one sends it', () => hasOnce(story, ada, customer, ['It is in Graz.']));
  },
};
