// An agent's machine has no network for a while: its connections are half-open, and nobody is told. Or its network is slow.

import assert from 'node:assert/strict';
import { cutNetwork } from './browsers.mjs';
import { isBackInPlace } from './in-place.mjs';
import { isToldOfSilence, stands } from './silence.mjs';
import { EDGE_OF_THE_CELL } from './slow-network.mjs';
import { endsAsEver, isBack, neverInSilence, nothingHappens, onACall } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */

/** @template T @param {Story} story @param {Agent} agent @param {() => Promise<T>} meanwhile */
async function withoutNetwork(story, agent, meanwhile) {
  const connect = await story.step('the network is gone', async () => cutNetwork(agent.context));
  try {
    return await meanwhile();
  } finally {
    connect();
  }
}

/** The customer is back with the agent through the queue, and the call ends as any other. */
async function isBackAndHangsUp(
  /** @type {Story} */ story,
  /** @type {Agent} */ ada,
  /** @type {import('./people.mjs').Customer} */ customer,
  /** @type {any} */ task,
) {
  const { task: again } = await isBack(story, ada, customer, task);
  const { timeline } = customer.mark();
  await story.step('Ada hangs up', () => ada.hangsUp());
  await endsAsEver(story, ada, customer, again, timeline);
}

const pushIs = (/** @type {Agent} */ agent, /** @type {boolean} */ up) =>
  agent.page.waitForFunction(`Rejoin.status().pushUp === ${up}`, null, { timeout: 20_000 });

export const backBeforeTwilioNotices = {
  title: "An agent's network is gone for a moment, and the talk goes on",
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const { timeline } = customer.mark();
    await withoutNetwork(story, ada, () => story.step('the page notices', () => pushIs(ada, false)));
    await story.step('the network is back, and the page hears the server', () => pushIs(ada, true));
    await story.step('the customer hears the agent', () => customer.hearsAgent());
    await story.step('and the agent the customer', () => ada.hearsCustomer());
    await nothingHappens(story, customer, timeline);
    assert.equal(await ada.dialog().count(), 0, 'no dialog');
    await story.step('Ada hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, task, timeline);
  },
};

/** The server's pings go unanswered. The operating system still acknowledges them, as a proxy does for a machine that is away. */
export const toldBeforeTwilioNotices = {
  title:
    "An agent's network is gone, the customer is told before Twilio notices, and the talk goes on when it is back",
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    await withoutNetwork(story, ada, async () => {
      await isToldOfSilence(story, customer);
      await stands(story, task);
    });
    await story.step('the network is back, and the page hears the server', () => pushIs(ada, true));
    await story.step('the customer hears the agent', () => customer.hearsAgent());
    await story.step('and the agent the customer', () => ada.hearsCustomer());
    const { timeline } = customer.mark();
    await story.step('Ada hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, task, timeline);
  },
};

export const backAfterTheLegHasFallen = {
  title: "An agent's network is gone until Twilio ends the leg, and the same page is back on the call",
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    await withoutNetwork(story, ada, async () => {
      await isToldOfSilence(story, customer);
      await story.step('the leg falls', () => customer.notes('agent-lost', { within: 40_000 }));
    });
    await isBackAndHangsUp(story, ada, customer, task);
  },
};

/** What the browser had still to send when the tab was closed goes out with the network: the mark, and the end of the call. */
export const transfersWithoutNetwork = {
  title: 'An agent without a network asks for a transfer, closes the tab, and the customer is back with them',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    await withoutNetwork(story, ada, async () => {
      await story.step('Ada transfers the customer, and Twilio does not hear of it', () => {
        ada.transfersToQueue('COLD').catch(() => {}); // the tab is closed
        return ada.page.waitForFunction('Object.values(localStorage).join().includes("cold-transfer")');
      });
      await story.step('Ada closes the tab', () => ada.closesTab());
    });
    await story.step('the network is back, and Ada opens Flex', () => ada.opens());
    await isBackAndHangsUp(story, ada, customer, task);
  },
};

export const slowAndWaitedFor = {
  title:
    'An agent on a slow network refreshes the page, and is back in place if the server waits as long as Flex takes',
  settings: { REJOIN_PING_TTL_MS: '40000' },
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story, { slowness: EDGE_OF_THE_CELL });
    const { transcript } = customer.mark();
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await isBackInPlace(story, ada, customer, task);
    neverInSilence(customer, transcript);
    const { timeline } = customer.mark();
    await story.step('Ada hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, task, timeline);
  },
};

/** Nobody else takes the customer: TaskRouter offers them to the agent whom they were with, like to any other. */
export const slowAndTooLate = {
  title:
    'An agent on a slow network refreshes the page, is back too late, and takes the customer from the queue',
  settings: { REJOIN_PING_TTL_MS: '10000' },
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story, { slowness: EDGE_OF_THE_CELL });
    const { transcript } = customer.mark();
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await story.step('Flex is not up in time', () => customer.notes('agent-not-back'));
    await story.step('the page is up, and the phone rings', () => ada.rings());
    await story.step('Ada accepts', () => ada.accepts());
    const told = ada.page.getByText('You lost the connection to this customer before.');
    await story.step('and is told who it is', () => told.waitFor({ timeout: 20_000 }));
    const { note } = await story.step('Ada has the customer', () => customer.notes('ended'));
    assert.equal(note.outcome, 'rejoined');
    const [taken] = (await ada.tasks()).filter((other) => other.status === 'accepted');
    assert.equal(taken.attributes.disconnectedTaskSid, task.taskSid);
    await story.step('audio runs both ways', async () => {
      await customer.hearsAgent();
      await ada.hearsCustomer();
    });
    neverInSilence(customer, transcript);
    const { timeline } = customer.mark();
    await story.step('Ada hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, taken, timeline);
  },
};
