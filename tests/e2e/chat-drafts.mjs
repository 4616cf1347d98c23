// What an agent has typed in a chat, and not sent, when the page is lost.

import assert from 'node:assert/strict';
import { input, onAChat, sends, types } from './chat-people.mjs';
import { WORKER } from './people.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */

const TEXT = 'Your parcel is in Graz, and arrives';

/** Keys of what the browser keeps, without SIDs. @returns {Promise<string[]>} */
export const kept = (/** @type {Agent} */ { page }) =>
  page.evaluate(() =>
    [localStorage, sessionStorage]
      .flatMap((storage) => Object.keys(storage))
      .filter((key) => /^rejoin[.](draft|unsent|selected)[.]/.test(key))
      .map((key) => key.split('.')[1]),
  );

/** What is typed, and which part of it is selected. */
const typed = async (/** @type {Agent} */ agent) => {
  const [text, start, end] = await input(agent).evaluate((element) => {
    const { value, selectionStart, selectionEnd } = /** @type {HTMLTextAreaElement} */ (element);
    return [value, selectionStart, selectionEnd];
  });
  return { text, start, end };
};

/** The input has this text, by Flex's own state. */
export const has = (/** @type {Story} */ story, /** @type {Agent} */ agent, /** @type {string} */ text) =>
  story.twilio.becomes(`"${text}" is in the input`, async () => {
    const there = await input(agent).count();
    return Boolean(there) && (await typed(agent)).text === text;
  });

/** Types, and waits until the browser keeps all of it: Flex reports each keystroke when it gets to it. */
async function writes(/** @type {Story} */ story, /** @type {Agent} */ ada) {
  await types(ada, TEXT);
  await story.twilio.becomes('kept', () =>
    ada.page.evaluate(
      (text) => Object.values(localStorage).some((value) => value.includes(JSON.stringify(text))),
      TEXT,
    ),
  );
}

export const draftRefreshed = {
  title: 'An agent refreshes the page in the middle of a sentence, and the draft is back with its selection',
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await onAChat(story);
    await story.step('Ada types half a sentence, and selects a word', async () => {
      await writes(story, ada);
      await input(ada).press('Control+Shift+ArrowLeft');
      await story.twilio.becomes('selected', async () =>
        ada.page.evaluate(() =>
          Object.values(localStorage).some((value) => /"end":35/.test(value) && /"start":28/.test(value)),
        ),
      );
    });
    await story.shot(ada, 'before');
    await story.step('Ada refreshes the page', async () => {
      await ada.refreshes();
      await ada.ready();
    });
    await story.step('the chat is selected, and the draft is there', () => has(story, ada, TEXT));
    await story.shot(ada, 'after');
    assert.deepEqual(await typed(ada), { text: TEXT, start: 28, end: 35 });
    await story.step('Ada ends the sentence and sends it', async () => {
      await input(ada).press('End');
      await ada.page.keyboard.type(' tomorrow.');
      await sends(ada);
      await customer.reads(`${TEXT} tomorrow.`);
    });
    await story.twilio.becomes('forgotten', async () => !(await kept(ada)).includes('draft'));
  },
};

export const draftInNewTab = {
  title: 'An agent closes the tab in the middle of a sentence, and the draft is in a new one',
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await onAChat(story);
    await story.step('Ada types half a sentence', () => writes(story, ada));
    await story.step('the tab is closed, and Ada opens Flex again', async () => {
      await ada.closesTab();
      await ada.opens();
    });
    await story.step('the chat is selected, and the draft is there', () => has(story, ada, TEXT));
    await story.shot(ada, 'new-tab');
    await story.step('Ada sends it, and the customer has it once', async () => {
      await input(ada).click();
      await sends(ada);
      await customer.reads(TEXT);
    });
    assert.deepEqual(await customer.transcript(), [
      'customer: Hello?',
      'agent: How can I help?',
      `agent: ${TEXT}`,
    ]);
  },
};

export const draftSignedOut = {
  title: 'An agent signs out with a draft, and nothing of it is left in the browser',
  async play(/** @type {Story} */ story) {
    const { ada } = await onAChat(story);
    await story.step('Ada types half a sentence', () => writes(story, ada));
    await story.step('Ada signs out', () => ada.signsOut());
    await story.twilio.becomes('forgotten', async () => !(await kept(ada)).length);
  },
};

export const draftsOff = {
  title: 'Drafts are switched off, and the browser keeps nothing that an agent types',
  async play(/** @type {Story} */ story) {
    await story.twilio.attributes(WORKER.ada, { rejoin: { drafts: 'off' } });
    const { ada } = await onAChat(story);
    await story.step('Ada types half a sentence', async () => {
      await types(ada, TEXT);
      await has(story, ada, TEXT);
      await story.twilio.becomes('in the state of Flex', () =>
        ada.page.evaluate((text) => {
          const { Twilio } = /** @type {any} */ (window);
          const { chat } = Twilio.Flex.Manager.getInstance().store.getState().flex;
          return Object.values(chat.conversationInput).some((/** @type {any} */ it) => it.inputText === text);
        }, TEXT),
      );
    });
    assert.deepEqual(await kept(ada), []);
    await story.step('Ada refreshes the page, and the input is empty', async () => {
      await ada.refreshes();
      await ada.ready();
      await ada.page.getByText('How can I help?').first().waitFor({ timeout: 30_000 });
      await has(story, ada, '');
    });
    assert.deepEqual(await kept(ada), []);
  },
};

export const draftCrashed = {
  title: 'The tab crashes in the middle of a sentence, and the draft is back',
  async play(/** @type {Story} */ story) {
    const { ada } = await onAChat(story);
    await story.step('Ada types half a sentence', () => writes(story, ada));
    await story.step('the tab crashes, and Ada opens Flex again', async () => {
      await ada.crashes();
      await ada.opens();
    });
    await story.step('the chat is selected, and the draft is there', () => has(story, ada, TEXT));
  },
};

export const draftEnded = {
  title: 'An agent ends a chat with a draft, and the draft is forgotten',
  async play(/** @type {Story} */ story) {
    const { ada } = await onAChat(story);
    await story.step('Ada types half a sentence', () => writes(story, ada));
    await story.step('Ada ends the chat', () =>
      ada.page.getByRole('button', { name: /^End/ }).first().click({ timeout: 20_000 }),
    );
    await story.twilio.becomes('forgotten', async () => !(await kept(ada)).includes('draft'));
    await story.step('Ada completes the task', async () => {
      await ada.completes();
      await story.twilio.becomes('completed', async () => !(await ada.tasks()).length);
    });
    assert.ok(!(await kept(ada)).includes('draft'));
  },
};
