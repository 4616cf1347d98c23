// A supervisor in Flex's own teams view who listens to an agent, coaches or barges in, and refreshes meanwhile.

import assert from 'node:assert/strict';
import { isBackInPlace } from './in-place.mjs';
import { isBack, nothingHappens } from './steps.mjs';
import { adaTalks, BO_HZ, ends, nobodyIsLost } from './transfers.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./transfers.mjs').Cast} Cast */
/** @typedef {Cast & {leg: string, conference: string}} Supervised `leg`: Bo's, who supervises */

/** Bo's leg in the task's conference, while it is there. */
const supervisor = async (/** @type {Story} */ story, /** @type {string} */ taskSid) => {
  const conference = await story.twilio.conference(taskSid);
  return conference?.participants.find((/** @type {any} */ p) => p.kind === 'supervisor' && p.joined);
};

/** Bo listens to Ada's call, from the teams view. @returns {Promise<Supervised>} */
async function listening(/** @type {Story} */ story) {
  const cast = await adaTalks(story);
  const { bo, task } = cast;
  await story.step("Bo, a supervisor, opens Ada's call in the teams view", () => bo.looksAt(task));
  await story.step('and listens', () => bo.monitors());
  const { callSid, muted } = await story.step('Bo is in the conference', () =>
    story.twilio.becomes('a supervisor', () => supervisor(story, task.taskSid)),
  );
  assert.equal(muted, true, 'and muted');
  await story.step('the teams view shows it', () =>
    story.twilio.becomes('monitoring', () => bo.isMonitoring()),
  );
  const { sid } = await story.twilio.conference(task.taskSid);
  return { ...cast, leg: callSid, conference: sid };
}

/** Ada's leg by now. */
async function agentsLeg(/** @type {Supervised} */ { story, task }) {
  const { participants } = await story.twilio.conference(task.taskSid);
  return participants.find((/** @type {any} */ p) => p.kind === 'agent' && p.joined).callSid;
}

/** Twilio's own project template has buttons for what Flex has none for; they make these requests. */
const coaches = (/** @type {Supervised} */ cast) =>
  cast.story.step('Bo coaches Ada', async () =>
    cast.story.twilio.changes(cast.conference, cast.leg, {
      Muted: 'false',
      Coaching: 'true',
      CallSidToCoach: await agentsLeg(cast),
    }),
  );

const bargesIn = (/** @type {Supervised} */ { story, conference, leg }) =>
  story.step('Bo barges in', () =>
    story.twilio.changes(conference, leg, { Muted: 'false', Coaching: 'false' }),
  );

/** Bo hears both in every mode. */
const hearsBoth = (/** @type {Supervised} */ { story, bo }) =>
  story.step('Bo hears both', async () => {
    await bo.makesOut('the customer', 660);
    await bo.makesOut('Ada', 400);
  });

/** Whom Bo is heard by. */
async function isHeardBy(
  /** @type {Supervised} */ { story, ada, customer },
  /** @type {{agent: boolean, customer: boolean}} */ heard,
) {
  if (heard.agent) await story.step('Ada hears Bo', () => ada.makesOut('Bo', BO_HZ));
  await story.step('Ada and the customer hear each other', async () => {
    await story.twilio.becomes('Ada heard by the customer', () => customer.makesOut(400), 10_000);
    await ada.makesOut('the customer', 660);
  });
  // An announcement is heard there, too, until it is over. Bo's tone never ends.
  const becomes = (/** @type {string} */ what, /** @type {() => Promise<boolean>} */ look) =>
    story.twilio.becomes(what, look, 15_000);
  if (!heard.agent) await becomes('Bo not heard by Ada', async () => (await ada.levelAt(BO_HZ)) <= -60);
  if (heard.customer)
    await story.step('the customer hears Bo', () =>
      story.twilio.becomes('heard', () => customer.makesOut(BO_HZ)),
    );
  else await becomes('Bo not heard by the customer', async () => !(await customer.makesOut(BO_HZ)));
}

/** Ada refreshes, and is back in place as if alone with the customer; Bo's leg is unchanged. */
async function refreshes(/** @type {Supervised} */ cast) {
  const { story, ada, customer, task, leg } = cast;
  const { timeline } = customer.mark();
  const before = await supervisor(story, task.taskSid);
  await story.step('Ada refreshes', () => ada.refreshes());
  // Who hears whom is checked afterwards: with Bo talking, the loudest is not always the one who is looked for.
  const quiet = { hearsAgent: false, hearsCustomer: false };
  await isBackInPlace(story, ada, customer, task, { from: timeline, ...quiet });
  const after = await supervisor(story, task.taskSid);
  assert.equal(after?.callSid, leg, 'the supervisor has stayed');
  assert.equal(after.muted, before.muted, "Bo's leg is unchanged");
}

/** Bo's own page is reloaded: Bo's leg goes, and nothing else happens. */
async function supervisorRefreshes(/** @type {Supervised} */ { story, ada, bo, customer, task }) {
  const { timeline } = customer.mark();
  await story.step('Bo refreshes', () => bo.refreshes());
  await story.step("Bo's leg is gone", () =>
    story.twilio.becomes('gone', async () => !(await supervisor(story, task.taskSid))),
  );
  await story.step("Bo's desktop is up again", () => bo.ready());
  assert.equal(await bo.dialog().count(), 0, 'no dialog for Bo');
  assert.equal(await ada.dialog().count(), 0, 'no dialog for Ada');
  await nothingHappens(story, customer, timeline);
  await story.step('Ada hears the customer', () => ada.hearsCustomer());
}

export const listenedTo = {
  title: 'Ada refreshes while a supervisor listens',
  async play(/** @type {Story} */ story) {
    const cast = await listening(story);
    const { ada, bo, customer, task } = cast;
    await hearsBoth(cast);
    await bo.shot(story.folder, 'teams');
    await isHeardBy(cast, { agent: false, customer: false });
    await refreshes(cast);
    await hearsBoth(cast);
    await isHeardBy(cast, { agent: false, customer: false });
    assert.equal(await bo.isMonitoring(), true, 'Flex still shows that Bo listens');

    const { timeline } = customer.mark();
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    await story.step("Ada refreshes again, and Ada's leg is lost", () => ada.refreshes());
    await story.step("Bo's Flex stops listening: the leg that Bo listened to is gone", () =>
      story.twilio.becomes('gone', async () => !(await supervisor(story, task.taskSid))),
    );
    const queued = await story.step('the customer is back through the queue', () =>
      customer.notes('ended', { from: timeline, within: 40_000 }),
    );
    assert.equal(queued.note.outcome, 'rejoined', 'a silent supervisor is not another agent');
  },
};

export const coached = {
  title: 'Ada refreshes while coached by a supervisor',
  async play(/** @type {Story} */ story) {
    const cast = await listening(story);
    await coaches(cast);
    await hearsBoth(cast);
    await isHeardBy(cast, { agent: true, customer: false });
    await refreshes(cast);
    await hearsBoth(cast);
    await isHeardBy(cast, { agent: true, customer: false });
    await cast.bo.shot(story.folder, 'coaches');
    await supervisorRefreshes(cast);
    nobodyIsLost(cast.customer, cast.customer.mark().timeline);
    await ends(cast, cast.ada);
  },
};

export const coachedAndLost = {
  title: 'The leg is lost while a supervisor coaches, and the customer never hears the supervisor',
  async play(/** @type {Story} */ story) {
    const cast = await listening(story);
    const { ada, customer, task, leg } = cast;
    await coaches(cast);
    await isHeardBy(cast, { agent: true, customer: false });
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    await story.step("Ada refreshes, and Ada's leg is lost", () => ada.refreshes());
    // Music has many tones, so this checks who could hear Bo: everybody in the same conference.
    /** @type {object[]} */
    const audible = [];
    const back = isBack(story, ada, customer, task);
    const over = back.then(
      () => true,
      () => true,
    );
    const look = async () => {
      const { conferences } = await story.twilio.state();
      const all = conferences.flatMap((/** @type {any} */ conference) => conference.participants);
      audible.push(
        ...all.filter((/** @type {any} */ p) => p.callSid === leg && p.joined && !p.muted && !p.coaches),
      );
      return false;
    };
    while (!(await Promise.race([over, look()])));
    await back;
    assert.deepEqual(audible, [], 'only Ada heard Bo');
    // Until the announcement is over, it may contain Bo's tone. Bo's own never ends.
    await story.step('the customer does not hear Bo', () =>
      story.twilio.becomes('not heard', async () => !(await customer.makesOut(BO_HZ)), 15_000),
    );
  },
};

export const bargedIn = {
  title: 'Ada refreshes while a supervisor has barged in',
  async play(/** @type {Story} */ story) {
    const cast = await listening(story);
    await bargesIn(cast);
    await hearsBoth(cast);
    await isHeardBy(cast, { agent: true, customer: true });
    await refreshes(cast);
    await hearsBoth(cast);
    await isHeardBy(cast, { agent: true, customer: true });
    await supervisorRefreshes(cast);
    await ends(cast, cast.ada);
  },
};

export const supervisorReloads = {
  title: 'A listening supervisor refreshes the page and listens again',
  async play(/** @type {Story} */ story) {
    const cast = await listening(story);
    const { bo, task } = cast;
    await hearsBoth(cast);
    await supervisorRefreshes(cast);
    await story.step('Bo listens again', async () => {
      await bo.looksAt(task);
      await bo.monitors();
    });
    await hearsBoth(cast);
    await story.step('and stops', () => bo.monitors());
    await story.step('Bo is out', () =>
      story.twilio.becomes('gone', async () => !(await supervisor(story, task.taskSid))),
    );
    nobodyIsLost(cast.customer);
    await ends(cast, cast.ada);
  },
};
