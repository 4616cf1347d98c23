// Several servers at addresses of their own, on one PostgreSQL: the one that a page uses is killed, stopped, or stands still.

import assert from 'node:assert/strict';
import { isBackInPlace } from './in-place.mjs';
import { endsAsEver, isBack, neverInSilence, nothingHappens, talk } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./people.mjs').Customer} Customer */
/** @typedef {{at: number, server: string, pushUp: boolean}} Noted */

/** Notes in each page when it uses which server, and when its push channel stands there. Runs in the page. */
function notes() {
  /** @type {Noted[]} */
  const noted = [];
  Object.assign(window, { __servers: noted });
  setInterval(() => {
    const { server, pushUp } = /** @type {any} */ (window).Rejoin?.status() ?? {};
    const last = noted.at(-1);
    if (server && (server !== last?.server || pushUp !== last?.pushUp))
      noted.push({ at: Date.now(), server, pushUp });
  }, 10);
}

/** Ada is on a call at the first server. Where the page is from then on is noted. */
async function onACallAtTheFirst(/** @type {Story} */ story) {
  const prepare = (/** @type {import('playwright-core').BrowserContext} */ context) =>
    context.addInitScript(notes);
  const ada = await story.step('Ada signs in to Flex', () => story.agent('ada', { prepare }));
  const customer = await story.step('a customer calls', () => story.customer());
  const task = await talk(story, ada, customer);
  await story.step("the call is protected, and Ada's page uses the first server", async () => {
    await ada.isProtected();
    await isAt(ada, story.demo.serverUrls[0]);
  });
  return { ada, customer, task };
}

/** Waits until the page has its push channel at this server. */
const isAt = (/** @type {Agent} */ ada, /** @type {string} */ server) =>
  ada.page.waitForFunction(
    (server) => {
      const { server: used, pushUp } = /** @type {any} */ (window).Rejoin?.status() ?? {};
      return used === server && pushUp;
    },
    server,
    { timeout: 30_000 },
  );

/** The page has moved to the second server. How long that took since then is printed. */
const movesOn = (/** @type {Story} */ story, /** @type {Agent} */ ada, /** @type {number} */ since) =>
  story.step("Ada's page is at the second server", async () => {
    const [, second] = story.demo.serverUrls;
    const noted = await ada.page.waitForFunction(
      (second) => {
        const there = /** @type {any} */ (window).__servers.filter(
          (/** @type {Noted} */ { server }) => server === second,
        );
        const stands = there.find((/** @type {Noted} */ { pushUp }) => pushUp);
        return stands && { moved: there[0].at, stands: stands.at };
      },
      second,
      { timeout: 30_000 },
    );
    const { moved, stands } = await noted.jsonValue();
    story.print(`    it moved after ${moved - since} ms, its push channel stood after ${stands - since} ms`);
  });

/** The second server counts one page, which has come from another one. */
const isCounted = (/** @type {Story} */ story) =>
  story.step('the second server counts the page', () =>
    story.twilio.becomes('counted', async () => {
      const { auth, serverUrls } = story.demo;
      const headers = { authorization: `Bearer ${auth.REJOIN_OPERATOR_TOKEN}` };
      const figures = await (await fetch(`${serverUrls[1]}/metrics`, { headers })).text();
      const come = /^rejoin_switches_total\{.*what="server".*\} (\d+)$/gm;
      const all = [...figures.matchAll(come)].reduce((sum, [, count]) => sum + Number(count), 0);
      return /^rejoin_push_sessions 1$/m.test(figures) && all > 0;
    }),
  );

/** While the first server is like that; it is as before afterwards, come what may. */
async function during(
  /** @type {Story} */ story,
  /** @type {() => Promise<unknown>} */ work,
  /** @type {() => unknown} */ afterwards,
) {
  try {
    await work();
  } finally {
    await story.step('the first server is as before', async () => afterwards());
  }
}

/** What has become of this call: one task for the same agent at most, and one ping. */
async function isDoneOnce(/** @type {Story} */ story, /** @type {any} */ task, /** @type {number} */ times) {
  const tasks = (await story.twilio.tasks()).filter(
    (/** @type {any} */ t) => t.attributes.disconnectedTaskSid === task.taskSid,
  );
  const requeued = tasks.filter((/** @type {any} */ t) => t.attributes.isReconnect);
  assert.equal(requeued.length, times, 'tasks for a call that came back');
  assert.ok(tasks.length - requeued.length <= 1, 'one ping at most');
}

/** The first server is killed, and the agent refreshes the page before it is anywhere else. */
async function refreshesAsItIsKilled(
  /** @type {Story} */ story,
  /** @type {Agent} */ ada,
  /** @type {() => Promise<unknown>} */ then,
) {
  const { server } = story.demo;
  await during(
    story,
    async () => {
      const since = Date.now();
      await story.step('the first server is killed (SIGKILL), and Ada refreshes the page', () =>
        Promise.all([server.stop('SIGKILL'), ada.refreshes()]),
      );
      await ada.ready();
      await movesOn(story, ada, since);
      await then();
    },
    () => server.start(),
  );
}

export const killedInMidSwitch = {
  title:
    'The server in use is killed, the agent refreshes in mid-switch, and another server brings the call back',
  servers: 2,
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACallAtTheFirst(story);
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    const { transcript } = customer.mark();
    await refreshesAsItIsKilled(story, ada, async () => {
      // Words come only if the agent is not back before.
      await story.step('the customer hears that something happens', () =>
        customer.hears(/tone|announcement|comfort/, { from: transcript }),
      );
      const { task: again } = await isBack(story, ada, customer, task);
      neverInSilence(customer, transcript);
      await isDoneOnce(story, task, 1);
      // What is said on hold may be cut short by the move, and is then said again in the queue: what counts is what was asked for.
      const done = (await story.twilio.log()).filter((line) => line.includes(customer.call));
      const times = (/** @type {string} */ what) => done.filter((line) => line.includes(what)).length;
      assert.ok(times('is on hold now') <= 1, `told once at most: ${done}`);
      assert.equal(times('is redirected to'), 1, `moved once: ${done}`);
      const { timeline } = customer.mark();
      await story.step('Ada hangs up', () => ada.hangsUp());
      await endsAsEver(story, ada, customer, again, timeline);
    });
  },
};

export const killedInPlace = {
  title:
    'The server in use is killed, the agent refreshes in mid-switch, and is back in place by another server',
  servers: 2,
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACallAtTheFirst(story);
    const { timeline: from } = customer.mark();
    await refreshesAsItIsKilled(story, ada, async () => {
      await isBackInPlace(story, ada, customer, task, { from });
      await isDoneOnce(story, task, 0);
    });
  },
};

/** The call goes on at the second server, and ends there as ever. */
async function goesOn(
  /** @type {Story} */ story,
  /** @type {Agent} */ ada,
  /** @type {Customer} */ customer,
  /** @type {any} */ task,
  /** @type {number} */ timeline,
) {
  await nothingHappens(story, customer, timeline);
  await story.step('Ada hangs up', () => ada.hangsUp());
  await endsAsEver(story, ada, customer, task, timeline);
}

export const killed = {
  title: 'The server in use is killed, the page moves to another one, and the call goes on',
  servers: 2,
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACallAtTheFirst(story);
    const { server } = story.demo;
    const { timeline } = customer.mark();
    await during(
      story,
      async () => {
        const since = Date.now();
        await server.stop('SIGKILL');
        await movesOn(story, ada, since);
        await isCounted(story);
        await goesOn(story, ada, customer, task, timeline);
      },
      () => server.start(),
    );
  },
};

export const movedBeforeTheEnd = {
  title: 'The server in use is stopped, the page is told to move, and the call goes on',
  servers: 2,
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACallAtTheFirst(story);
    const { server } = story.demo;
    const { timeline } = customer.mark();
    await during(
      story,
      async () => {
        const since = Date.now();
        const ended = server.stop().then(() => Date.now() - since);
        await movesOn(story, ada, since);
        story.print(`    the first server had ended after ${await ended} ms`);
        /** @type {Array<{at: number, event: string}>} */
        const events = await ada.page.evaluate('JSON.parse(Rejoin.supportBundle()).events');
        const heard = events.filter(({ at }) => at >= since).map(({ event }) => event);
        assert.ok(heard.includes('move'), `the page was told to move: ${heard}`);
        const failures = heard.filter((event) => event === 'noReply' || event === 'pushDown');
        assert.deepEqual(failures, [], `nothing has failed: ${heard}`);
        await goesOn(story, ada, customer, task, timeline);
      },
      () => server.start(),
    );
  },
};

export const standsStill = {
  title:
    'The server in use stands still with its connections open, the page moves, and so does the next page',
  servers: 2,
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACallAtTheFirst(story);
    const { server } = story.demo;
    const { timeline } = customer.mark();
    await during(
      story,
      async () => {
        const since = Date.now();
        server.signal('SIGSTOP');
        await movesOn(story, ada, since);
        await nothingHappens(story, customer, timeline);
        const again = Date.now();
        await story.step('Ada refreshes the page', () => ada.refreshes());
        await ada.ready();
        await movesOn(story, ada, again);
        await isBackInPlace(story, ada, customer, task, { from: timeline });
        await isDoneOnce(story, task, 0);
      },
      () => server.signal('SIGCONT'),
    );
    // What it would have done meanwhile is done by another one, or over.
    const { timeline: from } = customer.mark();
    await nothingHappens(story, customer, from);
    await isDoneOnce(story, task, 0);
    await story.step('Ada hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, task, from);
  },
};
