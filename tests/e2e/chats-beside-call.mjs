// An agent with three chats and a call at once, whose page is lost.

import assert from 'node:assert/strict';
import { has, kept } from './chat-drafts.mjs';
import { input, sends, stands, takes, types, Writer } from './chat-people.mjs';
import { isBackInPlace } from './in-place.mjs';
import { WORKER } from './people.mjs';
import { PATIENT, isTold, neverInSilence, onACall } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */

const CHATS = ['first', 'second', 'third'];
const ANSWER = 'How can I help?';
const GONE = 'The connection to your agent was lost. We are looking for someone who can help you.';
/** What a customer hears until the agent is back. */
const BACK = /^(silence|agent|tone audio|comfort audio|announcement: The connection to your agent .*)$/;
const hello = (/** @type {string} */ name) => `The ${name} parcel is late.`;
const draft = (/** @type {string} */ name) => `The ${name} parcel is`;

/** Selects the chat of this customer, as the agent does in Flex's list of tasks. */
async function selects(/** @type {Agent} */ agent, /** @type {string} */ name) {
  await agent.page.locator('.Twilio-TaskListBaseItem', { hasText: name }).click({ timeout: 20_000 });
  await agent.page.locator('.Twilio-MessageListItem', { hasText: hello(name) }).waitFor({ timeout: 20_000 });
}

/** Ada is on a call, and answers three chats. */
async function onThreeChatsAndACall(/** @type {Story} */ story) {
  const { ada, customer, task } = await onACall(story);
  /** @type {Record<string, Writer>} */
  const writers = {};
  for (const name of CHATS) {
    await story.step(`a customer begins the ${name} chat, and Ada answers`, async () => {
      const writer = await Writer.begins(story, hello(name), { name });
      writers[name] = writer;
      await takes(ada, hello(name));
      await selects(ada, name);
      await types(ada, ANSWER);
      await sends(ada);
      await writer.reads(ANSWER);
      await stands(story, writer, 'attended');
    });
  }
  return { ada, customer, task, writers };
}

export const refreshedWithAll = {
  title:
    'An agent with three chats and a call refreshes the tab, and all drafts, messages and the call are back',
  settings: PATIENT,
  async play(/** @type {Story} */ story) {
    await story.twilio.attributes(WORKER.ada, { rejoin: { joinWithinMs: 30_000 } });
    const { ada, customer, task, writers } = await onThreeChatsAndACall(story);
    const { second } = writers;
    for (const name of ['first', 'third']) {
      await story.step(`Ada types half a sentence in the ${name} chat`, async () => {
        await selects(ada, name);
        await types(ada, draft(name));
      });
    }
    await story.twilio.becomes(
      'both are kept',
      async () => (await kept(ada)).filter((key) => key === 'draft').length === 2,
    );
    await story.step('Ada sends a message in the second one, which does not come through', async () => {
      await selects(ada, 'second');
      await second.faults({ silent: ['ada'] });
      await types(ada, 'It is in Graz.');
      await sends(ada);
      await story.twilio.becomes('kept', async () => (await kept(ada)).includes('unsent'));
    });
    await story.shot(ada, 'before');
    const { transcript, timeline: from } = customer.mark();
    await second.faults({});
    await story.step('Ada refreshes the tab', () => ada.refreshes());
    await isBackInPlace(story, ada, customer, task, { from });
    neverInSilence(customer, transcript);
    const heard = customer.transcript.said.slice(transcript).flatMap(({ heard = '' }) => heard.split(' + '));
    const others = heard.filter((what) => !BACK.test(what));
    assert.deepEqual(others, [], 'the customer hears nothing else');
    await story.shot(ada, 'after');
    await story.step(
      'the customer of the second chat has the message, and what Ada writes then',
      async () => {
        await second.reads('It is in Graz.', 60_000);
        // The call is selected, which is more urgent.
        await selects(ada, 'second');
        await has(story, ada, '');
        await types(ada, 'It comes tomorrow.');
        await sends(ada);
        await second.reads('It comes tomorrow.');
      },
    );
    for (const name of ['third', 'first']) {
      await story.step(`the ${name} chat has its draft, which Ada ends and sends`, async () => {
        await selects(ada, name);
        await has(story, ada, draft(name));
        await input(ada).press('End');
        await ada.page.keyboard.type(' here.', { delay: 5 });
        await sends(ada);
        await writers[name].reads(`${draft(name)} here.`);
      });
    }
    await story.shot(ada, 'sent');
    const wrote = {
      first: [`${draft('first')} here.`],
      second: ['It is in Graz.', 'It comes tomorrow.'],
      third: [`${draft('third')} here.`],
    };
    for (const [name, texts] of Object.entries(wrote)) {
      const expected = [`customer: ${hello(name)}`, ...[ANSWER, ...texts].map((text) => `agent: ${text}`)];
      assert.deepEqual(await writers[name].transcript(), expected, `the ${name} chat`);
    }
    await story.twilio.becomes('nothing is kept', async () =>
      (await kept(ada)).every((key) => key === 'selected'),
    );
  },
};

export const closedWithAll = {
  title:
    'An agent with three chats and a call closes the tab, and the next agent gets the call and the chats',
  settings: { REJOIN_CONVERSATION_OFFLINE_WITHIN_MS: '15000' },
  async play(/** @type {Story} */ story) {
    // Flex sets the agent offline before that.
    await story.twilio.assume({ presenceTtlMs: 10_000 });
    const { ada, customer, writers } = await onThreeChatsAndACall(story);
    const bo = await story.step('Bo is available', () => story.agent('bo'));
    const { transcript, timeline: from } = customer.mark();
    await story.step('Ada closes the tab', () => ada.closesTab());
    await isTold(story, customer, transcript);
    await story.step("Bo's phone rings, and Bo accepts", async () => {
      await bo.rings();
      await bo.accepts();
    });
    const { note } = await story.step('Bo has the call', () => customer.notes('ended', { from }));
    assert.equal(note.outcome, 'handed-over');
    await story.step('audio runs both ways', async () => {
      await customer.hearsAgent();
      await bo.hearsCustomer();
    });
    neverInSilence(customer, transcript);
    for (const many of [1, 2, 3]) {
      await story.step(`Bo is offered a chat (${many} of 3), and takes it`, async () => {
        await bo.acceptButton().click({ timeout: 90_000 });
        await story.twilio.becomes('taken', async () => {
          const taken = (await bo.tasks()).filter(
            ({ channel, status }) => channel === 'chat' && status === 'accepted',
          );
          return taken.length === many;
        });
      });
    }
    for (const name of CHATS) {
      await story.step(`Bo sees all that was said in the ${name} chat, and goes on with it`, async () => {
        await selects(bo, name);
        await bo.page.locator('.Twilio-MessageListItem', { hasText: ANSWER }).waitFor({ timeout: 20_000 });
        await types(bo, draft(name));
        await sends(bo);
        await writers[name].reads(draft(name));
        await stands(story, writers[name], 'attended');
      });
      assert.deepEqual(
        await writers[name].transcript(),
        [`customer: ${hello(name)}`, `agent: ${ANSWER}`, `system: ${GONE}`, `agent: ${draft(name)}`],
        `the ${name} chat`,
      );
    }
    await story.shot(bo, 'all-of-it');
    await story.step('the customer still hears Bo', () => customer.hearsAgent());
    await story.step('Ada comes back, and has neither call nor chat', async () => {
      await ada.opens();
      await story.twilio.becomes('no task', async () => !(await ada.tasks()).length);
    });
  },
};
