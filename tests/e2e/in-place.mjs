// The first rung: the old leg still stands, and the agent joins the same conference again. The customer is not moved.

import assert from 'node:assert/strict';
import { isHello } from './people.mjs';
import { PATIENT, isBack, isTold, onACall } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./people.mjs').Customer} Customer */

/** Same task, reservation and conference, nobody was moved; both hear each other. */
export async function isBackInPlace(
  /** @type {Story} */ story,
  /** @type {Agent} */ agent,
  /** @type {Customer} */ customer,
  /** @type {any} */ task,
  { from = 0, hearsAgent = true, hearsCustomer = true } = {},
) {
  const ended = await story.step('Ada is back in place, without a click', () =>
    customer.notes('ended', { from }),
  );
  assert.equal(ended.note.outcome, 'rejoined');
  await story.step('the dialog goes', () => agent.dialog().waitFor({ state: 'hidden', timeout: 20_000 }));
  const calls = (await agent.tasks()).filter(({ channel }) => channel === 'voice');
  assert.deepEqual(
    calls.map(({ sid, taskSid, status }) => ({ sid, taskSid, status })),
    [{ sid: task.sid, taskSid: task.taskSid, status: 'accepted' }],
    'one task of a call, the same as before',
  );
  const conference = await story.twilio.conference(task.taskSid);
  assert.equal(conference.status, 'in-progress', 'the conference has gone on');
  const legs = conference.participants.filter((/** @type {any} */ p) => p.kind === 'customer');
  assert.deepEqual(
    legs.map((/** @type {any} */ p) => p.joined),
    [true],
    'the customer was never moved',
  );
  const others = (await story.twilio.tasks()).filter(
    (/** @type {any} */ t) => t.attributes.disconnectedTaskSid === task.taskSid,
  );
  assert.deepEqual(others, [], 'no ping and no reconnect task');
  await story.step("the agent's exit would not end the call", () => staysOpen(story, task.taskSid));
  await story.step('audio runs both ways', async () => {
    if (hearsAgent) await customer.hearsAgent();
    if (hearsCustomer) await agent.hearsCustomer();
  });
  const ready = await agent.page.evaluate('window.__flexReadyAt');
  return { ms: ended.at - ready, total: ended.note.after };
}

/** Flex sets the flag on the leg that joins again, whatever the plugin asked for; it does not stay. */
const staysOpen = (/** @type {Story} */ story, /** @type {string} */ taskSid) =>
  story.twilio.becomes('endConferenceOnExit is false on the agent', async () => {
    const { participants } = await story.twilio.conference(taskSid);
    const agents = participants.filter((/** @type {any} */ p) => p.joined && p.kind === 'agent');
    return agents.length === 1 && agents[0].endConferenceOnExit === false;
  });

/** @type {{title: string, play: (story: Story) => Promise<void>, recoveredIn?: number}} */
export const refreshInPlace = {
  title: 'An agent refreshes the page and is back in place',
  async play(story) {
    const { ada, customer, task } = await onACall(story);
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await story.step('and sees the dialog', () => ada.sawDialog());
    const { ms } = await isBackInPlace(story, ada, customer, task);
    refreshInPlace.recoveredIn = ms;
  },
};

export const toneAtOnce = {
  title: 'A customer hears a tone as soon as the agent refreshes the page, and the agent ends it',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const { transcript } = customer.mark();
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await story.step('the customer hears a tone', () => customer.hears(/tone audio/, { from: transcript }));
    await isBackInPlace(story, ada, customer, task);
    const heard = customer.transcript.said.slice(transcript).map((line) => line.heard ?? '');
    const ours = heard.filter((what) => what !== 'silence' && !/agent/.test(what));
    assert.equal(ours[0], 'tone audio', `the tone comes before anything else: ${ours}`);
  },
};

/**
 * Flex asks for the channels of the task, and then for their participants, by requests to its event bridge: as on a slow
 * network, each is under way for 700 ms.
 * @returns {[(url: URL) => boolean, (route: import('playwright-core').Route) => Promise<void>]}
 */
const slowly = () => [
  (url) => url.pathname.endsWith('/wschannels'),
  async (route) => {
    const { url, method } = route.request().postDataJSON() ?? {};
    if (method === 'GET' && url.includes('/Channels')) await new Promise((done) => setTimeout(done, 700));
    await route.continue();
  },
];

export const backDuringAnnouncement = {
  title: 'An agent is back while the customer is being told, and is heard at once',
  settings: { REJOIN_ANNOUNCE_AFTER_MS: '0' },
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const { transcript } = customer.mark();
    await story.step('TaskRouter is slow to say who is in the conference', () => ada.page.route(...slowly()));
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await isTold(story, customer, transcript);
    await isBackInPlace(story, ada, customer, task);
    await story.step('the customer hears the agent for three seconds more', async () => {
      for (const end = Date.now() + 3000; Date.now() < end; ) await customer.hearsAgent();
    });
    const heard = customer.transcript.said.slice(transcript).map((line) => line.heard ?? '');
    const back = heard.findIndex((what, i) => /agent/.test(what) && heard.slice(0, i).some(isOurs));
    assert.ok(back > 0, `first our audio, then the agent: ${heard}`);
    assert.deepEqual(heard.slice(back).filter(isOurs), [], 'our audio is not heard over the agent');
  },
};

const isOurs = (/** @type {string} */ heard) => /announcement|comfort/.test(heard);

export const refreshTwice = {
  title: 'An agent refreshes twice in a row',
  settings: PATIENT,
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    // A page that has said hello is back within 300 ms. The next one's hello is held up until the page is gone.
    let isHeld = true;
    let saysHello = () => {};
    const said = new Promise((done) => (saysHello = () => done(undefined)));
    await ada.page.route(isHello, (route) => {
      if (!isHeld) return route.continue();
      saysHello();
    });
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await story.step('which shows the dialog, and says hello', async () => {
      await ada.dialog().waitFor({ timeout: 30_000 });
      await said;
    });
    isHeld = false;
    await story.step('and again, before Ada is back', () => ada.refreshes());
    await story.step('and sees the dialog again', () => ada.sawDialog());
    await ada.ready();
    await isBackInPlace(story, ada, customer, task);
    const from = customer.mark().timeline;
    await story.step('Ada refreshes once more, being back', () => ada.refreshes());
    await isBackInPlace(story, ada, customer, task, { from });
  },
};

export const refreshMuted = {
  title: 'An agent who is muted refreshes and is muted again',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const from = customer.mark().transcript;
    await story.step('Ada mutes the microphone', () => ada.mutes());
    await story.step('the customer no longer hears Ada', () => customer.hears(/silence/, { from }));
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await isBackInPlace(story, ada, customer, task, { hearsAgent: false });
    await story.step('Ada is muted again', () => story.twilio.becomes('muted', () => ada.isMuted()));
    await story.step('Ada unmutes and is heard', async () => {
      await ada.mutes();
      await customer.hearsAgent();
    });
  },
};

export const refreshHeld = {
  title: 'An agent refreshes while the customer is on hold',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const { transcript: from } = customer.mark();
    await story.step('Ada puts the customer on hold', () => ada.holds());
    await story.step('the customer hears music', () => customer.hears(/hold music/, { from }));
    await story.step('Ada refreshes the page', () => ada.refreshes());
    const ended = await story.step('Ada is back', () => customer.notes('ended'));
    assert.equal(ended.note.outcome, 'rejoined');
    await story.step('the dialog goes', () => ada.dialog().waitFor({ state: 'hidden', timeout: 20_000 }));
    const held = (await story.twilio.conference(task.taskSid)).participants.some(
      (/** @type {any} */ p) => p.hold,
    );
    if (held) await story.step('Ada takes the customer off hold', () => ada.unholds());
    await story.step('both hear each other', async () => {
      await customer.hearsAgent();
      await ada.hearsCustomer();
    });
  },
};

export const refreshOfThree = {
  title: 'An agent refreshes in a call of three',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const third = await story.step('a third party joins', async () => {
      const party = await story.customer();
      await story.twilio.redirect(
        party.call,
        `<Response><Dial><Conference beep="false">${task.taskSid}</Conference></Dial></Response>`,
      );
      await story.twilio.becomes('three on the call', async () => {
        const { participants } = await story.twilio.conference(task.taskSid);
        return participants.filter((/** @type {any} */ p) => p.joined).length === 3;
      });
      // Two simultaneous tones cannot be distinguished by one loudest frequency.
      const { sid } = await story.twilio.conference(task.taskSid);
      await story.twilio.mute(sid, party.call);
      return party;
    });
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await isBackInPlace(story, ada, customer, task);
    await story.step('the third party hears the customer', () => third.hearsCustomer());
    assert.equal((await third.heard()).live, true);
  },
};

export const crashInPlace = {
  title: "An agent's renderer crashes, and the agent is back in place",
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    await story.step('the renderer crashes', () => ada.crashes());
    await story.step('Ada opens Flex again', async () => {
      await ada.page.close();
      await ada.opens();
    });
    await isBackInPlace(story, ada, customer, task);
  },
};

export const secondTab = {
  title: 'A second tab of the same agent changes nothing',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const first = ada.page;
    const from = customer.mark().timeline;
    await story.step('Ada opens a second tab', () => ada.opens());
    await story.step('which waits', () => ada.isTheOneThat('waits'));
    await story.step('the server restarts, and Ada refreshes the second tab', async () => {
      await story.demo.server.stop();
      await story.demo.server.start();
      await ada.refreshes();
      await ada.ready();
    });
    await story.step('which waits again', () => ada.isTheOneThat('waits'));
    await story.step('the customer hears the agent for three seconds more', async () => {
      for (const end = Date.now() + 3000; Date.now() < end; ) await customer.hearsAgent();
    });
    const recovering = /page-gone|agent-lost|joining-in-place|not-in-place|holding-the-line|requeueing|ended/;
    const noted = customer.timeline.said.slice(from).map(({ note }) => note?.what);
    assert.deepEqual(
      noted.filter((what) => recovering.test(what)),
      [],
      'nothing is recovered',
    );
    await story.step('Ada closes the first tab', () => first.close());
    await story.step('the second acts', () => ada.isTheOneThat('acts'));
    await isBackInPlace(story, ada, customer, task, { from });
  },
};

/** With Twilio, or our settings, such that the first rung does not hold. */
const secondRung = (
  /** @type {string} */ title,
  /** @type {(story: Story) => Promise<unknown>} */ prepare,
) => ({
  title,
  async play(/** @type {Story} */ story) {
    await prepare(story);
    const { ada, customer, task } = await onACall(story);
    const { transcript } = customer.mark();
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await isTold(story, customer, transcript);
    await ada.ready();
    await isBack(story, ada, customer, task);
    const told = customer.transcript.said
      .slice(transcript)
      .filter((said) => /announcement: The connection/.test(said.heard));
    // The queue says the words again to a customer who went there before they can have heard them.
    assert.ok([1, 2].includes(told.length), `the customer hears ${told.length} announcements`);
  },
});

export const joinRefused = secondRung(
  'Joining again is refused, and the call comes back through the queue',
  (story) => story.twilio.assume({ secondAgentLegRefused: true }),
);

export const legFalls = secondRung(
  'The old leg falls while the agent is away, and the call comes back through the queue',
  (story) => story.twilio.assume({ dtlsCloseEndsLeg: true }),
);

export const onABreak = {
  title: 'An agent on a break gets the customer back through the queue, and then the break',
  async play(/** @type {Story} */ story) {
    // Not by silence: a browser that is late by half a second would lose the leg by which it is back.
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    const { ada, customer, task } = await onACall(story);
    await story.step('Ada goes on a break', () => story.twilio.available('ada', 'Unavailable'));
    const { transcript } = customer.mark();
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await isTold(story, customer, transcript);
    await ada.ready();
    await isBack(story, ada, customer, task);
    await story.step('and is on break again', () =>
      story.twilio.becomes('Ada is on break', async () => {
        const { activity } = await story.twilio.worker('ada');
        return activity === 'Unavailable';
      }),
    );
  },
};

export const inPlaceOff = {
  ...secondRung('In place is turned off, and the call comes back through the queue', async () => {}),
  settings: { REJOIN_IN_PLACE: 'off' },
};
