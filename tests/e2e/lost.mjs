// Ways to lose a call in which the usual way back is not enough.

import assert from 'node:assert/strict';
import { endsAsEver, isBack, neverInSilence, talk } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./people.mjs').Customer} Customer */

export const conferenceEnds = {
  title: 'An agent refreshes while the conference still ends with her leg, and the customer is kept',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    await story.step('somebody sets the flag where nobody can undo it: on a leg on hold', async () => {
      const { sid, participants } = await story.twilio.conference(task.taskSid);
      const { callSid } = participants.find((/** @type {any} */ p) => p.joined && p.kind === 'agent');
      await story.twilio.changes(sid, callSid, { EndConferenceOnExit: 'true', Hold: 'true' });
    });
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    const { transcript } = customer.mark();
    const dialog = (async () => {
      await ada.refreshes();
      await ada.dialog().waitFor({ state: 'visible', timeout: 30_000 });
      await ada.shot(story.folder, 'dialog');
    })();
    dialog.catch(() => {}); // reported below, in its order
    await story.step('the conference ends under the customer', () => customer.notes('conference-lost'));
    await story.step('who is told what happened', () =>
      customer.hears(/connection to your agent was interrupted/, { from: transcript }),
    );
    await story.step('the reloaded desktop shows the dialog', () => dialog);
    const { task: again } = await isBack(story, ada, customer, task);
    neverInSilence(customer, transcript);
    assert.equal((await customer.heard()).live, true, 'the customer was never hung up on');
    const { timeline } = customer.mark();
    await story.step('she hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, again, timeline);
  },
};
