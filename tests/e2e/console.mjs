// The operators' console, as the demo opens it.

import assert from 'node:assert/strict';
import path from 'node:path';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('playwright-core').Page} Page */

const PATIENCE = { timeout: 20_000 };

/** Opens a link of the demo that leads to the console, in a tab of its own, without a word to type. */
export const opens = async (
  /** @type {Page} */ page,
  /** @type {string} */ name,
  /** @type {string} */ title,
) => {
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
    await story.step('Ada types another address into the tab', () => ada.goesElsewhere());
    // The console reads every two seconds, and a refresh may be over sooner: Ada comes back once it has been seen.
    await story.step('the console shows the recovery', async () => {
      await now.locator('#recoveries a', { hasText: customer.call }).waitFor(PATIENCE);
      await keep(now, 'now');
    });
    await story.step('Ada comes back', () => ada.comesBack());
    await story.step('the call is back, without a click', () => customer.notes('ended', { from }));
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

/** Flex draws its entries as buttons or links, by its version. */
const entry = (/** @type {Page} */ page) => page.getByLabel('Rejoin console, opens a new tab');

export const consoleFromFlex = {
  title: 'A supervisor opens the console from Flex',
  async play(/** @type {Story} */ story) {
    const bo = await story.step('Bo, a supervisor, signs in to Flex', () => story.agent('bo'));
    const ada = await story.step('Ada, an agent, signs in to Flex', () => story.agent('ada'));
    await story.step("Bo's side navigation has a link", () => entry(bo.page).waitFor(PATIENCE));
    await story.shot(bo, 'side-navigation');
    /** @type {string[]} */
    const addresses = [];
    bo.page.context().on('request', (request) => addresses.push(request.url()));
    const opened = await story.step(
      'with the keyboard, Bo opens the console in a tab of its own',
      async () => {
        await entry(bo.page).focus();
        const [opened] = await Promise.all([
          bo.page.waitForEvent('popup', PATIENCE),
          bo.page.keyboard.press('Enter'),
        ]);
        await opened.locator('#mode', { hasText: 'Live' }).waitFor(PATIENCE);
        return opened;
      },
    );
    await story.step('and is signed in as a supervisor', () =>
      opened.getByText('Signed in as supervisor').waitFor(PATIENCE),
    );
    await opened.screenshot({ path: path.join(story.folder, 'opened.png') });
    assert.equal(new URL(opened.url()).pathname, '/console');
    assert.equal(await opened.evaluate('window.opener'), null, 'the console has no hold on Flex');
    const token = await bo.page.evaluate(
      'Twilio.Flex.Manager.getInstance().store.getState().flex.session.ssoTokenPayload.token',
    );
    assert.ok(String(token).length > 20, 'there is a token');
    assert.ok(addresses.some((address) => address.endsWith('/console/session')));
    assert.deepEqual(
      addresses.filter((address) => decodeURIComponent(address).includes(token)),
      [],
    );
    await opened.close();

    await story.step('a click on the label opens it, too', async () => {
      await bo.page.locator('.Twilio-Main-Header-IconButton').first().click();
      await bo.page.getByText('Rejoin', { exact: true }).click({ trial: true }); // once it no longer moves
      await story.shot(bo, 'side-navigation-wide');
      const [again] = await Promise.all([
        bo.page.waitForEvent('popup', PATIENCE),
        bo.page.getByText('Rejoin', { exact: true }).click(),
      ]);
      await again.getByText('Signed in as supervisor').waitFor(PATIENCE);
      await again.close();
    });

    await story.step('Ada has no link, though the server has answered', async () => {
      const answered = "JSON.parse(Rejoin.supportBundle()).events.some(({ event }) => event === 'reply')";
      await ada.page.waitForFunction(answered, null, PATIENCE);
      assert.equal(await entry(ada.page).count(), 0);
    });
  },
};
