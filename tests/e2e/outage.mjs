// The server is down for a while: killed, with its port closed, and started again; or one browser cannot reach it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { isBackInPlace } from './in-place.mjs';
import { isBack, onACall } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */

/** While the server is gone; it is there again afterwards, come what may. */
async function withoutServer(/** @type {Story} */ story, /** @type {() => Promise<unknown>} */ work) {
  const { server } = story.demo;
  await story.step('the server is killed', () => server.stop('SIGKILL'));
  try {
    await work();
  } finally {
    await story.step('the server is there again', () => server.start());
  }
}

/** What the page keeps until the server has answered, in its order. @returns {Promise<string[]>} */
const kept = (/** @type {Agent} */ ada) =>
  ada.page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('rejoin.out.')));

/** The tasks with graceful marks at the server, in the order of arrival. @returns {string[]} */
const left = (/** @type {Story} */ story) =>
  [...readFileSync(story.demo.server.log, 'utf8').matchAll(/ leaves on purpose .*task=(WT\w+)/g)].map(
    ([, task]) => task,
  );

/** All that was kept is delivered, each once. */
const isTold = (
  /** @type {Story} */ story,
  /** @type {Agent} */ ada,
  /** @type {number} */ from,
  /** @type {string[]} */ tasks,
) =>
  story.step('the server has the mark', async () => {
    await story.twilio.becomes('delivered', async () => (await kept(ada)).length === 0, 40_000);
    await story.twilio.becomes('logged', async () => left(story).length >= from + tasks.length);
    assert.deepEqual(left(story).slice(from), tasks);
  });

const hangsUp = async (
  /** @type {Story} */ story,
  /** @type {Agent} */ ada,
  /** @type {import('./people.mjs').Customer} */ customer,
) => {
  await story.step('Ada hangs up', () => ada.hangsUp());
  await story.step('the customer is not left on the line', () =>
    story.twilio.becomes('over', async () => !(await customer.heard()).live),
  );
};

/** No ping, no reconnect task. */
const nobodyIsCalled = async (/** @type {Story} */ story, /** @type {string[]} */ tasks) => {
  const others = (await story.twilio.tasks()).filter((/** @type {any} */ t) =>
    tasks.includes(t.attributes.disconnectedTaskSid),
  );
  assert.deepEqual(others, [], 'no other call results from it');
};

export const leftMeanwhile = {
  title: 'An agent leaves two calls while the server is gone, and both are reported to it, once and in order',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const from = left(story).length;
    const tasks = [task.taskSid];
    await withoutServer(story, async () => {
      await hangsUp(story, ada, customer);
      await story.step('Ada completes the task', () => ada.completes());
      const next = await story.step('another customer calls', () => story.customer());
      await story.step('Ada accepts', () => ada.accepts());
      await story.step('both hear each other', async () => {
        await next.hearsAgent();
        await ada.hearsCustomer();
      });
      const [{ taskSid }] = await ada.tasks();
      tasks.push(taskSid);
      await hangsUp(story, ada, next);
      assert.deepEqual(left(story).slice(from), [], 'the server knows of neither');
      await story.step('Ada refreshes the page', async () => {
        await ada.refreshes();
        await ada.ready();
      });
    });
    await isTold(story, ada, from, tasks);
    await story.step('Ada completes the task', () => ada.completes());
    await nobodyIsCalled(story, tasks);
  },
};

export const refreshedMeanwhile = {
  title: 'An agent refreshes while the server is gone, and is back in place when it is there again',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const from = customer.mark().timeline;
    await withoutServer(story, async () => {
      await story.step('Ada refreshes the page', () => ada.refreshes());
      await story.step('and sees the dialog', () => ada.sawDialog());
      await story.step("Ada's phone is registered", () => ada.phoneRegistered());
      assert.equal(await ada.hasCall(), false, 'the agent is not back yet');
    });
    await isBackInPlace(story, ada, customer, task, { from });
  },
};

/**
 * The server is killed, and then the conference ends under the customer: Twilio asks a server that is not there what comes next. With this
 * pause between Twilio's attempts. Returns what the customer has heard since.
 */
async function endsWithoutServer(
  /** @type {Story} */ story,
  /** @type {number} */ retryPauseMs,
  /** @type {(customer: import('./people.mjs').Customer, from: number) => Promise<unknown>} */ meanwhile,
) {
  const { ada, customer, task } = await onACall(story);
  await story.step('the exit flag is on a leg on hold, where nobody can undo it', async () => {
    const { sid, participants } = await story.twilio.conference(task.taskSid);
    const { callSid } = participants.find((/** @type {any} */ p) => p.joined && p.kind === 'agent');
    await story.twilio.changes(sid, callSid, { EndConferenceOnExit: 'true', Hold: 'true' });
  });
  await story.twilio.assume({ dtlsCloseEndsLeg: true, retryPauseMs });
  const { transcript } = customer.mark();
  await withoutServer(story, async () => {
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await meanwhile(customer, transcript);
  });
  return { ada, customer, task, transcript };
}

export const askedAgain = {
  title:
    'The server is killed as the conference ends, Twilio tries again, and the customer has the agent again',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task, transcript } = await endsWithoutServer(story, 3000, () =>
      story.step('Twilio finds no server, and tries again', () =>
        story.twilio.becomes('retried', async () =>
          (await story.twilio.log()).some((line) => line.endsWith('(/twiml/ended); retry 2 of 3')),
        ),
      ),
    );
    await story.step('the customer hears what happened, once the server is there again', () =>
      customer.hears(/connection to your agent was interrupted/, { from: transcript }),
    );
    await isBack(story, ada, customer, task);
    assert.equal((await customer.heard()).live, true, 'the customer was never hung up on');
  },
};

export const askedOnceTooOften = {
  title:
    'The server is killed as the conference ends, and Twilio does not wait between attempts: the call is over',
  async play(/** @type {Story} */ story) {
    const { customer } = await endsWithoutServer(story, 0, (customer, from) =>
      story.step("the customer hears Twilio's error", () => customer.hears(/application error/, { from })),
    );
    await story.step('and is hung up on', () =>
      story.twilio.becomes('over', async () => !(await customer.heard()).live),
    );
  },
};

export const unheard = {
  title: 'An agent hangs up while the browser cannot reach the server, and the customer is not brought back',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    const server = `${story.demo.serverUrl}/v1/**`;
    const written = async () =>
      (await story.twilio.tasks()).find((/** @type {any} */ t) => t.sid === task.taskSid).attributes;
    const before = await written();
    await story.step('the browser loses the server', () =>
      ada.context.route(server, (route) => route.abort()),
    );
    await hangsUp(story, ada, customer);
    const { rejoinLeft, ...others } = await written();
    assert.deepEqual([rejoinLeft.reservation, rejoinLeft.reason], [task.sid, 'hang-up'], 'the task says it');
    for (const [name, value] of Object.entries(before)) assert.deepEqual(others[name], value, name);
    const ended = await story.step('where the server has read it', () => customer.notes('ended'));
    assert.equal(ended.note.outcome, 'graceful');
    assert.equal((await kept(ada)).length, 1, 'the mark is kept');
    await story.step('the server is up again, and Ada refreshes the page', async () => {
      await ada.context.unroute(server);
      await ada.refreshes();
      await ada.ready();
    });
    await story.step('the mark is delivered', () =>
      story.twilio.becomes('delivered', async () => (await kept(ada)).length === 0),
    );
    await story.step('Ada completes the task', () => ada.completes());
    assert.equal(await ada.dialog().count(), 0, 'no dialog');
    await nobodyIsCalled(story, [task.taskSid]);
  },
};
