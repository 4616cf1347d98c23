// Events that the server receives from TaskRouter, not from a page.

import { isBack, isTold, talk } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */

const TYPES = [
  'reservation.accepted',
  'reservation.rejected',
  'reservation.timeout',
  'reservation.canceled',
  'reservation.wrapup',
  'task.canceled',
  'task-queue.entered',
];

export const pingAlone = {
  title: 'An agent whose page cannot say hello is back on the call, because the ping was accepted',
  async play(/** @type {Story} */ story) {
    await story.step('the server receives TaskRouter events', () =>
      story.twilio.streams(
        `${story.demo.serverUrl}/webhooks/events`,
        TYPES.map((type) => `com.twilio.taskrouter.${type}`),
      ),
    );
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    await story.twilio.assume({ dtlsCloseEndsLeg: true });
    const { transcript } = customer.mark();
    await story.step('no hello gets through any more', () =>
      ada.context.route('**/v1/hello', (route) => route.abort()),
    );
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await isTold(story, customer, transcript);
    await story.step('the ping is accepted, and the server knows', () => customer.notes('agent-back'));
    await ada.ready();
    await isBack(story, ada, customer, task);
  },
};
