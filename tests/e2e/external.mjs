// A third party on the call: added by Flex itself, or by REST as an account's own plugin does.

import assert from 'node:assert/strict';
import { isBackInPlace } from './in-place.mjs';
import { NUMBER, Phone, TONE, agentHears, hears, invoke } from './outside.mjs';
import { endsAsEver, isBack, isTold, talk } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./people.mjs').Customer} Customer */

const { agent: AGENT, customer: CUSTOMER, third: THIRD } = TONE;

async function onACall(/** @type {Story} */ story) {
  await story.twilio.features(['external-warm-transfers']);
  const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
  const customer = await story.step('a customer calls', () => story.customer());
  const task = await talk(story, ada, customer);
  return { ada, customer, task };
}

const joined = async (/** @type {Story} */ story, /** @type {string} */ taskSid) =>
  (await story.twilio.conference(taskSid)).participants.filter((/** @type {any} */ p) => p.joined);

/** The participant that this person is in the task's conference. */
const partOf = async (
  /** @type {Story} */ story,
  /** @type {string} */ taskSid,
  /** @type {Customer} */ person,
) => (await joined(story, taskSid)).find((/** @type {any} */ p) => p.callSid === person.call);

const areThree = (/** @type {Story} */ story, /** @type {string} */ taskSid) =>
  story.twilio.becomes('three on the call', async () => (await joined(story, taskSid)).length === 3, 15_000);

/** With the dial pad of Flex's own transfer panel. */
async function adds(/** @type {Story} */ story, /** @type {Agent} */ agent, /** @type {any} */ task) {
  const phone = await new Phone(story, NUMBER.third).takesCalls({ hz: THIRD });
  const done = invoke(agent, 'StartExternalWarmTransfer', {
    reservation: task.sid,
    phoneNumber: NUMBER.third,
    callerId: '+15550001111',
  });
  const third = await story.step('Ada adds a third party to the call', () => phone.person());
  await done;
  await areThree(story, task.taskSid);
  await story.step('everybody hears everybody', () => allHear(agent, third));
  return third;
}

async function allHear(
  /** @type {Agent} */ agent,
  /** @type {Customer} */ third,
  /** @type {Customer | undefined} */ customer = undefined,
) {
  await hears(third, [AGENT, CUSTOMER], [THIRD]);
  if (customer) await hears(customer, [AGENT, THIRD], [CUSTOMER]);
  await agentHears(agent, [CUSTOMER, THIRD]);
}

/** What Flex knows of who is on the call. @returns {Promise<Array<{type: string, sid: string, call: string, hold: boolean}>>} */
const participantsIn = (/** @type {Agent} */ agent, /** @type {string} */ reservation) =>
  agent.page.evaluate((sid) => {
    const { Flex } = /** @type {any} */ (window).Twilio;
    const { participants } = Flex.TaskHelper.getTaskByTaskSid(sid).conference;
    return participants
      .filter((/** @type {any} */ p) => p.status === 'joined')
      .map((/** @type {any} */ p) => ({
        type: p.participantType,
        sid: p.participantSid,
        call: p.callSid,
        hold: p.onHold,
      }));
  }, reservation);

/** Flex's own hold button, beside the name of this person. */
async function holds(
  /** @type {Story} */ story,
  /** @type {Agent} */ agent,
  /** @type {any} */ task,
  /** @type {Customer} */ person,
  hold = true,
) {
  const { sid: targetSid } = await story.twilio.becomes('Flex knows who it is', async () =>
    (await participantsIn(agent, task.sid)).find(({ call }) => call === person.call),
  );
  await invoke(agent, hold ? 'HoldParticipant' : 'UnholdParticipant', { reservation: task.sid, targetSid });
  await story.twilio.becomes(
    hold ? 'on hold' : 'off hold',
    async () => (await partOf(story, task.taskSid, person)).hold === hold,
  );
}

export const externalRefresh = {
  title: 'An agent refreshes in a call with a third party and is back in place with all',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const third = await adds(story, ada, task);
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await isBackInPlace(story, ada, customer, task, { hearsAgent: false, hearsCustomer: false });
    await story.step('everybody hears everybody', () => allHear(ada, third, customer));
    const { endConferenceOnExit } = await partOf(story, task.taskSid, third);
    assert.equal(endConferenceOnExit, false);
  },
};

export const externalHeldRefresh = {
  title: 'A muted agent with a third party on hold refreshes, and both are as they were',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const third = await adds(story, ada, task);
    await story.step('Ada puts the third party on hold', () => holds(story, ada, task, third));
    await story.step('it hears music', () => third.hears(/hold music/, { from: 0 }));
    await story.step('Ada mutes the microphone', () => ada.mutes());
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await isBackInPlace(story, ada, customer, task, { hearsAgent: false, hearsCustomer: true });
    await story.step('Ada is muted again', () => story.twilio.becomes('muted', () => ada.isMuted()));
    assert.equal((await partOf(story, task.taskSid, third)).hold, true, 'the third party is still on hold');
    await story.step('Ada unmutes, and takes the third party off hold', async () => {
      await ada.mutes();
      await holds(story, ada, task, third, false);
    });
    await story.step('everybody hears everybody', () => allHear(ada, third, customer));
  },
};

export const externalLegLost = {
  title: 'The leg is lost with a third party on hold, and all come together again in another conference',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const third = await adds(story, ada, task);
    await story.step('Ada puts the third party on hold', () => holds(story, ada, task, third));
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    const { transcript } = customer.mark();
    await story.step('Ada refreshes the page, and the leg is gone', () => ada.refreshes());
    await isTold(story, customer, transcript);
    await ada.ready();
    const { task: again } = await isBack(story, ada, customer, task);
    await story.step('the third party follows', () => areThree(story, again.taskSid));
    await story.step('and is on hold again', () =>
      story.twilio.becomes('on hold', async () => (await partOf(story, again.taskSid, third)).hold),
    );
    await story.step('Ada takes it off hold', () => holds(story, ada, again, third, false));
    await story.step('everybody hears everybody', () => allHear(ada, third, customer));
    assert.equal((await story.twilio.conference(task.taskSid)).status, 'completed', 'no leg is left behind');
  },
};

export const externalHandedOver = {
  title: 'The tab is closed with a third party on the call, and both go to another agent',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const third = await adds(story, ada, task);
    const bo = await story.step('Bo signs in to Flex', () => story.agent('bo'));
    await story.step('Ada closes the tab', () => ada.closesTab());
    await story.step('the agent is not back in time', () => customer.notes('agent-not-back'));
    await story.step('Bo accepts', () => bo.accepts());
    const ended = await story.step('Bo has the customer', () => customer.notes('ended'));
    assert.equal(ended.note.outcome, 'handed-over');
    const [taken] = (await bo.tasks()).filter(({ status }) => status === 'accepted');
    await story.step('the third party follows', () => areThree(story, taken.taskSid));
    await story.step('everybody hears everybody', () => allHear(bo, third, customer));
  },
};

export const externalTransfer = {
  title: 'An agent leaves customer and third party to each other',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const third = await adds(story, ada, task);
    await story.step('Ada leaves the call', () => invoke(ada, 'HangupCall', { reservation: task.sid }));
    await story.step("Ada's reservation waits to be wrapped up", () =>
      story.twilio.becomes(
        'wrapping',
        async () => (await story.twilio.reservation(task.sid))?.status === 'wrapping',
      ),
    );
    await story.step('the server knows that it was on purpose', () => customer.notes('agent-left'));
    await story.step('the two hear each other', async () => {
      await hears(customer, [THIRD], [AGENT]);
      await hears(third, [CUSTOMER], [AGENT]);
    });
    await story.step('Ada refreshes, and the call no longer concerns the page', async () => {
      await ada.refreshes();
      await ada.ready();
    });
    assert.equal(await ada.dialog().count(), 0, 'no dialog');
    await story.step('for three seconds more they hear each other', async () => {
      for (const end = Date.now() + 3000; Date.now() < end; ) await hears(customer, [THIRD]);
    });
    assert.deepEqual(
      customer.transcript.said.filter(({ heard }) => /announcement: The connection/.test(heard ?? '')),
      [],
      'the customer hears no announcement',
    );
    await story.step('the third party hangs up', () => third.hangUp());
    await endsAsEver(story, ada, customer, task);
  },
};

export const externalKicked = {
  title: 'An agent removes a third party, and the call goes on and ends as usual',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const third = await adds(story, ada, task);
    const { sid: targetSid } =
      (await participantsIn(ada, task.sid)).find(({ call }) => call === third.call) ?? {};
    await story.step('Ada removes the third party', () =>
      invoke(ada, 'KickParticipant', { reservation: task.sid, targetSid }),
    );
    await story.step('whose call is over', () =>
      story.twilio.becomes('over', async () => !(await third.heard()).live),
    );
    await story.step('both hear each other', async () => {
      await hears(customer, [AGENT], [THIRD]);
      await ada.hearsCustomer();
    });
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await isBackInPlace(story, ada, customer, task);
    const { timeline } = customer.mark();
    await story.step('Ada ends the call', () => invoke(ada, 'HangupCall', { reservation: task.sid }));
    await endsAsEver(story, ada, customer, task, timeline);
  },
};

export const endedForAll = {
  title: 'An agent ends a call with a third party for everybody',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const third = await adds(story, ada, task);
    await story.step('Ada ends it for all', () =>
      invoke(ada, 'EndConferenceForAll', { reservation: task.sid }),
    );
    await story.step('the third party is not left on the line', () =>
      story.twilio.becomes('over', async () => !(await third.heard()).live),
    );
    await endsAsEver(story, ada, customer, task);
  },
};

export const addedByRest = {
  title: 'Somebody whom another plugin added by REST follows with label and flags',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    const phone = await new Phone(story, NUMBER.third).takesCalls({ hz: THIRD });
    const { sid } = await story.twilio.conference(task.taskSid);
    await story.step('another plugin adds a third party, muted', () =>
      story.twilio.addsParticipant(sid, {
        From: '+15550001111',
        To: NUMBER.third,
        Label: 'interpreter',
        Muted: 'true',
        EndConferenceOnExit: 'true',
      }),
    );
    const third = await phone.person();
    await areThree(story, task.taskSid);
    await story.step('who hears both', () => hears(third, [AGENT, CUSTOMER]));
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    await story.step('Ada refreshes the page, and the leg is gone', () => ada.refreshes());
    await ada.ready();
    const { task: again } = await isBack(story, ada, customer, task);
    await story.step('the third party follows', () => areThree(story, again.taskSid));
    const { label, muted, endConferenceOnExit } = await partOf(story, again.taskSid, third);
    assert.deepEqual(
      { label, muted, endConferenceOnExit },
      { label: 'interpreter', muted: true, endConferenceOnExit: true },
    );
    await story.step('and hears both again', () => hears(third, [AGENT, CUSTOMER]));
  },
};
