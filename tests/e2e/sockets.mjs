// Flex's own sockets to Twilio are lost during a call, and reconnect.

import assert from 'node:assert/strict';
import { endsAsEver, nothingHappens, onACall } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */

async function isCutOff(/** @type {Story} */ story) {
  await story.step('Flex loses TaskRouter, Sync and the phone', () => story.twilio.cutsOff('ada'));
  await story.step('TaskRouter has no desktop of Ada', () =>
    story.twilio.becomes('cut off', async () => (await story.twilio.worker('ada')).sockets === 0),
  );
}

async function isThereAgain(/** @type {Story} */ story, /** @type {Agent} */ ada) {
  await story.step('Flex may connect again', () => story.twilio.letsThrough('ada'));
  await story.step('and does', () =>
    story.twilio.becomes('connected', async () => (await story.twilio.worker('ada')).sockets > 0, 60_000),
  );
  await story.step("Ada's phone, too", () => ada.phoneRegistered());
}

export const lostAndBack = {
  title: 'Flex loses its own sockets during a call and gets them back, and nothing happens to the call',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const from = customer.mark().timeline;
    await isCutOff(story);
    await nothingHappens(story, customer, from);
    assert.equal(await ada.dialog().count(), 0, 'no dialog');
    await isThereAgain(story, ada);
    await nothingHappens(story, customer, from);
    assert.equal(await ada.dialog().count(), 0, 'no dialog');
    const tasks = await ada.tasks();
    assert.deepEqual(
      tasks.map(({ sid, status }) => ({ sid, status })),
      [{ sid: task.sid, status: 'accepted' }],
    );
    await story.step('Ada hears the customer', () => ada.hearsCustomer());
    await story.step('Ada hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, task, from);
  },
};

export const hungUpMeanwhile = {
  title: 'The customer hangs up while Flex has lost its own sockets',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const from = customer.mark().timeline;
    await isCutOff(story);
    await story.step('the customer hangs up', () => customer.hangUp());
    await story.step('the server knows', () => customer.notes('call-ended'));
    await isThereAgain(story, ada);
    await endsAsEver(story, ada, customer, task, from);
  },
};
