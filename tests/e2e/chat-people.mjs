// Customers who write, and what an agent does in a chat.

import assert from 'node:assert/strict';
import { json, post } from './people.mjs';

/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./story.mjs').Story} Story */

/** A customer at a chat of the twin's. */
export class Writer {
  /** @returns {Promise<Writer>} */
  static async begins(
    /** @type {Story} */ story,
    /** @type {string} */ body,
    /** @type {object} */ more = {},
  ) {
    const { twinUrl } = story.demo;
    const { conversation } = await post(`${twinUrl}/__twin/chats`, { body, ...more });
    return new Writer(story, conversation);
  }

  constructor(/** @type {Story} */ story, /** @type {string} */ conversation) {
    this.story = story;
    this.conversation = conversation;
    this.url = `${story.demo.twinUrl}/__twin/chats/${conversation}`;
  }

  writes = (/** @type {string} */ body) => post(`${this.url}/messages`, { body });

  /** @returns {Promise<{status: string, attended: boolean, messages: Array<{from: string, body: string, at: string, attributes: string}>}>} */
  sees = () => json(this.url);

  /** Everything that was said, by whom. @returns {Promise<string[]>} */
  transcript = async () => (await this.sees()).messages.map(({ from, body }) => `${from}: ${body}`);

  /** What the system has told the customer. */
  told = async () => (await this.sees()).messages.filter(({ from }) => !['customer', 'agent'].includes(from));

  /** Waits until the last message is this one. */
  reads = (/** @type {string} */ body, within = 20_000) =>
    this.story.twilio.becomes(
      `the customer reads "${body}"`,
      async () => (await this.sees()).messages.at(-1)?.body === body,
      within,
    );

  /** A reply of an agent's message that is lost with its socket, or sockets through which nothing comes. */
  faults = (/** @type {{lostReplies?: number, silent?: string[]}} */ wanted) =>
    post(`${this.story.demo.twinUrl}/__twin/chats/faults`, wanted);
}

/** Waits until the server says this of the conversation, as it shows it to operators. */
export const stands = (
  /** @type {Story} */ story,
  /** @type {Writer} */ { conversation },
  /** @type {string} */ attendance,
  within = 20_000,
) =>
  story.twilio.becomes(
    `it is ${attendance}`,
    async () => {
      const { serverUrl, auth } = story.demo;
      const headers = { authorization: `Bearer ${auth.REJOIN_OPERATOR_TOKEN}` };
      const all = /** @type {any[]} */ (await json(`${serverUrl}/operator/conversations`, { headers }));
      return all.find((it) => it.conversation === conversation)?.attendance === attendance;
    },
    within,
  );

/** The customer at the chat page of the demo, as on a phone, in a browser of their own. */
export async function atThePage(/** @type {Story} */ story, /** @type {object} */ options = {}) {
  const browser = await story.browsers.any();
  const viewport = { width: 390, height: 844 };
  const context = await browser.newContext({ viewport, ...options });
  story.leaving.push(() => context.close());
  const page = await context.newPage();
  await page.goto(`${story.demo.pageUrl}chat`);
  return page;
}

/** Flex's own input of the conversation that is shown. */
export const input = (/** @type {Agent} */ { page }) =>
  page
    .locator(
      '.Twilio-MessageInputV2 textarea, [data-testid="message-input-textarea"], .Twilio-MessageInput textarea, [contenteditable=true]',
    )
    .first();

/** Accepts the chat that is offered, with Flex's own button, and sees what the customer wrote. */
export async function takes(/** @type {Agent} */ agent, /** @type {string} */ body) {
  await agent.acceptButton().click({ timeout: 20_000 });
  await agent.page.getByText(body).first().waitFor({ timeout: 30_000 });
}

/** Types without sending. */
export async function types(/** @type {Agent} */ agent, /** @type {string} */ text) {
  await input(agent).click();
  await agent.page.keyboard.type(text, { delay: 5 });
}

/** Sends what is typed. */
export const sends = (/** @type {Agent} */ { page }) => page.keyboard.press('Enter');

/** A customer writes, and an agent answers. */
export async function onAChat(/** @type {Story} */ story) {
  const ada = await story.step('Ada is available', () => story.agent('ada'));
  const customer = await story.step('a customer begins a chat', () => Writer.begins(story, 'Hello?'));
  await story.step('Ada takes it', () => takes(ada, 'Hello?'));
  await story.step('Ada answers, and the customer reads it', async () => {
    await types(ada, 'How can I help?');
    await sends(ada);
    await customer.reads('How can I help?');
  });
  assert.deepEqual(await customer.transcript(), ['customer: Hello?', 'agent: How can I help?']);
  return { ada, customer };
}
