// Steps that stories share.

import assert from 'node:assert/strict';
import { AUDIBLE, WORKER } from './people.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./people.mjs').Customer} Customer */

/**
 * How long a customer waits for a word at most, from when the server hears of the loss, in milliseconds. Bounds that tell
 * "told" from "forgotten" on any machine; how fast it is, `npm run bench` measures.
 */
const TOLD_WITHIN = 10_000;
/** How long the line may be dead while something else begins, in milliseconds: the same. */
const SILENCE = 8000;

/**
 * For stories of agents who come back after a while: on a busy machine a desktop may take so long to load that the call would
 * rightly come back through the queue.
 */
export const PATIENT = { REJOIN_IN_PLACE_WITHIN_MS: '40000', REJOIN_PING_TTL_MS: '60000' };

/** Ring, accept, talk: both hear each other, and the agent's exit would not end the call. */
export async function talk(
  /** @type {Story} */ story,
  /** @type {Agent} */ agent,
  /** @type {Customer} */ customer,
) {
  await story.step('the phone rings, the agent accepts', () => agent.accepts());
  await story.step('both are on the call, and the server knows', () => customer.notes('connected'));
  await story.step('the customer hears the agent', () => customer.hearsAgent());
  await story.step('the agent hears the customer', () => agent.hearsCustomer());
  const [task] = await agent.tasks();
  await story.step("the agent's exit would not end the call", () => staysOpen(story, task.taskSid));
  return task;
}

/** `endConferenceOnExit` of the agent's leg is false, and was never set, in spite of what Flex posts. */
export async function staysOpen(/** @type {Story} */ story, /** @type {string} */ taskSid) {
  const { participants } = await story.twilio.conference(taskSid);
  const agents = participants.filter((/** @type {any} */ p) => p.joined && p.kind === 'agent');
  assert.equal(agents.length, 1, 'one agent is on the call');
  const [{ callSid, endConferenceOnExit }] = agents;
  assert.equal(endConferenceOnExit, false, 'endConferenceOnExit of the agent');
  const log = await story.twilio.log();
  const set = log.filter((line) => line.endsWith(`${callSid} EndConferenceOnExit is true now`));
  assert.deepEqual(set, [], 'endConferenceOnExit of the agent was false all the time');
}

/** The customer hears the announcement, and is never left in silence. */
export async function isTold(
  /** @type {Story} */ story,
  /** @type {Customer} */ customer,
  /** @type {number} */ from,
) {
  const lost = await customer.notes(/agent-lost|page-gone/, { within: 40_000 });
  const told = await story.step('the customer hears what is going on', () =>
    customer.hears(/announcement/, { from }),
  );
  const after = customer.began + told.at - lost.at;
  assert.ok(after <= TOLD_WITHIN, `the customer was told ${after} ms after the loss`);
  await story.step('in a voice, not just as a flag', () => customer.hearsSpeech());
  const heard = await customer.heard();
  assert.equal(heard.live, true, 'the customer is still on the line');
  assert.ok(heard.rms > AUDIBLE, `and something is to be heard (${Math.round(heard.rms)})`);
}

/** Between announcement, comfort audio, queue and agent. */
export function neverInSilence(/** @type {Customer} */ customer, /** @type {number} */ from) {
  const silence = customer.longestSilence(from);
  assert.ok(silence <= SILENCE, `the line was dead for ${silence} ms`);
}

/** From the loss of the agent to the moment when the same agent has the customer again. */
export async function isBack(
  /** @type {Story} */ story,
  /** @type {Agent} */ agent,
  /** @type {Customer} */ customer,
  /** @type {any} */ task,
  { hearsAgent = true } = {},
) {
  const ended = await story.step('the call is back, without a click', () => customer.notes('ended'));
  assert.equal(ended.note.outcome, 'rejoined');
  const ready = await agent.page.evaluate('window.__flexReadyAt');
  await story.step('the dialog goes', () =>
    agent
      .dialog()
      .waitFor({ state: 'detached', timeout: 20_000 })
      .catch(() => agent.dialog().waitFor({ state: 'hidden', timeout: 1000 })),
  );
  const now = (await agent.tasks()).filter((other) => other.status === 'accepted');
  assert.equal(now.length, 1, 'one task, and it is accepted');
  assert.notEqual(now[0].taskSid, task.taskSid, 'it is a new task');
  assert.equal(now[0].attributes.isReconnect, true);
  assert.equal(now[0].attributes.targetWorkerSid, WORKER.ada);
  assert.equal(now[0].attributes.disconnectedTaskSid, task.taskSid);
  await story.step('the old reservation is completed', () =>
    story.twilio.becomes(
      'completed',
      async () => (await story.twilio.reservation(task.sid))?.status === 'completed',
    ),
  );
  await story.step('audio runs both ways', async () => {
    if (hearsAgent) await customer.hearsAgent();
    await agent.hearsCustomer();
  });
  await story.step("the agent's exit would not end the call", () => staysOpen(story, now[0].taskSid));
  return { ms: ended.at - ready, task: now[0] };
}

/** The call ends as usual: no recovery, no dialog, nobody is left alone. */
export async function endsAsEver(
  /** @type {Story} */ story,
  /** @type {Agent} */ agent,
  /** @type {Customer} */ customer,
  /** @type {any} */ task,
  from = 0,
) {
  await story.step('the conference ends', () =>
    story.twilio.becomes(
      'completed',
      async () => (await story.twilio.conference(task.taskSid))?.status === 'completed',
    ),
  );
  await story.step('the call ends for the server, too', () => customer.notes('call-ended'));
  const lost = customer.timeline.said.slice(from).filter(({ note }) => note?.what === 'agent-lost');
  assert.deepEqual(lost, [], 'the server considers no agent lost');
  await story.step('the customer is not left on the line', () =>
    story.twilio.becomes('over', async () => !(await customer.heard()).live),
  );
  await story.step('the agent completes the task', () => agent.completes());
  await story.step('Flex has no task left', () =>
    story.twilio.becomes('no task', async () => (await agent.tasks()).length === 0),
  );
  assert.equal(await agent.dialog().count(), 0, 'no dialog');
  const pings = (await story.twilio.tasks()).filter(
    (/** @type {any} */ t) =>
      t.attributes.rejoinRecoveryId && t.attributes.disconnectedTaskSid === task.taskSid,
  );
  assert.deepEqual(pings, [], 'no ping and no reconnect task');
}

const RECOVERING = /page-gone|agent-lost|joining-in-place|not-in-place|holding-the-line|requeueing|ended/;

/** Ada is on a call. */
export async function onACall(
  /** @type {Story} */ story,
  /** @type {import('./people.mjs').SignIn} */ options = {},
) {
  const ada = await story.step('Ada signs in to Flex', () => story.agent('ada', options));
  const customer = await story.step('a customer calls', () => story.customer());
  const task = await talk(story, ada, customer);
  return { ada, customer, task };
}

/** The call goes on as if nothing had happened. */
export async function nothingHappens(
  /** @type {Story} */ story,
  /** @type {Customer} */ customer,
  /** @type {number} */ from,
) {
  await story.step('the customer hears the agent for three seconds more', async () => {
    for (const end = Date.now() + 3000; Date.now() < end; ) await customer.hearsAgent();
  });
  const noted = customer.timeline.said.slice(from).map(({ note }) => note?.what);
  assert.deepEqual(
    noted.filter((what) => RECOVERING.test(what)),
    [],
    'nothing is recovered',
  );
}
