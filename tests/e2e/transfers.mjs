// More than one agent on a call: departures that are no loss, and refreshes.

import assert from 'node:assert/strict';
import { WORKER } from './people.mjs';
import { talk } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./people.mjs').Customer} Customer */
/** @typedef {{story: Story, ada: Agent, bo: Agent, customer: Customer, task: any}} Cast */

/** Bo's microphone, whose tone differs from Ada's. */
export const BO_HZ = 520;

/** Ada talks to a customer; Bo's desktop is open. @returns {Promise<Cast>} */
export async function adaTalks(/** @type {Story} */ story) {
  const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
  const customer = await story.step('a customer calls', () => story.customer());
  const task = await talk(story, ada, customer);
  const bo = await story.step('Bo signs in to Flex', () => story.agent('bo', { microphone: BO_HZ }));
  return { story, ada, bo, customer, task };
}

/** Ada consults Bo: the customer is on hold. */
async function consulting(/** @type {Story} */ story) {
  const cast = await adaTalks(story);
  const { ada, bo, customer } = cast;
  await story.step('Ada consults Bo', () => ada.transfers('bo', 'WARM'));
  await story.step('the customer hears music', () => customer.hears(/hold music/, { from: 0 }));
  await story.step("Bo's phone rings", () => bo.rings());
  const asked = bo.page.waitForRequest((request) =>
    Boolean(request.postData()?.includes('"Instruction":"conference"')),
  );
  await story.step('Bo accepts', () => bo.accepts());
  const { params } = JSON.parse((await asked).postData() ?? '');
  assert.match(params.ConferenceStatusCallback, /\/webhooks\/conference/, 'as with any other call');
  assert.equal(params.EndConferenceOnExit, false);
  await consult(cast);
  await flags(cast, 2);
  await story.step("Bo's call is protected like Ada's", () => bo.isProtected());
  return cast;
}

/** The agents talk, and the customer hears none of it. */
export async function consult(/** @type {Cast} */ { story, ada, bo, customer }) {
  await story.step('Ada hears Bo', () => ada.makesOut('Bo', BO_HZ));
  await story.step('Bo hears Ada', () => bo.makesOut('Ada', 400));
  const heard = await customer.heard();
  assert.equal(heard.live, true, 'the customer is on the line');
  // After a refresh it is our announcement and our audio: our hold has become the agent's.
  assert.match(heard.transcript.at(-1)?.heard, /hold music|announcement|comfort audio/, 'and hears no agent');
}

/** Everybody hears everybody. */
export async function conversation(/** @type {Cast} */ { story, ada, bo, customer }) {
  await story.step('Ada hears the customer and Bo', async () => {
    await ada.makesOut('the customer', 660);
    await ada.makesOut('Bo', BO_HZ);
  });
  await story.step('Bo hears the customer and Ada', async () => {
    await bo.makesOut('the customer', 660);
    await bo.makesOut('Ada', 400);
  });
  // The customer's loudest tone is only one of the two, so one is muted at a time.
  await story.step('the customer hears Ada while Bo is muted', async () => {
    await bo.mutes();
    await customer.hearsAgent();
    await bo.mutes();
  });
  await story.step('and Bo while Ada is', async () => {
    await ada.mutes();
    await customer.measures('Bo', BO_HZ, 20);
    await ada.mutes();
  });
}

/** Nobody's exit would end the call, in spite of what Flex posts. */
export const flags = (/** @type {Cast} */ { story, task }, /** @type {number} */ count) =>
  story.step("no agent's exit would end the call", () =>
    story.twilio.becomes(`${count} agents whose exit does not end it`, async () => {
      const { participants } = await story.twilio.conference(task.taskSid);
      const agents = participants.filter((/** @type {any} */ p) => p.joined && p.kind === 'agent');
      return (
        agents.length === count && agents.every((/** @type {any} */ p) => p.endConferenceOnExit === false)
      );
    }),
  );

/** Back in place: the same task, the same conference, nobody moved, no announcement. */
export async function isBackBeside(
  /** @type {Cast} */ cast,
  /** @type {Agent} */ agent,
  /** @type {{timeline: number, transcript: number}} */ from,
) {
  const { story, customer, task } = cast;
  await story.step('and sees the dialog', () => agent.sawDialog());
  const ended = await story.step('back in place, without a click', () =>
    customer.notes('ended', { from: from.timeline }),
  );
  assert.equal(ended.note.outcome, 'rejoined');
  await story.step('the dialog goes', () => agent.dialog().waitFor({ state: 'hidden', timeout: 20_000 }));
  const tasks = await agent.tasks();
  assert.deepEqual(
    tasks.map(({ taskSid, status }) => ({ taskSid, status })),
    [{ taskSid: task.taskSid, status: 'accepted' }],
    'one task, the same as before',
  );
  await flags(cast, 2);
  // Comfort audio follows the announcement of an earlier refresh, while the agent's hold lasts.
  const ours = /announcement|comfort/i;
  const said = customer.transcript.said.map(({ heard }) => heard ?? '');
  const already = ours.test(said.slice(0, from.transcript).findLast((heard) => heard !== 'silence') ?? '');
  assert.deepEqual(
    said.slice(from.transcript).filter((heard) => (already ? /announcement/i : ours).test(heard)),
    [],
    'the customer, who has the other agent, hears no announcement',
  );
  await nothingElse(cast);
}

/** Nobody was called for by a ping, and the customer never went through the queue. */
async function nothingElse(/** @type {Cast} */ { story, task }) {
  const others = (await story.twilio.tasks()).filter(
    (/** @type {any} */ t) => t.attributes.disconnectedTaskSid === task.taskSid,
  );
  assert.deepEqual(others, [], 'no ping and no reconnect task');
}

/** The server considers no agent lost. */
export function nobodyIsLost(/** @type {Customer} */ customer, from = 0) {
  const recovering = /^(page-gone|agent-lost|joining-in-place|holding-the-line|requeueing|ended)$/;
  const noted = customer.timeline.said.slice(from).map(({ note }) => note?.what ?? '');
  assert.deepEqual(
    noted.filter((what) => recovering.test(what)),
    [],
    'the server considers no agent lost',
  );
}

export const completes = (/** @type {Story} */ story, /** @type {Agent} */ agent) =>
  story.step(`${agent.name} completes the task`, async () => {
    await agent.completes();
    await story.twilio.becomes('no task left', async () => (await agent.tasks()).length === 0);
  });

/** The last agent hangs up, and the call is over for everybody. */
export async function ends(/** @type {Cast} */ { story, customer }, /** @type {Agent} */ agent) {
  await story.step(`${agent.name} hangs up`, () => agent.hangsUp());
  await story.step('the call is over', () => customer.notes('call-ended'));
  await story.step('the customer is not left on the line', () =>
    story.twilio.becomes('over', async () => !(await customer.heard()).live),
  );
  await completes(story, agent);
}

export const warmTransfer = {
  title: "Ada hands a customer over to Bo after a talk, and Bo's call is protected like Ada's",
  async play(/** @type {Story} */ story) {
    const cast = await consulting(story);
    const { ada, bo, customer } = cast;
    await ada.shot(story.folder, 'consulting');
    await story.step('Ada takes the customer off hold', () => ada.unholds());
    await conversation(cast);
    await story.step('Ada leaves the call', () => ada.leaves());
    await completes(story, ada);
    await story.step('the customer hears Bo', () => customer.measures('Bo', BO_HZ, 20));
    await story.step('Bo hears the customer', () => bo.hearsCustomer());
    nobodyIsLost(customer);
    await flags(cast, 1);
    const [task] = await bo.tasks();

    let from = customer.mark();
    await story.step('Bo refreshes the page', () => bo.refreshes());
    await story.step('and sees the dialog', () => bo.sawDialog());
    const inPlace = await story.step('Bo is back in place', () =>
      customer.notes('ended', { from: from.timeline }),
    );
    assert.equal(inPlace.note.outcome, 'rejoined');
    await bo.dialog().waitFor({ state: 'hidden', timeout: 20_000 });
    await story.step('the customer hears Bo again', () => customer.measures('Bo', BO_HZ, 20));
    await flags(cast, 1);

    from = customer.mark();
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    await story.step("Bo refreshes again, and Bo's leg is lost", () => bo.refreshes());
    const queued = await story.step('the customer is back through the queue', () =>
      customer.notes('ended', { from: from.timeline, within: 40_000 }),
    );
    assert.equal(queued.note.outcome, 'rejoined');
    const [again] = (await bo.tasks()).filter(({ status }) => status === 'accepted');
    assert.equal(again.attributes.targetWorkerSid, WORKER.bo);
    assert.equal(again.attributes.disconnectedReservationSid, task.sid);
    await story.step('both hear each other', async () => {
      await customer.measures('Bo', BO_HZ, 20);
      await bo.hearsCustomer();
    });
    await bo.dialog().waitFor({ state: 'hidden', timeout: 20_000 });
    await ends(cast, bo);
  },
};

export const refreshInConsult = {
  title: 'Ada refreshes during a warm transfer and is back in place with both',
  async play(/** @type {Story} */ story) {
    const cast = await consulting(story);
    const { ada, bo, customer } = cast;
    let from = customer.mark();
    await story.step('Ada refreshes while consulting Bo', () => ada.refreshes());
    await isBackBeside(cast, ada, from);
    await consult(cast);
    await story.step('Ada takes the customer off hold', () => ada.unholds());
    await conversation(cast);
    from = customer.mark();
    await story.step('Ada refreshes while all three talk', () => ada.refreshes());
    await isBackBeside(cast, ada, from);
    await conversation(cast);
    await ada.shot(story.folder, 'back');
    from = customer.mark();
    await story.step('Ada leaves the call', () => ada.leaves());
    await completes(story, ada);
    nobodyIsLost(customer, from.timeline);
    await ends(cast, bo);
  },
};

export const consultedRefreshes = {
  title: 'Bo refreshes while Ada consults with Bo',
  async play(/** @type {Story} */ story) {
    const cast = await consulting(story);
    const { ada, bo, customer } = cast;
    const from = customer.mark();
    await story.step('Bo refreshes', () => bo.refreshes());
    await isBackBeside(cast, bo, from);
    await consult(cast);
    await story.step('Ada takes the customer off hold', () => ada.unholds());
    await conversation(cast);
    await story.step('Ada leaves the call', () => ada.leaves());
    await completes(story, ada);
    await ends(cast, bo);
  },
};

export const consultingTabClosed = {
  title: 'Ada closes the tab during a warm transfer and Bo has the customer',
  async play(/** @type {Story} */ story) {
    const cast = await consulting(story);
    const { ada, bo, customer } = cast;
    await story.step('Ada closes the tab', () => ada.closesTab());
    const ended = await story.step('Ada is not back in time', () => customer.notes('ended'));
    assert.equal(ended.note.outcome, 'covered');
    await story.step('the customer is off hold and hears Bo', () => customer.measures('Bo', BO_HZ, 20));
    await story.step('Bo hears the customer', () => bo.hearsCustomer());
    await nothingElse(cast);
    await flags(cast, 1);
    await ends(cast, bo);
  },
};

export const coldTransfer = {
  title: 'Ada hands a customer over to Bo without a talk',
  async play(/** @type {Story} */ story) {
    const cast = await adaTalks(story);
    const { ada, bo, customer } = cast;
    await story.step('Ada transfers the customer to Bo', () => ada.transfers('bo', 'COLD'));
    await story.step('the customer hears music', () => customer.hears(/hold music/, { from: 0 }));
    await story.step("Bo's phone rings", () => bo.rings());
    await completes(story, ada);
    await story.step('Bo accepts', () => bo.accepts());
    await story.step('both hear each other', async () => {
      await customer.measures('Bo', BO_HZ, 20);
      await bo.hearsCustomer();
    });
    nobodyIsLost(customer);
    assert.equal(await ada.dialog().count(), 0, 'no dialog for Ada');
    await flags(cast, 1);
    await story.step("Bo's call is protected like Ada's", () => bo.isProtected());
    const from = customer.mark();
    await story.step('Bo refreshes the page', () => bo.refreshes());
    const ended = await story.step('Bo is back in place', () =>
      customer.notes('ended', { from: from.timeline }),
    );
    assert.equal(ended.note.outcome, 'rejoined');
    await bo.dialog().waitFor({ state: 'hidden', timeout: 20_000 });
    await ends(cast, bo);
  },
};

export const coldTransferRefused = {
  title: 'Bo does not take a customer whom Ada transfers, and Ada gets the customer again',
  async play(/** @type {Story} */ story) {
    const cast = await adaTalks(story);
    const { ada, bo, customer, task } = cast;
    await story.step('Ada transfers the customer to Bo', () => ada.transfers('bo', 'COLD'));
    await story.step("Bo's phone rings", () => bo.rings());
    await story.step('Bo rejects', () => bo.act('RejectTask'));
    await story.step('Ada completes the task', () => ada.completes());
    await story.step('and is offered it again', () => ada.rings());
    await customer.hears(/hold music/, { from: 0 });
    nobodyIsLost(customer);
    await story.step('Ada accepts', () => ada.accepts());
    await flags(cast, 1);
    await story.step('Ada takes the customer off hold', () => ada.unholds());
    await story.step('both hear each other', async () => {
      await customer.hearsAgent();
      await ada.hearsCustomer();
    });
    const [again] = await ada.tasks();
    assert.equal(again.taskSid, task.taskSid, 'the same task');
    assert.notEqual(again.sid, task.sid, 'another reservation');
    const from = customer.mark();
    await story.step('Ada refreshes the page', () => ada.refreshes());
    const ended = await story.step('Ada is back in place', () =>
      customer.notes('ended', { from: from.timeline }),
    );
    assert.equal(ended.note.outcome, 'rejoined');
    await ada.dialog().waitFor({ state: 'hidden', timeout: 20_000 });
    await ends(cast, ada);
  },
};

export const kicked = {
  title: 'Ada removes Bo from the call',
  async play(/** @type {Story} */ story) {
    const cast = await consulting(story);
    const { ada, bo, customer } = cast;
    await story.step('Ada removes Bo', () => ada.act('KickParticipant', { targetSid: WORKER.bo }));
    await completes(story, bo);
    await story.step('Ada takes the customer off hold', () => ada.unholds());
    await story.step('both hear each other', async () => {
      await customer.hearsAgent();
      await ada.hearsCustomer();
    });
    nobodyIsLost(customer);
    await nothingElse(cast);
    assert.equal(await bo.dialog().count(), 0, 'no dialog for Bo');
    await ends(cast, ada);
  },
};

export const endedForAll = {
  title: 'Ada ends the call for all',
  async play(/** @type {Story} */ story) {
    const cast = await consulting(story);
    const { ada, bo, customer, task } = cast;
    await story.step('Ada ends the call for all', () => ada.act('EndConferenceForAll'));
    await story.step('the call is over', () => customer.notes('call-ended'));
    await story.step('the customer is not left on the line', () =>
      story.twilio.becomes('over', async () => !(await customer.heard()).live),
    );
    assert.equal((await story.twilio.conference(task.taskSid)).status, 'completed');
    await completes(story, ada);
    await completes(story, bo);
    nobodyIsLost(customer);
    await nothingElse(cast);
    for (const agent of [ada, bo]) assert.equal(await agent.dialog().count(), 0, 'no dialog');
  },
};

export const joinCall = {
  title: "Ada moves the call into another tab with Flex's own button",
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await adaTalks(story);
    const first = ada.page;
    const from = customer.mark();
    await story.step('Ada opens a second tab', () => ada.opens());
    await ada.isTheOneThat('waits');
    await story.step('and joins the call there', async () => {
      await ada.page.getByText('Demo caller').first().click();
      await ada.page.getByTestId('join-call').click({ timeout: 20_000 });
    });
    await story.step('the old leg is closed', () =>
      story.twilio.becomes('one leg of an agent', async () => {
        const { participants } = await story.twilio.conference(task.taskSid);
        const agents = participants.filter((/** @type {any} */ p) => p.kind === 'agent');
        return agents.length === 2 && agents.filter((/** @type {any} */ p) => p.joined).length === 1;
      }),
    );
    await story.step('both hear each other', async () => {
      await customer.hearsAgent();
      await ada.hearsCustomer();
    });
    nobodyIsLost(customer, from.timeline);
    assert.equal(await ada.dialog().count(), 0, 'no dialog');
    await story.step('Ada closes the first tab', () => first.close());
    await story.step('the second acts', () => ada.isTheOneThat('acts'));
    nobodyIsLost(customer, from.timeline);
    await story.step('Ada refreshes', () => ada.refreshes());
    const ended = await story.step('and is back in place', () =>
      customer.notes('ended', { from: from.timeline }),
    );
    assert.equal(ended.note.outcome, 'rejoined');
    await story.step('both hear each other again', async () => {
      await customer.hearsAgent();
      await ada.hearsCustomer();
    });
  },
};
