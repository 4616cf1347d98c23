// An agent whose phone is not the browser: the end of the page does not affect the call.

import assert from 'node:assert/strict';
import { WORKER } from './people.mjs';
import { NUMBER, Phone, TONE, hears } from './outside.mjs';

/** @typedef {import('./story.mjs').Story} Story */

/** @type {Array<[string, string]>} */
const PHONES = [
  ['An agent at a desk phone refreshes, and nothing happens to the call', NUMBER.deskPhone],
  ['An agent at a SIP phone refreshes, and nothing happens to the call', 'sip:ada@example.com'],
];

export const deskPhones = PHONES.map(([title, contact]) => ({
  title,
  async play(/** @type {Story} */ story) {
    const desk = await new Phone(story, contact).takesCalls({ hz: TONE.third });
    await story.twilio.contact(WORKER.ada, contact);
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    await story.step('Ada accepts in Flex', () => ada.accepts());
    const phone = await story.step("Ada's phone rings", () => desk.person());
    await story.step('they talk', () => hears(customer, [TONE.third]));
    await hears(phone, [TONE.customer]);
    const task = await story.twilio.becomes('accepted', async () =>
      (await ada.tasks()).find(({ status }) => status === 'accepted'),
    );
    const calls = (await story.twilio.state()).calls.length;
    await story.step('Ada refreshes the page', async () => {
      await ada.refreshes();
      await ada.ready();
    });
    await story.step('for three seconds they go on talking', async () => {
      for (const end = Date.now() + 3000; Date.now() < end; ) await hears(customer, [TONE.third]);
    });
    assert.equal(await ada.dialog().count(), 0, 'no dialog');
    assert.deepEqual(
      (await ada.tasks()).map(({ sid, status }) => ({ sid, status })),
      [{ sid: task.sid, status: 'accepted' }],
      'the task is as it was',
    );
    assert.equal((await story.twilio.state()).calls.length, calls, 'no phone was rung for it');
    assert.deepEqual(customer.timeline.said, [], 'the server has no part in this call');
    await story.step('Ada hangs up the desk phone', () => phone.hangUp());
    await story.step('the customer is not left on the line', () =>
      story.twilio.becomes('over', async () => !(await customer.heard()).live),
    );
    await story.step('Ada completes the task', () => ada.completes());
    await story.step('Flex has no task left', () =>
      story.twilio.becomes('no task', async () => (await ada.tasks()).length === 0),
    );
    assert.equal(await ada.dialog().count(), 0, 'no dialog');
  },
}));
