// Outbound calls are recovered like inbound ones.

import assert from 'node:assert/strict';
import { isBackInPlace } from './in-place.mjs';
import { NUMBER, Phone, invoke } from './outside.mjs';
import { endsAsEver, isBack, isTold, neverInSilence, staysOpen } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./people.mjs').Customer} Customer */

/** With Flex's dial pad, as soon as Flex would let an agent do so. */
async function placesCall(/** @type {Story} */ story, /** @type {Agent} */ agent) {
  await story.step('Flex has found the microphone', () => agent.microphoneFound());
  await story.step('the agent dials a number', () =>
    invoke(agent, 'StartOutboundCall', { destination: NUMBER.customer }),
  );
}

/** The agent dials, as with Flex's dial pad: the agent's leg comes first, then the customer's phone rings. */
export async function dials(/** @type {Story} */ story, /** @type {Agent} */ agent, answers = 'answers') {
  const phone = await new Phone(story, NUMBER.customer).takesCalls({ answers: /** @type {any} */ (answers) });
  await placesCall(story, agent);
  const customer = await story.step('its phone rings', () => phone.person());
  return { phone, customer };
}

/** Both are on the outbound call, with our callback and flags attached. */
async function areConnected(
  /** @type {Story} */ story,
  /** @type {Agent} */ agent,
  /** @type {Customer} */ customer,
) {
  await story.step('both are on the call, and the server knows', () => customer.notes('connected'));
  await story.step('audio runs both ways', async () => {
    await customer.hearsAgent();
    await agent.hearsCustomer();
  });
  const task = (await agent.tasks()).find(({ status }) => status === 'accepted');
  assert.equal(task.attributes.direction, 'outbound');
  assert.equal(task.attributes.outbound_to, NUMBER.customer);
  assert.equal(task.attributes.call_sid, undefined, 'there is no inbound call');
  assert.equal(task.attributes.conference.participants.customer, customer.call);
  await story.step("the agent's exit would not end the call", () => staysOpen(story, task.taskSid));
  return task;
}

async function onACallOfHers(/** @type {Story} */ story) {
  const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
  const { customer } = await dials(story, ada);
  return { ada, customer, task: await areConnected(story, ada, customer) };
}

export const outboundRefresh = {
  title: 'An agent refreshes during an outbound call and is back in place',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACallOfHers(story);
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await story.step('and sees the dialog', () => ada.sawDialog());
    await isBackInPlace(story, ada, customer, task);
    const { timeline } = customer.mark();
    await story.step('Ada hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, task, timeline);
  },
};

export const outboundLegLost = {
  title: 'The leg of a call that an agent placed is lost, and the call comes back through the queue',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACallOfHers(story);
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    const { transcript } = customer.mark();
    const told = isTold(story, customer, transcript);
    told.catch(() => {}); // awaited below
    await story.step('Ada refreshes the page, and the leg is gone', () => ada.refreshes());
    await told;
    await ada.ready();
    const { task: again } = await isBack(story, ada, customer, task);
    neverInSilence(customer, transcript);
    assert.equal(
      again.attributes.outbound_to,
      NUMBER.customer,
      'the number that the agent called is still known',
    );
    assert.equal(again.attributes.name, NUMBER.customer, "and Flex shows it, not the company's own number");
    await story.shot(ada, 'back');
    const tasks = await story.twilio.tasks();
    const workflow = (/** @type {string} */ sid) =>
      tasks.find((/** @type {any} */ t) => t.sid === sid).workflow;
    assert.equal(workflow(task.taskSid), 'Outbound', 'whose workflow matches no agent');
    assert.equal(workflow(again.taskSid), 'Assign to Anyone');
    const { timeline } = customer.mark();
    await story.step('the customer hangs up', () => customer.hangUp());
    await endsAsEver(story, ada, customer, again, timeline);
  },
};

export const outboundAgentHangsUp = {
  title: 'An agent hangs up an outbound call',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACallOfHers(story);
    await story.step('Ada hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, task);
  },
};

export const outboundCustomerHangsUp = {
  title: 'The customer of a call that an agent placed hangs up',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACallOfHers(story);
    await story.step('the customer hangs up', () => customer.hangUp());
    await endsAsEver(story, ada, customer, task);
  },
};

/** There is nothing to recover of a call that never began. */
async function nothingIsLeft(
  /** @type {Story} */ story,
  /** @type {Agent} */ agent,
  /** @type {Phone} */ phone,
) {
  await story.step('Flex has no task left', () =>
    story.twilio.becomes('no task', async () => (await agent.tasks()).length === 0, 10_000),
  );
  assert.equal(await agent.dialog().count(), 0, 'no dialog');
  const tasks = await story.twilio.tasks();
  const attempts = tasks.filter((/** @type {any} */ t) => t.attributes.outbound_to === phone.number);
  const { sid, status } = attempts[attempts.length - 1];
  assert.equal(status, 'canceled', 'nobody answered');
  const others = tasks.filter((/** @type {any} */ t) => t.attributes.disconnectedTaskSid === sid);
  assert.deepEqual(others, [], 'no ping and no reconnect task');
}

export const outboundBusy = {
  title: 'An agent calls a number that is engaged',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const phone = await new Phone(story, NUMBER.customer).takesCalls({ answers: 'busy' });
    await placesCall(story, ada);
    await story.step('Flex says so', () => ada.page.getByText(/busy/i).first().waitFor({ timeout: 20_000 }));
    await nothingIsLeft(story, ada, phone);
  },
};

export const outboundRinging = {
  title: 'An agent refreshes while an outbound call still rings',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const { phone } = await dials(story, ada, 'rings');
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await story.step('the phone stops ringing', () =>
      story.twilio.becomes('quiet', async () => !(await phone.talk())),
    );
    await ada.ready();
    await nothingIsLeft(story, ada, phone);
    const { customer } = await story.step('Ada dials again', () => dials(story, ada));
    await areConnected(story, ada, customer);
  },
};

export const outboundCrashRinging = {
  title: 'A page crashes while an outbound call rings, and the agent is back on the answered call',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const { phone, customer } = await dials(story, ada, 'rings');
    await story.step('the renderer crashes', () => ada.crashes());
    await story.step('the customer answers', () => phone.answers());
    await story.step('Ada opens Flex again', async () => {
      await ada.page.close();
      await ada.opens();
    });
    const task = await story.step('Ada has the call', () =>
      story.twilio.becomes('accepted', async () =>
        (await ada.tasks()).find(({ status }) => status === 'accepted'),
      ),
    );
    await isBackInPlace(story, ada, customer, task);
  },
};

export const outboundCrashForGood = {
  title: 'The page crashes while the called phone rings, and another agent gets the customer who answers',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const bo = await story.step('Bo signs in to Flex', () => story.agent('bo'));
    const { phone, customer } = await dials(story, ada, 'rings');
    await story.twilio.assume({ deadLegAfterMs: 15_000 });
    await story.step('the renderer crashes', () => ada.crashes());
    await ada.page.close();
    await story.step('the customer answers', () => phone.answers());
    await story.step('hears soon what is going on', () => customer.hears(/announcement/, { within: 40_000 }));
    await story.step("Bo's phone rings", () => bo.rings());
    await story.step('Bo accepts', () => bo.accepts());
    const ended = await story.step('Bo has the customer', () => customer.notes('ended'));
    assert.equal(ended.note.outcome, 'handed-over');
    await story.step('audio runs both ways', async () => {
      await customer.hearsAgent();
      await bo.hearsCustomer();
    });
  },
};
