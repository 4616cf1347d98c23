// The built file in the real Flex UI, loaded by its own plugin loader, next to other plugins that do the same things.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startDemo } from '../../scripts/lib/demo.mjs';
import { root } from '../../scripts/lib/run.mjs';
import { Browsers } from '../e2e/browsers.mjs';
import { Story } from '../e2e/story.mjs';

/** @typedef {import('../e2e/people.mjs').Agent} Agent */
/** @typedef {{conference: string, callSid: string, endConferenceOnExit: boolean}} Wish */

const folder = path.join(root, 'target/e2e/packaging');
const plugins = path.join(root, 'tests/packaging/plugins');

/** @type {import('../e2e/people.mjs').Demo} */
let demo;
/** @type {Browsers} */
let browsers;
/** @type {http.Server} */
let functions;
/** What the other plugin had its function set. @type {Wish[]} */
const wishes = [];

before(async () => {
  mkdirSync(folder, { recursive: true });
  // The account's function: asks the REST API, with the credentials that a browser does not have.
  functions = http.createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    /** @type {Wish} */
    const wish = JSON.parse(body);
    const { accountSid, TWILIO_AUTH_TOKEN } = demo.auth;
    const authorization = `Basic ${Buffer.from(`${accountSid}:${TWILIO_AUTH_TOKEN}`).toString('base64')}`;
    const place = `2010-04-01/Accounts/${accountSid}/Conferences/${wish.conference}/Participants/${wish.callSid}.json`;
    const { status } = await fetch(`${demo.twinUrl}/__tw/api.twilio.com/${place}`, {
      method: 'POST',
      headers: { authorization },
      body: new URLSearchParams({ EndConferenceOnExit: String(wish.endConferenceOnExit) }),
    });
    if (status === 200) wishes.push(wish);
    response.writeHead(status, { 'access-control-allow-origin': '*' }).end();
  });
  await new Promise((done) => functions.listen(0, '127.0.0.1', () => done(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (functions.address());
  const monitor = path.join(folder, 'conference-monitor.js');
  const text = readFileSync(path.join(plugins, 'conference-monitor.js'), 'utf8');
  writeFileSync(monitor, text.replace('{{function}}', `http://127.0.0.1:${port}/`));

  demo = await startDemo({
    dir: path.join(folder, 'demo'),
    extraPlugins: [path.join(plugins, 'action-listener.js'), monitor],
  });
  browsers = new Browsers(process.env.CHROMIUM ?? '/usr/bin/chromium', { shell: process.env.HEADLESS_SHELL });
});

after(async () => {
  await browsers?.close();
  await demo?.stop();
  functions.closeAllConnections();
  functions.close();
});

/** @returns {Promise<string[]>} */
const heard = (/** @type {Agent} */ agent) =>
  agent.page.evaluate(() => JSON.parse(sessionStorage.getItem('heard') ?? '[]'));

/** Has the other plugin's wish been carried out, and been taken back again? */
async function wishedInVain(/** @type {Story} */ story, /** @type {string} */ taskSid, from = 0) {
  const { sid } = await story.twilio.conference(taskSid);
  await story.step('another plugin has the flag set', () =>
    story.twilio.becomes('the wish', async () => {
      const { participants } = await story.twilio.conference(taskSid);
      // Even on the leg of a page that is gone: it is the one whose end must not end the call.
      const agents = participants.filter((/** @type {any} */ p) => p.kind === 'agent');
      return wishes
        .slice(from)
        .some(
          ({ conference, callSid, endConferenceOnExit }) =>
            conference === sid &&
            endConferenceOnExit &&
            agents.some((/** @type {any} */ p) => p.callSid === callSid),
        );
    }),
  );
  await story.step('and it is taken back', () =>
    story.twilio.becomes('endConferenceOnExit is false on the agent', async () => {
      const conference = await story.twilio.conference(taskSid);
      const [agent, ...more] = conference.participants.filter(
        (/** @type {any} */ p) => p.joined && p.kind === 'agent',
      );
      return agent?.endConferenceOnExit === false && !more.length;
    }),
  );
}

for (const [how, assumptions] of /** @type {Array<[string, object]>} */ ([
  ['in place', {}],
  ['through the queue', { dtlsCloseEndsLeg: true }],
])) {
  test(`beside other plugins a call comes back ${how}`, { timeout: 180_000 }, async () => {
    const story = new Story(`Beside other plugins ${how}`, demo, browsers, folder);
    try {
      const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
      const scripts = await ada.page.evaluate(() =>
        performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname),
      );
      const list = scripts.indexOf('/plugins');
      assert.ok(list >= 0, 'the loader has asked for the list');
      for (const name of ['plugin-rejoin', 'action-listener', 'conference-monitor']) {
        assert.ok(scripts.indexOf(`/plugins/${name}.js`) > list, `and then loaded ${name}`);
      }
      const customer = await story.step('a customer calls', () => story.customer());
      await story.step('the phone rings, the agent accepts', () => ada.accepts());
      await story.step('both are on the call, and the server knows', () => customer.notes('connected'));
      const [task] = await ada.tasks();
      await wishedInVain(story, task.taskSid);
      const options = await ada.page.evaluate('window.acceptedWith');
      assert.equal(options.conferenceTrim, 'trim-silence', "the other plugin's option is kept");
      const ours = `${demo.serverUrl}/webhooks/conference?worker=`;
      assert.ok(options.conferenceStatusCallback.startsWith(ours), 'beside ours');

      await story.twilio.assume(assumptions);
      const before = wishes.length;
      await story.step('Ada refreshes the page', () => ada.refreshes());
      const ended = await story.step('the call is back, without a click', () => customer.notes('ended'));
      assert.equal(ended.note.outcome, 'rejoined');
      await ada.ready();
      const [now, ...more] = (await ada.tasks()).filter(({ status }) => status === 'accepted');
      assert.deepEqual(more, [], 'one call');
      assert.equal(now.taskSid === task.taskSid, how === 'in place');
      await wishedInVain(story, now.taskSid, before);
      await story.step('audio runs both ways', async () => {
        await customer.hearsAgent();
        await ada.hearsCustomer();
      });
      await story.step('Ada hangs up', () => ada.hangsUp());
      await story.step('no leg is left on the line', () =>
        story.twilio.becomes('the end', async () => {
          const { status } = await story.twilio.conference(now.taskSid);
          return status === 'completed' && !(await customer.heard()).live;
        }),
      );
      await story.step('Ada completes the task', () => ada.completes());
      await story.step('Flex has no task left', () =>
        story.twilio.becomes('no task', async () => (await ada.tasks()).length === 0),
      );

      const accepts = how === 'in place' ? 1 : 2;
      const all = await heard(ada);
      for (const [what, times] of [
        ['before AcceptTask', accepts],
        ['after AcceptTask', accepts],
        ['before HangupCall', 1],
        ['after HangupCall', 1],
        ['before CompleteTask', 1],
      ]) {
        assert.equal(all.filter((line) => line === what).length, times, `${what}: ${all}`);
      }
    } catch (error) {
      await story.keepEvidence(error);
      throw error;
    } finally {
      await story.end();
    }
  });
}
