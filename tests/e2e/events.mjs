// Events that the server receives from TaskRouter, not from a page.

import assert from 'node:assert/strict';
import { isHello } from './people.mjs';
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
    let refused = 0;
    await story.step('no hello gets through any more', () =>
      ada.context.route(isHello, (route) => {
        refused += 1;
        return route.abort();
      }),
    );
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await isTold(story, customer, transcript);
    await story.step('the ping is accepted, and the server knows', () => customer.notes('agent-back'));
    await ada.ready();
    await isBack(story, ada, customer, task);
    assert.ok(refused > 0, 'the page tried to say hello');
  },
};
