// A wrapper around a method of the Voice SDK (js-shim/flex-effects.js) keeps a leg when its page ends. It is tested
// here with the SDK inside Flex and with the newest one, in Chromium, against the twin's signalling; and so is what the SDK
// does with a page that goes into the back/forward cache, on which src/agent/returning.rs rests.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { build } from 'esbuild';
import { startDemo } from '../scripts/lib/demo.mjs';
import { root } from '../scripts/lib/run.mjs';
import { chromium as installed } from '../scripts/lib/setup.mjs';
import { Browsers } from './e2e/browsers.mjs';
import { Customer, Twilio, WORKER } from './e2e/people.mjs';

const SDKS = [
  { name: 'the Voice SDK inside Flex', from: '@twilio/voice-sdk', survivesTheCache: false },
  { name: 'the newest Voice SDK', from: 'voice-sdk-newest', survivesTheCache: true },
];

/** @type {Awaited<ReturnType<typeof startDemo>>} */
let demo;
/** @type {Twilio} */
let twilio;
/** @type {Browsers} */
let browsers;
/** @type {import('node:http').Server} */
let server;
/** @type {string} */
let origin;
/** @type {Record<string, string>} by the SDK's package */
const scripts = {};
/** @type {Array<{leave(): unknown}>} */
let open = [];

/** A page with a phone that answers, and our effects on it. */
const PAGE = `<!doctype html><title>phone</title><script>
  const { token, twin } = SESSION;
  const Socket = window.WebSocket; // the SDK reads it when it is loaded
  window.WebSocket = class extends Socket {
    constructor(url, protocols) {
      super(url.replace('wss://', twin.replace('http', 'ws') + '/__tw/'), protocols);
    }
  };
</script><script src="/SDK.js"></script><script type="module">
  const { Device, createEffects } = window.bundle;
  window.device = new Device(token, { logLevel: 'silent' });
  window.perform = createEffects({}, { voiceClient: device }, {});
  device.on('error', (error) => console.warn(String(error)));
  [window.received, window.sent] = [[], []];
  device.on('incoming', (call) => {
    window.call = call;
    call.on('messageReceived', (message) => received.push(message));
    call.on('messageSent', (message) => sent.push(message));
    call.accept();
  });
  await device.register();
</script>`;

before(async () => {
  demo = await startDemo({ dir: path.join(root, 'target/voice-sdk'), latencyMs: 0 });
  twilio = new Twilio(demo);
  browsers = new Browsers(await installed(), { shell: process.env.HEADLESS_SHELL });
  for (const { from } of SDKS) {
    const contents = `import { Device } from '${from}';
      import { createEffects } from './js-shim/flex-effects.js';
      window.bundle = { Device, createEffects };`;
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: root },
      bundle: true,
      write: false,
      format: 'iife',
      platform: 'browser',
      define: { global: 'window' },
    });
    scripts[`/${from}.js`] = outputFiles[0].text;
  }
  const flex = await (await fetch(`${demo.twinUrl}/flex?worker=ada`)).text();
  const [, session] = /id="session"[^>]*>([^<]*)</.exec(flex) ?? [];
  const { token } = JSON.parse(session);
  server = createServer(({ url = '/' }, response) => {
    const session = JSON.stringify({ token, twin: demo.twinUrl });
    const page = url === '/elsewhere' ? 'elsewhere' : PAGE.replace('/SDK', url).replace('SESSION', session);
    const type = scripts[url] ? 'text/javascript' : 'text/html';
    response.writeHead(200, { 'content-type': type }).end(scripts[url] ?? page);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  origin = `http://localhost:${port}`;
});

/** Nobody is on a call, and no browser open. */
async function tidy() {
  for (const it of open.splice(0)) await it.leave();
  await twilio.tidy();
}

afterEach(tidy);

after(async () => {
  server.closeAllConnections();
  server.close();
  await browsers.close();
  await demo.stop();
});

const state = (/** @type {import('playwright-core').Page} */ page) =>
  page.evaluate(() => /** @type {any} */ (window).device?.state);

const registered = (/** @type {import('playwright-core').Page} */ page) =>
  page.waitForFunction(() => /** @type {any} */ (window).device?.state === 'registered', null, {
    timeout: 20_000,
  });

/** A page with the phone of Ada. */
async function phone(/** @type {string} */ from) {
  const context = await browsers.keeping();
  open.push({ leave: () => context.close() });
  const page = await context.newPage();
  await page.goto(`${origin}/${from}`);
  await registered(page);
  return page;
}

/** Ada's phone is on a call. @returns {Promise<{leg: string, task: string}>} */
async function call(/** @type {import('playwright-core').Page} */ page) {
  await twilio.available('ada');
  const customer = await Customer.dials(demo);
  open.push({ leave: () => customer.hangUp().finally(() => customer.leave()) });
  const offered = await twilio.becomes('offered', async () => {
    const { reservations } = await twilio.state();
    return reservations.find((/** @type {any} */ it) => it.status === 'pending' && it.worker === WORKER.ada);
  });
  const { workspaceSid } = demo.auth;
  const url = `${demo.twinUrl}/__tw/taskrouter.twilio.com/v1/Workspaces/${workspaceSid}/Tasks/${offered.task}/Reservations/${offered.sid}`;
  const accepted = await fetch(url, {
    method: 'POST',
    headers: { authorization: twilio.authorization() },
    body: new URLSearchParams({ Instruction: 'conference', To: 'client:ada_40example_2Ecom' }),
  });
  assert.equal(accepted.status, 200, await accepted.text());
  await page.waitForFunction(() => /** @type {any} */ (window).device.isBusy);
  const leg = await twilio.becomes('on the call', async () => {
    const conference = await twilio.conference(offered.task);
    return conference?.participants.find((/** @type {any} */ it) => it.kind === 'agent' && it.joined)
      ?.callSid;
  });
  return { leg, task: offered.task };
}

const keepLegs = (/** @type {import('playwright-core').Page} */ page) =>
  page.evaluate(() => /** @type {any} */ (window).perform({ keepLegs: { keep: true } }));

/** The twin has declared a leg without sound dead: no end has hung up. */
const wasLeftStanding = async (/** @type {string} */ leg) =>
  (await twilio.log()).some((line) => line.includes(`${leg} has been silent for too long`));

const isGone = (/** @type {{leg: string, task: string}} */ { leg, task }) =>
  twilio.becomes('the leg is gone', async () => {
    const { participants } = await twilio.conference(task);
    return participants.every((/** @type {any} */ it) => it.callSid !== leg || !it.joined);
  });

async function back(/** @type {import('playwright-core').Page} */ page) {
  await page.evaluate('setTimeout(() => history.back())');
  await page.waitForFunction(() => location.pathname !== '/elsewhere' && 'device' in window);
}

/** Where Twilio posts the messages of a call. */
async function listener() {
  /** @type {any[]} */
  const heard = [];
  const there = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    heard.push({ type: request.headers['content-type'], ...JSON.parse(body) });
    response.writeHead(204).end();
  }).listen(0, '127.0.0.1');
  await once(there, 'listening');
  open.push({ leave: () => there.close() });
  const { port } = /** @type {import('node:net').AddressInfo} */ (there.address());
  return { heard, url: `http://127.0.0.1:${port}/messages` };
}

const isRestored = (/** @type {import('playwright-core').Page} */ page) =>
  page.evaluate(() => 'marked' in window);

/** @type {Record<string, (page: import('playwright-core').Page) => Promise<unknown>>} */
const ENDS = {
  'is loaded anew': (page) => page.reload(),
  'is left for another one': (page) => page.goto(`${origin}/elsewhere`),
};

for (const { name, from, survivesTheCache } of SDKS) {
  test(`${name}: call messages go both ways, and the SDK is told that Twilio has its message`, async () => {
    const page = await phone(from);
    const { leg } = await call(page);
    const { heard, url } = await listener();
    await twilio.subscribes(leg, url);
    const { sid } = await twilio.sends(leg, { question: 'ü' });
    await page.waitForFunction('received.length');
    const [{ content, messageType, voiceEventSid }] = await page.evaluate('received');
    assert.deepEqual(content, { question: 'ü' });
    assert.deepEqual([messageType, voiceEventSid], ['user-defined-message', sid]);
    const named = await page.evaluate(
      `call.sendMessage({ content: { answer: 1 }, messageType: 'user-defined-message' })`,
    );
    await page.waitForFunction('sent.length');
    assert.equal(await page.evaluate('sent[0].voiceEventSid'), named);
    const [{ type, Content, CallSid, SequenceNumber, Sid }] = await twilio.becomes('told', () =>
      Promise.resolve(heard.length && heard),
    );
    assert.equal(type, 'application/json');
    assert.deepEqual([Content, CallSid, SequenceNumber, Sid], ['{"answer":1}', leg, '0', named]);
  });

  for (const [end, ends] of Object.entries(ENDS)) {
    test(`${name}: a page with a call that ${end} hangs up, and with our hook it does not`, async () => {
      const without = await phone(from);
      const first = await call(without);
      await ends(without);
      await isGone(first);
      assert.equal(await wasLeftStanding(first.leg), false, 'without it');
      await tidy();

      // The test waits for the end of a leg that stands, which comes soon here.
      await twilio.assume({ deadLegAfterMs: 1000 });
      const page = await phone(from);
      const second = await call(page);
      await keepLegs(page);
      await ends(page);
      await isGone(second);
      assert.equal(await wasLeftStanding(second.leg), true, 'with it');
    });
  }

  test(`${name}: a page that keeps its leg is not restored`, async () => {
    const page = await phone(from);
    await call(page);
    await keepLegs(page);
    await page.evaluate('window.marked = true');
    await page.goto(`${origin}/elsewhere`);
    await back(page);
    assert.equal(await isRestored(page), false);
    const why = await page.evaluate(
      'performance.getEntriesByType("navigation")[0].notRestoredReasons.reasons.map(({ reason }) => reason)',
    );
    assert.ok(why.includes('rtc'), String(why));
    await registered(page);
  });

  test(`${name}: a page whose call was hung up is restored without a phone`, async () => {
    const page = await phone(from);
    const its = await call(page);
    await page.evaluate('window.marked = true');
    await page.goto(`${origin}/elsewhere`);
    await isGone(its);
    await back(page);
    assert.equal(await isRestored(page), true);
    assert.equal(await state(page), 'destroyed');
  });

  const becomes = survivesTheCache ? 'with a phone that is registered again' : 'without a phone';
  test(`${name}: a page without a call is restored ${becomes}`, async () => {
    const page = await phone(from);
    await page.evaluate('window.marked = true');
    await page.goto(`${origin}/elsewhere`);
    await back(page);
    assert.equal(await isRestored(page), true);
    if (survivesTheCache) await registered(page);
    else assert.equal(await state(page), 'destroyed');
  });
}
