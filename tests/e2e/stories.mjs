// What must hold, seen from outside: in the browser, in the customer's ear, in what Twilio knows.

import assert from 'node:assert/strict';
import path from 'node:path';
import { AUDIBLE, WORKER } from './people.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./people.mjs').Customer} Customer */

/**
 * How long a customer may wait for a word, from when the server hears of the loss, in milliseconds. The promise is half
 * of it: a busy machine must not fail the test, and `npm run bench` measures.
 */
const TOLD_WITHIN = 2000;
/** The same when the page is gone and its leg stands, because most pages are back before anything needs saying. */
const TOLD_WHEN_NOT_BACK_WITHIN = 5000;
/** How long the line may be dead while something else begins, in milliseconds. */
const SILENCE = 2000;

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

/** The customer is told, and never left in silence. */
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
  const within = lost.note.what === 'page-gone' ? TOLD_WHEN_NOT_BACK_WITHIN : TOLD_WITHIN;
  assert.ok(after <= within, `the customer was told ${after} ms after the loss`);
  await story.step('in a voice, not just as a flag', () => customer.hearsSpeech());
  const heard = await customer.heard();
  assert.equal(heard.live, true, 'the customer is still on the line');
  assert.ok(heard.rms > AUDIBLE, `and something is to be heard (${Math.round(heard.rms)})`);
}

/** Between announcement, comfort audio, queue and agent. */
function neverInSilence(/** @type {Customer} */ customer, /** @type {number} */ from) {
  const silence = customer.longestSilence(from);
  assert.ok(silence <= SILENCE, `the line was dead for ${silence} ms`);
}

/** From the loss of the agent to the moment when the same agent has the customer again. */
export async function isBack(
  /** @type {Story} */ story,
  /** @type {Agent} */ agent,
  /** @type {Customer} */ customer,
  /** @type {any} */ task,
) {
  const ended = await story.step('the call is back, without a click', () => customer.notes('ended'));
  assert.equal(ended.note.outcome, 'rejoined');
  const ready = await agent.page.evaluate('window.__flexReadyAt');
  await story.step('the dialog goes', () =>
    agent
      .dialog()
      .waitFor({ state: 'detached', timeout: 10_000 })
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
    await customer.hearsAgent();
    await agent.hearsCustomer();
  });
  await story.step("the agent's exit would not end the call", () => staysOpen(story, now[0].taskSid));
  return { ms: ended.at - ready, task: now[0] };
}

/** The call ends as ever: nothing is begun, nothing is shown, nobody is left alone. */
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
  assert.deepEqual(lost, [], 'the server takes nobody for lost');
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

/** @type {{title: string, play: (story: Story) => Promise<void>, recoveredIn?: number}} */
export const refresh = {
  title: 'An agent refreshes the page, the leg is lost, and the call comes back through the queue',
  async play(story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    const { transcript } = customer.mark();
    const told = isTold(story, customer, transcript);
    told.catch(() => {}); // reported below, in its order
    const dialog = (async () => {
      await ada.refreshes();
      await ada.dialog().waitFor({ state: 'visible', timeout: 30_000 });
      await ada.dialog().getByText('The customer is still on the line').waitFor({ timeout: 10_000 });
      await ada.shot(story.folder, 'dialog');
    })();
    dialog.catch(() => {});
    await told;
    await story.step('the reloaded desktop shows the dialog', () => dialog);
    const { ms, task: again } = await isBack(story, ada, customer, task);
    const order = customer.transcript.said.slice(transcript).map((said) => said.heard);
    assert.ok(
      order.some((heard) => /comfort audio/.test(heard)),
      `comfort audio follows: ${order.join(' | ')}`,
    );
    neverInSilence(customer, transcript);
    refresh.recoveredIn = ms;
    const { timeline } = customer.mark();
    await story.step('she hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, again, timeline);
  },
};

export const phonePage = {
  title: 'A customer at the phone page hears and sees it all',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls from the page', () => story.customerAtPage());
    const { page } = customer;
    assert.ok(page);
    await story.step('the phone rings, the agent accepts', () => ada.accepts());
    await story.step('both are on the call, and the server knows', () => customer.notes('connected'));
    await story.step('the agent hears the microphone of the page', async () => {
      const { hz, db } = await ada.listens();
      assert.ok(
        Math.abs(hz - 400) < 20 && db > -60,
        `the fake microphone beeps at 400 Hz; heard ${hz} Hz, ${db} dB`,
      );
    });
    await story.step('the page hears something, by its own measure', () =>
      page.waitForFunction('Number(document.getElementById("level").ariaValueNow) > 5', null, {
        timeout: 5000,
      }),
    );
    await ada.refreshes();
    await story.step('the call is back, without a click', () => customer.notes('ended'));
    const told = page.locator('#transcript li');
    const interrupted = told.filter({ hasText: 'connection to your agent was interrupted' });
    await story.step('the page says what the customer was told', () =>
      interrupted.first().waitFor({ timeout: 10_000 }),
    );
    const after = page.locator('#transcript li.announcement ~ li');
    await story.step('then comfort audio', () =>
      after.filter({ hasText: 'Comfort audio' }).first().waitFor({ timeout: 10_000 }),
    );
    await story.step('and the agent again', () =>
      after
        .filter({ hasText: /Agent$/ })
        .first()
        .waitFor({ timeout: 10_000 }),
    );
    await story.step('who hears the microphone again', async () => {
      const { hz, db } = await ada.listens();
      assert.ok(Math.abs(hz - 400) < 20 && db > -60, `heard ${hz} Hz, ${db} dB`);
    });
    const lines = page.locator('#timeline li');
    await story.step('and shows the timeline', async () => {
      await lines.nth(6).waitFor({ timeout: 5000 });
      await page.screenshot({ path: path.join(story.folder, 'phone.png') });
    });
    await story.step('the customer hangs up', () => page.getByRole('button', { name: 'Hang up' }).click());
    await story.step('and the call is over', () => customer.notes('call-ended'));
  },
};

/** @type {{title: string, play: (story: Story) => Promise<void>, recoveredIn?: number}} */
export const closedTab = {
  title: 'An agent closes the tab and another agent gets the call',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    const bo = await story.step('Bo signs in to Flex', () => story.agent('bo'));
    const { transcript } = customer.mark();
    const closed = Date.now();
    await story.step('Ada closes the tab', () => ada.closesTab());
    await isTold(story, customer, transcript);
    await story.step('comfort audio follows', () => customer.hears(/comfort audio/, { from: transcript }));
    await story.step('nobody comes back in time', () => customer.notes('agent-not-back'));
    await story.step("Bo's phone rings", () => bo.rings());
    await bo.shot(story.folder, 'ringing');
    await story.step('he accepts', () => bo.accepts());
    const told = bo.page.getByText(/Ada lost the connection to this customer \d+ s ago/);
    await story.step('and is told who dropped, and when', () => told.waitFor({ timeout: 5000 }));
    await bo.shot(story.folder, 'taken-over');
    const ended = await story.step('Bo has the customer', () => customer.notes('ended'));
    assert.equal(ended.note.outcome, 'handed-over');
    closedTab.recoveredIn = ended.note.after;
    const [taken] = (await bo.tasks()).filter((other) => other.status === 'accepted');
    assert.equal(taken.attributes.isReconnect, true);
    assert.equal(taken.attributes.targetWorkerSid, undefined);
    assert.equal(taken.attributes.disconnectedWorkerSid, WORKER.ada);
    assert.equal(taken.attributes.disconnectedWorkerName, 'Ada');
    assert.equal(taken.attributes.disconnectedTaskSid, task.taskSid);
    const since = Math.abs(Number(taken.attributes.disconnectedTime) - closed);
    assert.ok(since < 3000, `disconnectedTime is when the tab was closed (off by ${since} ms)`);
    await story.step('the old reservation is completed', () =>
      story.twilio.becomes(
        'completed',
        async () => (await story.twilio.reservation(task.sid))?.status === 'completed',
      ),
    );
    await story.step('audio runs both ways', async () => {
      await customer.hearsAgent();
      await bo.hearsCustomer();
    });
    neverInSilence(customer, transcript);
    const { timeline } = customer.mark();
    await story.step('Bo hangs up', () => bo.hangsUp());
    await endsAsEver(story, bo, customer, taken, timeline);
  },
};

export const agentHangsUp = {
  title: 'An agent hangs up on purpose',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    await story.step('she hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, task);
  },
};

export const customerHangsUp = {
  title: 'The customer hangs up',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    await story.step('the customer hangs up', () => customer.hangUp());
    await endsAsEver(story, ada, customer, task);
  },
};

export const rendererCrash = {
  title: "An agent's renderer crashes, and the ghost of her leg is removed",
  async play(/** @type {Story} */ story) {
    await story.twilio.assume({ secondAgentLegRefused: true });
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    const { transcript } = customer.mark();
    await story.step('the renderer crashes', () => ada.crashes());
    await story.step('she opens Flex again', async () => {
      await ada.page.close();
      await ada.opens();
    });
    await isTold(story, customer, transcript);
    await isBack(story, ada, customer, task);
  },
};

export const serverKilled = {
  title: 'The server is killed in the middle of a recovery and goes on',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    const refreshed = ada.refreshes();
    await story.step('the line is being held', () => customer.notes('holding-the-line'));
    await story.step('the server is killed (SIGKILL)', () => story.demo.server.stop('SIGKILL'));
    await story.step('it is started again', () => story.demo.server.start());
    await refreshed;
    await ada.ready();
    await isBack(story, ada, customer, task);
    const tasks = (await story.twilio.tasks()).filter(
      (/** @type {any} */ t) => t.attributes.disconnectedTaskSid === task.taskSid,
    );
    const reconnects = tasks.filter((/** @type {any} */ t) => t.attributes.isReconnect);
    assert.equal(reconnects.length, 1, 'one reconnect task');
    assert.ok(tasks.length - reconnects.length <= 1, 'one ping at most');
  },
};
