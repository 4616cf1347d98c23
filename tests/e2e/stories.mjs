// What must hold, seen from outside: in the browser, in the customer's ear, in Twilio's state.

import assert from 'node:assert/strict';
import path from 'node:path';
import { WORKER } from './people.mjs';
import { PATIENT, endsAsEver, isBack, isTold, neverInSilence, talk } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./people.mjs').Customer} Customer */

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
    told.catch(() => {}); // awaited below
    const dialog = (async () => {
      await ada.refreshes();
      await ada.dialog().waitFor({ state: 'visible', timeout: 30_000 });
      await ada.dialog().getByText('The customer is still on the line').waitFor({ timeout: 20_000 });
      await ada.shot(story.folder, 'dialog');
    })();
    dialog.catch(() => {});
    await told;
    await story.step('the reloaded desktop shows the dialog', () => dialog);
    const { ms, task: again } = await isBack(story, ada, customer, task);
    neverInSilence(customer, transcript);
    refresh.recoveredIn = ms;
    const { timeline } = customer.mark();
    await story.step('Ada hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, again, timeline);
  },
};

export const phonePage = {
  title: 'A customer at the phone page hears and sees it all',
  settings: PATIENT,
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls from the page', () => story.customerAtPage());
    const { page } = customer;
    assert.ok(page);
    await story.step('the phone rings, the agent accepts', () => ada.accepts());
    await story.step('both are on the call, and the server knows', () => customer.notes('connected'));
    await story.step('the agent hears the microphone of the page', () => ada.hearsMicrophone());
    await story.step('the page hears something, by its own measure', () =>
      page.waitForFunction('Number(document.getElementById("level").ariaValueNow) > 5', null, {
        timeout: 20_000,
      }),
    );
    await story.step('Ada goes to another page by mistake', () => ada.goesElsewhere());
    const told = page.locator('#transcript li');
    const interrupted = told.filter({ hasText: 'connection to your agent was interrupted' });
    await story.step('the page says what the customer was told', () =>
      interrupted.first().waitFor({ timeout: 20_000 }),
    );
    const after = page.locator('#transcript li.announcement ~ li');
    await story.step('then comfort audio', () =>
      after.filter({ hasText: 'Comfort audio' }).first().waitFor({ timeout: 20_000 }),
    );
    await story.step('Ada comes back to Flex', () => ada.comesBack());
    await story.step('the call is back, without a click', () => customer.notes('ended'));
    await story.step('and the agent again', () =>
      after
        .filter({ hasText: /Agent$/ })
        .first()
        .waitFor({ timeout: 20_000 }),
    );
    await story.step('who hears the microphone again', () => ada.hearsMicrophone());
    const lines = page.locator('#timeline li');
    await story.step('and shows the timeline', async () => {
      await lines.nth(4).waitFor({ timeout: 20_000 });
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
    await story.step('the agent is not back in time', () => customer.notes('agent-not-back'));
    await story.step("Bo's phone rings", () => bo.rings());
    await bo.shot(story.folder, 'ringing');
    await story.step('Bo accepts', () => bo.accepts());
    const told = bo.page.getByText(/^ada@example.com lost the connection to this customer \d+ s ago/);
    await story.step('and is told who dropped, and when', () => told.waitFor({ timeout: 20_000 }));
    await bo.shot(story.folder, 'taken-over');
    const ended = await story.step('Bo has the customer', () => customer.notes('ended'));
    assert.equal(ended.note.outcome, 'handed-over');
    closedTab.recoveredIn = ended.note.after;
    const [taken] = (await bo.tasks()).filter((other) => other.status === 'accepted');
    assert.equal(taken.attributes.isReconnect, true);
    assert.equal(taken.attributes.targetWorkerSid, undefined);
    assert.equal(taken.attributes.disconnectedWorkerSid, WORKER.ada);
    assert.equal(taken.attributes.disconnectedWorkerName, 'ada@example.com');
    assert.equal(taken.attributes.disconnectedTaskSid, task.taskSid);
    const since = Math.abs(Number(taken.attributes.disconnectedTime) - closed);
    assert.ok(since < 10_000, `disconnectedTime is when the tab was closed (off by ${since} ms)`);
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
    await story.step('Ada hangs up', () => ada.hangsUp());
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
  title: "An agent's renderer crashes, and the orphaned leg is removed",
  async play(/** @type {Story} */ story) {
    await story.twilio.assume({ secondAgentLegRefused: true });
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    const { transcript } = customer.mark();
    await story.step('the renderer crashes', () => ada.crashes());
    await story.step('Ada opens Flex again', async () => {
      await ada.page.close();
      await ada.opens();
    });
    await isTold(story, customer, transcript);
    await isBack(story, ada, customer, task);
  },
};

/** How long the server is gone in the next story, in milliseconds. */
const GONE_FOR = 12_000;
/** The longest silence that a customer on hold hears then, in milliseconds: between two pieces of audio there is a breath. */
const BREATH = 3000;

export const serverGoneInRecovery = {
  title: 'The server is gone for 12 s in the middle of a recovery, and the customer is never in silence',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    const { transcript } = customer.mark();
    // A page that is refreshed may be up before the customer is told, and the customer on the way into the queue.
    await story.step('Ada leaves the page', () => ada.goesElsewhere());
    await story.step('the line is being held', () => customer.notes('holding-the-line'));
    await story.step('the customer is told', () => customer.hears(/announcement/, { from: transcript }));
    await story.step('the server is killed (SIGKILL)', () => story.demo.server.stop('SIGKILL'));
    const isBackOnPage = ada.comesBack();
    await story.step('and is gone for 12 s', () => new Promise((done) => setTimeout(done, GONE_FOR)));
    await story.step('it is started again', () => story.demo.server.start());
    await story.step('Ada is back on the page', () => isBackOnPage);
    await isBack(story, ada, customer, task);
    const silence = customer.longestSilence(transcript);
    assert.ok(silence <= BREATH, `the line was dead for ${silence} ms`);
    assert.equal((await customer.heard()).live, true, 'the customer was never hung up on');
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
