// A recovery in place, filmed at the agent's desktop and the customer's phone. Draws the animated picture in the README.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Film } from './film.mjs';
import { isBackInPlace } from './in-place.mjs';
import { WORKER } from './people.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('playwright-core').Page} Page */

/** Limits of the picture, in bytes and in pixels. */
const LARGEST = 1_500_000;
const WIDEST = 900;
/** Tone of the agent's microphone, in Hz. It is continuous; Chromium's fake microphone beeps, which the phone shows as silences. */
const VOICE = 400;

/**
 * Delays matching requests of a page until `letGo`.
 * @param {Page} page
 * @param {string} url
 * @param {(body: string) => boolean} [fits] decides by the request's body
 */
async function hold(page, url, fits = () => true) {
  let letGo = () => {};
  let arrived = () => {};
  const gone = new Promise((done) => (letGo = () => done(undefined)));
  const held = new Promise((done) => (arrived = () => done(undefined)));
  await page.route(url, async (route) => {
    if (!fits(route.request().postData() ?? '')) return route.continue();
    arrived();
    await gone;
    return route.continue();
  });
  return { held, letGo };
}

export const sideBySide = {
  title: 'A refresh, seen at the desktop of the agent and at the phone of the customer',
  // Gives the screenshots time on a slow machine, before the call would go to the next agent.
  settings: { REJOIN_PING_TTL_MS: '60000' },
  play,
};

async function play(/** @type {Story} */ story) {
  await story.twilio.attributes(WORKER.ada, { rejoin: { rejoinedForMs: 10_000, joinWithinMs: 30_000 } });
  const ada = await story.step('the agent signs in to Flex', () => story.agent('ada', { microphone: VOICE }));
  const customer = await story.step('a customer calls from the phone page', () => story.customerAtPage());
  const phone = customer.page;
  assert.ok(phone);
  await story.step('the phone rings, the agent accepts', () => ada.accepts());
  await story.step('both are on the call, and the server knows', () => customer.notes('connected'));
  await story.step('the agent hears the customer', () => ada.hearsMicrophone());
  const [task] = await ada.tasks();
  const from = customer.mark().timeline;

  const table = await phone.context().newPage();
  await table.goto(story.demo.pageUrl);
  const film = await Film.of({ agent: ada.page, customer: phone, table, folder: story.folder });
  const last = phone.locator('#transcript li:last-child');
  const announced = phone.locator('#transcript li.announcement', { hasText: 'your agent was interrupted' });
  /** Asserts what the phone shows: the line is up, what plays now, and whether the interruption was announced. */
  const phoneShows =
    (/** @type {RegExp} */ plays, /** @type {{told: boolean}} */ { told }) =>
    async () => {
      assert.equal(await phone.getByRole('status').textContent(), 'On the line');
      assert.match((await last.textContent()) ?? '', plays);
      assert.equal(await announced.count(), told ? 1 : 0, 'announcements of the interruption');
    };
  const dialogSays = (/** @type {string} */ text) => async () =>
    assert.ok(await ada.dialog().getByText(text, { exact: true }).isVisible(), `the dialog says ${text}`);
  const onTheCall = async () => {
    assert.equal(await ada.hasCall(), true, 'the desktop has the call');
    assert.equal(await ada.dialog().count(), 0, 'no dialog');
    assert.ok(
      await ada.page.getByRole('button', { name: 'Hang Up' }).first().isVisible(),
      'the desktop shows the call',
    );
  };
  const loading = () => ada.page.getByText('Loading ...').waitFor({ timeout: 5000 });

  const talk = { agent: onTheCall, customer: phoneShows(/Agent$/, { told: false }) };
  await story.step('they talk', () =>
    film.frame({ caption: 'An agent and a customer are on a call.', ms: 1600 }, talk),
  );
  const pressed = { caption: 'The agent refreshes the browser during the call.', refreshes: true };
  await story.step('the pointer goes to the button that loads the page again', () =>
    film.frame({ ...pressed, ms: 1600, at: 'agent' }, talk),
  );

  const plugin = await hold(ada.page, '**/plugin-rejoin.js*');
  const join = await hold(ada.page, '**/wschannels*', (body) =>
    /"type":"agent"/.test(body.replaceAll('\\', '')),
  );
  await story.step('the agent refreshes the page', () => ada.page.reload({ waitUntil: 'commit' }));
  const alone = phoneShows(/interrupted|Comfort audio$/, { told: true });
  await story.step('the customer stays on the line, and is told', () =>
    film.frame(
      { caption: 'The customer stays on the line and hears what happened.', ms: 2400, at: 'customer' },
      {
        agent: loading,
        customer: async () => {
          await alone();
          assert.ok(await isInSight(announced), 'the whole announcement is visible');
        },
      },
    ),
  );

  plugin.letGo();
  await story.step('the desktop is back, and joins', () => join.held);
  await story.step('the dialog says so', () =>
    film.frame(
      { caption: 'Flex is back, and the agent is put back on the call.', ms: 2000, at: 'agent' },
      { agent: dialogSays('Putting you back on the call'), customer: alone },
    ),
  );

  join.letGo();
  const again = phoneShows(/Agent$/, { told: true });
  const back = await story.step('the dialog says that the agent is back, and the customer hears it', () =>
    film.frame(
      { caption: 'Reconnected: the same call, without a click.', ms: 2200, at: 'both' },
      { agent: dialogSays('You are back on the call.'), customer: again },
    ),
  );
  await isBackInPlace(story, ada, customer, task, { from, hearsCustomer: false });
  await story.step('the agent hears the customer again', () => ada.hearsMicrophone());
  await story.step('they go on talking', () =>
    film.frame({ caption: 'The conversation goes on.', ms: 1800 }, { agent: onTheCall, customer: again }),
  );

  await story.step('the frames become a picture', async () => {
    const picture = film.animated();
    const { durations, width, repeats } = await film.plays(picture);
    assert.deepEqual(
      durations,
      film.frames.map(({ ms }) => ms),
    );
    const total = durations.reduce((sum, ms) => sum + ms, 0);
    assert.ok(total >= 6000 && total <= 12_000, `it takes ${total} ms`);
    assert.ok(repeats, 'the animation repeats');
    assert.ok(width <= WIDEST, `${width} pixels wide`);
    assert.ok(picture.length <= LARGEST, `${picture.length} bytes`);
    const caption = 'After a browser refresh: back on the same call, without a click.';
    const keep = (/** @type {string} */ name, /** @type {Buffer} */ png) =>
      writeFileSync(path.join(story.folder, `${name}.png`), png);
    keep('recovery', picture);
    keep('recovery-still', await film.draw({ caption }, back, ''));
  });
  await story.step('the customer hangs up', () => phone.getByRole('button', { name: 'Hang up' }).click());
  await story.step('and the call is over', () => customer.notes('call-ended'));
}

/** True if the whole line is within the visible part of its list. */
const isInSight = (/** @type {import('playwright-core').Locator} */ line) =>
  line.evaluate((line) => {
    const [inner, outer] = [line, /** @type {Element} */ (line.parentElement)].map((each) =>
      each.getBoundingClientRect(),
    );
    return inner.top >= outer.top && inner.bottom <= outer.bottom;
  });
