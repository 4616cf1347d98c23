// The operators' console, as the demo opens it.

import assert from 'node:assert/strict';
import path from 'node:path';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('playwright-core').Page} Page */

const PATIENCE = { timeout: 20_000 };

/** Opens a link of the demo that leads to the console, in a tab of its own, without a word to type. */
const opens = async (/** @type {Page} */ page, /** @type {string} */ name, /** @type {string} */ title) => {
  const [opened] = await Promise.all([
    page.waitForEvent('popup', PATIENCE),
    page.getByRole('link', { name }).click(),
  ]);
  await opened.getByRole('heading', { level: 1, name: title, exact: true }).waitFor(PATIENCE);
  await opened.locator('#mode', { hasText: 'Live' }).waitFor(PATIENCE);
  return opened;
};

export const consoleOfTheDemo = {
  title: 'The console, opened from the demo, shows a recovery while it goes on',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls from the page', () => story.customerAtPage());
    const phone = customer.page;
    assert.ok(phone);
    await story.step('the phone rings, the agent accepts', () => ada.accepts());
    await story.step('both are on the call, and the server knows', () => customer.notes('connected'));
    const start = await phone.context().newPage();
    await start.goto(story.demo.pageUrl);
    const keep = (/** @type {Page} */ page, /** @type {string} */ name) =>
      page.screenshot({ path: path.join(story.folder, `${name}.png`) });
    await keep(start, 'start');
    const now = await story.step('the console opens from the start page', () =>
      opens(start, 'Console', 'Now'),
    );
    const call = await story.step('and the call from the phone', () =>
      opens(phone, 'This call on the console', 'Call'),
    );
    assert.ok(call.url().endsWith(`/console/calls/${customer.call}`), call.url());
    const from = customer.mark().timeline;
    const refreshed = ada.refreshes();
    await story.step('Ada refreshes, and the console shows the recovery', async () => {
      await now.locator('#recoveries a', { hasText: customer.call }).waitFor(PATIENCE);
      await keep(now, 'now');
    });
    await story.step('the call is back, without a click', () => customer.notes('ended', { from }));
    await refreshed;
    await story.step('the page of the call shows its end', async () => {
      await call
        .locator('rejoin-timeline', { hasText: /The recovery ended after .*: rejoined\./ })
        .waitFor(PATIENCE);
      await keep(call, 'call');
      await keep(phone, 'phone');
    });
    await story.step('and no recovery is open any more', () =>
      now.locator('#recoveries', { hasText: 'No recovery is open.' }).waitFor(PATIENCE),
    );
  },
};
