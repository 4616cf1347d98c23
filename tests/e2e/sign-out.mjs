// Agents who sign out on purpose: there is no question, no recovery, and nothing of them is left.

import assert from 'node:assert/strict';
import { onACall } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */
/** @typedef {import('./people.mjs').Customer} Customer */

/** What the plugin keeps for the next page. @returns {Promise<string[]>} */
const kept = (/** @type {Agent} */ ada) =>
  ada.page.evaluate(() => Object.keys(localStorage).filter((key) => /^rejoin[.](out|live)[.]/.test(key)));

/** Signs out; the browser must not ask whether the page may be left. */
async function signsOut(/** @type {Story} */ story, /** @type {Agent} */ ada) {
  /** @type {string[]} */
  const asked = [];
  ada.page.on('dialog', (dialog) => asked.push(dialog.type()));
  await story.step('Ada signs out', () => ada.signsOut());
  await story.step('Twilio has no desktop of Ada any more', () =>
    story.twilio.becomes('gone', async () => (await story.twilio.worker('ada')).sockets === 0, 15_000),
  );
  await ada.shot(story.folder, 'signed-out');
  assert.deepEqual(asked, [], 'the browser asks nothing');
  assert.equal(await ada.dialog().count(), 0, 'no dialog');
  assert.deepEqual(await kept(ada), [], 'nothing of the agent is left');
}

async function nothingIsRecovered(
  /** @type {Story} */ story,
  /** @type {Customer} */ customer,
  /** @type {any} */ task,
) {
  const recovering = /page-gone|agent-lost|joining-in-place|holding-the-line|requeueing/;
  const noted = customer.timeline.said.map(({ note }) => note?.what);
  assert.deepEqual(
    noted.filter((what) => recovering.test(what)),
    [],
    'nothing is recovered',
  );
  const others = (await story.twilio.tasks()).filter(
    (/** @type {any} */ t) => t.attributes.disconnectedTaskSid === task.taskSid,
  );
  assert.deepEqual(others, [], 'no ping and no reconnect task');
}

const isOver = (/** @type {Story} */ story, /** @type {Customer} */ customer) =>
  story.step('the customer is not left on the line', () =>
    story.twilio.becomes('over', async () => !(await customer.heard()).live),
  );

export const duringACall = {
  title: 'An agent signs out during a call, and that ends it',
  async play(/** @type {Story} */ story) {
    const { ada, customer, task } = await onACall(story);
    await signsOut(story, ada);
    await story.step('the call ends for the server', () => customer.notes('call-ended'));
    await isOver(story, customer);
    await nothingIsRecovered(story, customer, task);
  },
};

export const afterACall = {
  title: 'An agent signs out after a call, and requests that were kept for delivery are gone',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    await story.step('the browser loses the server', () =>
      ada.context.route(`${story.demo.serverUrl}/v1/**`, (route) => route.abort()),
    );
    const customer = await story.step('a customer calls', () => story.customer());
    await story.step('the phone rings, the agent accepts', () => ada.accepts());
    await story.step('the customer hears the agent', () => customer.hearsAgent());
    await story.step('the registration is kept', () =>
      story.twilio.becomes('kept', async () => (await kept(ada)).length > 0),
    );
    // The mark of the hang-up is kept until it is delivered. A registration would be dropped with the task.
    await story.step('Ada hangs up', () => ada.hangsUp());
    await isOver(story, customer);
    await story.step('Ada completes the task', () => ada.completes());
    await story.step('something is still to be delivered', () =>
      story.twilio.becomes('kept', async () => (await kept(ada)).length > 0),
    );
    await signsOut(story, ada);
  },
};
