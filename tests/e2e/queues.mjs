// Transfers to a queue: to no agent in particular, and it may take a while until one is available.

import assert from 'node:assert/strict';
import { isBackInPlace } from './in-place.mjs';
import {
  adaTalks,
  BO_HZ,
  completes,
  consult,
  conversation,
  ends,
  flags,
  isBackBeside,
  nobodyIsLost,
} from './transfers.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./transfers.mjs').Cast} Cast */

/** Ada transfers the customer to the second line, where no agent is available. */
async function handsOver(/** @type {Story} */ story, /** @type {'WARM' | 'COLD'} */ mode) {
  const cast = await adaTalks(story);
  const { ada, customer } = cast;
  await story.step('no other agent is available', () => story.twilio.available('bo', 'Unavailable'));
  await story.step('Ada transfers the customer to the second line', () => ada.transfersToQueue(mode));
  await story.step('the customer hears music', () => customer.hears(/hold music/, { from: 0 }));
  return cast;
}

const isThere = (/** @type {Cast} */ { story, bo }) =>
  story.step("Bo is available now, and Bo's phone rings", async () => {
    await story.twilio.available('bo');
    await bo.rings();
  });

/** The customer is where the transfer has put them. */
const isOnHold = (/** @type {Cast} */ { story, task }) =>
  story.step('the customer is on hold, as before', () =>
    story.twilio.becomes('on hold', async () => {
      const { participants } = await story.twilio.conference(task.taskSid);
      return participants.some((/** @type {any} */ p) => p.kind === 'customer' && p.joined && p.hold);
    }),
  );

export const warmToQueue = {
  title: 'Ada hands a customer over to a queue, and refreshes before and after an agent takes the call',
  async play(/** @type {Story} */ story) {
    const cast = await handsOver(story, 'WARM');
    const { ada, bo, customer, task } = cast;
    let from = customer.mark();
    await story.step('Ada refreshes before anybody is there', () => ada.refreshes());
    await isBackInPlace(story, ada, customer, task, {
      from: from.timeline,
      hearsAgent: false,
      hearsCustomer: false,
    });
    await isOnHold(cast);
    await isThere(cast);
    await story.step('Bo accepts', () => bo.accepts());
    await consult(cast);
    await flags(cast, 2);
    from = customer.mark();
    await story.step('Ada refreshes during the consultation', () => ada.refreshes());
    await isBackBeside(cast, ada, from);
    await consult(cast);
    await story.step('Ada takes the customer off hold', () => ada.unholds());
    await conversation(cast);
    from = customer.mark();
    await story.step('Ada leaves the call', () => ada.leaves());
    await completes(story, ada);
    nobodyIsLost(customer, from.timeline);
    await ends(cast, bo);
  },
};

export const coldToQueue = {
  title: 'Ada hands a customer over to a queue without a talk, refreshes, and is not missed',
  async play(/** @type {Story} */ story) {
    const cast = await handsOver(story, 'COLD');
    const { ada, bo, customer } = cast;
    await story.step('Ada refreshes', () => ada.refreshes().then(() => ada.ready()));
    // "Checking your call" is shown until the server has answered that there is none.
    await story.step('there is no dialog for Ada', () =>
      ada.dialog().waitFor({ state: 'hidden', timeout: 20_000 }),
    );
    // Otherwise it would be offered to Ada again.
    await story.step('Ada is not available for more', () => story.twilio.available('ada', 'Unavailable'));
    await completes(story, ada);
    nobodyIsLost(customer);
    await isOnHold(cast);
    await isThere(cast);
    await story.step('Bo accepts', () => bo.accepts());
    await story.step('both hear each other', async () => {
      await customer.measures('Bo', BO_HZ, 20);
      await bo.hearsCustomer();
    });
    nobodyIsLost(customer);
    await flags(cast, 1);
    await story.step("Bo's call is protected", () => bo.isProtected());
    const from = customer.mark();
    await story.step('Bo refreshes the page', () => bo.refreshes());
    const ended = await story.step('Bo is back in place', () =>
      customer.notes('ended', { from: from.timeline }),
    );
    assert.equal(ended.note.outcome, 'rejoined');
    await bo.dialog().waitFor({ state: 'hidden', timeout: 20_000 });
    await story.step('both hear each other again', async () => {
      await customer.measures('Bo', BO_HZ, 20);
      await bo.hearsCustomer();
    });
    await ends(cast, bo);
  },
};
