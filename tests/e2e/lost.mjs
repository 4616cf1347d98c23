// Losses for which the usual recovery is not enough.

import assert from 'node:assert/strict';
import { endsAsEver, isBack, neverInSilence, talk } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./people.mjs').Customer} Customer */

export const conferenceEnds = {
  title: 'An agent refreshes while the exit flag is still on the leg, and the customer is kept',
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
    dialog.catch(() => {}); // awaited below
    await story.step('the conference ends under the customer', () => customer.notes('conference-lost'));
    await story.step('who is told what happened', () =>
      customer.hears(/connection to your agent was interrupted/, { from: transcript }),
    );
    await story.step('the reloaded desktop shows the dialog', () => dialog);
    const { task: again } = await isBack(story, ada, customer, task);
    neverInSilence(customer, transcript);
    assert.equal((await customer.heard()).live, true, 'the customer was never hung up on');
    const { timeline } = customer.mark();
    await story.step('Ada hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, again, timeline);
  },
};

/** Another agent takes the call that rings, and has the customer. */
async function takesOver(
  /** @type {Story} */ story,
  /** @type {Agent} */ bo,
  /** @type {Customer} */ customer,
  from = 0,
) {
  await story.step("Bo's phone rings", () => bo.rings());
  await story.step('Bo accepts', () => bo.accepts());
  const ended = await story.step('and has the customer', () => customer.notes('ended', { from }));
  assert.equal(ended.note.outcome, 'handed-over');
  await story.step('audio runs both ways', async () => {
    await customer.hearsAgent();
    await bo.hearsCustomer();
  });
}

export const againAndAgain = {
  title: 'An agent refreshes for the fourth time within minutes, and another agent gets the call',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    await talk(story, ada, customer);
    for (const time of ['first', 'second', 'third']) {
      const { timeline } = customer.mark();
      await story.step(`Ada refreshes for the ${time} time and is back`, async () => {
        await ada.refreshes();
        const { note } = await customer.notes('ended', { from: timeline, within: 40_000 });
        assert.equal(note.outcome, 'rejoined');
        await ada.ready();
        await ada.dialog().waitFor({ state: 'hidden', timeout: 20_000 });
      });
    }
    const bo = await story.step('Bo signs in to Flex', () => story.agent('bo'));
    const { timeline, transcript } = customer.mark();
    await story.step('Ada refreshes once more', () => ada.refreshes());
    const sent = await story.step('the customer is sent to the queue', () =>
      customer.notes('requeueing', { from: timeline }),
    );
    assert.equal(sent.note.same_agent, false, 'for any agent');
    await story.step("Ada's dialog says why", () =>
      ada.dialog().getByText('interrupted several times').waitFor({ timeout: 30_000 }),
    );
    await story.shot(ada, 'too-often');
    await takesOver(story, bo, customer, timeline);
    neverInSilence(customer, transcript);
    await story.step('and so does the dialog of the agent who has the call', () =>
      ada.dialog().getByText('has taken over').waitFor({ timeout: 20_000 }),
    );
    await story.shot(ada, 'taken-over');
  },
};

export const backAndGone = {
  title: 'An agent is back and gone again before the call is there, and another agent gets it',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    await talk(story, ada, customer);
    const bo = await story.step('Bo signs in to Flex', () => story.agent('bo'));
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    const { timeline, transcript } = customer.mark();
    await story.step("Ada's microphone is kept from the next page", () => ada.context.clearPermissions());
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await story.step('the server knows that Ada is back', () =>
      customer.notes('agent-back', { from: timeline }),
    );
    const sent = await story.step('the customer waits for Ada in the queue', () =>
      customer.notes('queued', { from: timeline }),
    );
    await story.step('Ada closes the tab', () => ada.closesTab());
    const given = await story.step('the wait for Ada is bounded', () =>
      customer.notes('agent-not-back', { from: timeline, within: 40_000 }),
    );
    assert.ok(given.at - sent.at < 30_000, `after ${given.at - sent.at} ms`);
    await takesOver(story, bo, customer, timeline);
    neverInSilence(customer, transcript);
  },
};
