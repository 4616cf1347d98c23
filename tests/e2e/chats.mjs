// Agents and customers who write.

import assert from 'node:assert/strict';
import { onAChat } from './chat-people.mjs';

/** @typedef {import('./story.mjs').Story} Story */

export const toItsEnd = {
  title: 'An agent answers a chat, refreshes the tab, and ends the chat',
  async play(/** @type {Story} */ story) {
    const { ada, customer } = await onAChat(story);
    await story.shot(ada, 'chat');
    await story.step('Ada refreshes the tab, and sees the chat again', async () => {
      await ada.refreshes();
      await ada.ready();
      await ada.page.getByText('How can I help?').first().waitFor({ timeout: 30_000 });
    });
    await story.step('the customer writes, and Ada reads it', async () => {
      await customer.writes('My parcel is late.');
      await ada.page.getByText('My parcel is late.').first().waitFor({ timeout: 20_000 });
    });
    await story.shot(ada, 'after-refresh');
    await story.step('Ada ends the chat and completes it', async () => {
      await ada.page.getByRole('button', { name: /^End/ }).first().click({ timeout: 20_000 });
      await ada.completes();
      await story.twilio.becomes('completed', async () => !(await ada.tasks()).length);
    });
    const { status } = await customer.sees();
    assert.equal(status, 'closed');
  },
};
