// The agent had put the customer on hold before the page went: the hold is restored when the agent is back.

import assert from 'node:assert/strict';
import { AUDIBLE } from './people.mjs';
import { isTold, onACall } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./people.mjs').Customer} Customer */

async function onHold(/** @type {Story} */ story) {
  const { ada, customer, task } = await onACall(story);
  const { transcript: from } = customer.mark();
  await story.step('Ada puts the customer on hold', () => ada.holds());
  await story.step('the customer hears music', () => customer.hears(/hold music/, { from }));
  return { ada, customer, task };
}

/** Gives back which task is the customer's now. */
async function isBackAndCustomerHeld(
  /** @type {Story} */ story,
  /** @type {Agent} */ ada,
  /** @type {Customer} */ customer,
) {
  const ended = await story.step('Ada is back, without a click', () => customer.notes('ended'));
  assert.equal(ended.note.outcome, 'rejoined');
  const [{ taskSid }] = (await ada.tasks()).filter(({ status }) => status === 'accepted');
  await story.step('the customer is on hold again', () =>
    story.twilio.becomes('on hold', async () => {
      const { participants } = await story.twilio.conference(taskSid);
      return participants.some((/** @type {any} */ p) => p.kind === 'customer' && p.joined && p.hold);
    }),
  );
  await story.step('and Ada sees that', () =>
    story.twilio.becomes('shown on hold', () => ada.showsOnHold(taskSid)),
  );
  await story.step('the dialog goes', () => ada.dialog().waitFor({ state: 'hidden', timeout: 20_000 }));
  await ada.shot(story.folder, 'on-hold-again');
  assert.equal((await customer.heard()).live, true, 'the customer is still on the line');
  return taskSid;
}

async function endsHold(
  /** @type {Story} */ story,
  /** @type {Agent} */ ada,
  /** @type {Customer} */ customer,
) {
  await story.step('Ada takes the customer off hold', () => ada.unholds());
  await story.step('both hear each other', async () => {
    await customer.hearsAgent();
    await ada.hearsCustomer();
  });
}

/** What the customer has heard of the agent since. */
const heardOfAgent = (/** @type {Customer} */ customer, /** @type {number} */ from) =>
  customer.transcript.said.slice(from).filter(({ heard }) => /^agent/i.test(heard ?? ''));

export const heldInPlace = {
  title: 'A customer on hold hears the announcement, and the agent back in place only after the hold',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onHold(story);
    const { transcript } = customer.mark();
    await story.step('Ada leaves the page', () => ada.goesElsewhere());
    await isTold(story, customer, transcript);
    await story.step('Ada comes back', () => ada.comesBack());
    assert.equal(await isBackAndCustomerHeld(story, ada, customer), task.taskSid, 'it is the same task');
    await story.step('the customer hears something for two seconds more', async () => {
      for (const end = Date.now() + 2000; Date.now() < end; )
        assert.ok((await customer.heard()).rms > AUDIBLE);
    });
    assert.deepEqual(heardOfAgent(customer, transcript), [], 'and has not heard the agent');
    await endsHold(story, ada, customer);
  },
};

export const heldThroughQueue = {
  title: 'A customer on hold comes back through the queue and is on hold again',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onHold(story);
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    const { transcript } = customer.mark();
    const told = isTold(story, customer, transcript);
    told.catch(() => {}); // awaited below
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await told;
    await ada.ready();
    assert.notEqual(await isBackAndCustomerHeld(story, ada, customer), task.taskSid, 'it is a new task');
    await endsHold(story, ada, customer);
  },
};
