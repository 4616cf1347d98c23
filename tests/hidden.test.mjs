// The built plugin in a tab that nobody looks at. Chromium wakes timers of such a tab once a minute, if timers set them
// (https://developer.chrome.com/blog/timer-throttling-in-chrome-88), while a server takes a page that is silent for a minute for gone.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { bundle, flexStub, react, sid } from './flex-stub.mjs';

/** Chromium throttles a page from the fifth timer on that a timer has set: a page that is throttled makes a long pause before this hello. */
const HELLOS = 9;
/** Between two hellos: the page polls every 10 s, and Chromium rounds up. */
const AT_MOST = 25_000;

const chat = {
  sid: sid('WR', 1),
  taskSid: sid('WT', 1),
  status: 'accepted',
  channelType: 'web',
  workflowSid: sid('WW', 1),
  attributes: {
    conversationSid: sid('CH', 1),
    flexInteractionSid: sid('KD', 1),
    flexInteractionChannelSid: sid('UO', 1),
  },
};

test('a hidden page without a push channel polls on', { timeout: HELLOS * AT_MOST }, async (t) => {
  /** @type {number[]} */
  const hellos = [];
  let [isHidden, isEnough] = [() => {}, () => {}];
  const hidden = new Promise((resolve) => (isHidden = () => resolve(undefined)));
  const enough = new Promise((resolve) => (isEnough = () => resolve(undefined)));
  let origin = '';
  /** @type {Record<string, (() => string | Buffer) | undefined>} */
  const answers = {
    '/': () =>
      '<!doctype html><body><script src="/react.js"></script><script src="/stub.js"></script><script src="/plugin-rejoin.js"></script>',
    '/react.js': () => react,
    '/stub.js': () =>
      `(${flexStub})(${JSON.stringify({ server: origin, tasks: [chat] })});
       const says = () => fetch('/' + document.visibilityState);
       document.addEventListener('visibilitychange', says);
       says();`,
    '/plugin-rejoin.js': () => bundle,
    '/hidden': () => (isHidden(), ''),
    '/v1/hello': () => {
      if (hellos.push(Date.now()) === HELLOS) isEnough();
      return JSON.stringify({ recoveries: [] });
    },
  };
  /** @type {Record<string, string>} */
  const types = { '/': 'text/html', '/v1/hello': 'application/json' };
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://x');
    // As of a proxy that lets no stream through.
    if (pathname === '/v1/push') return request.socket.destroy();
    const [type, answer] = [types[pathname] ?? 'text/javascript', answers[pathname]];
    return response.writeHead(answer ? 200 : 204, { 'content-type': type }).end(answer?.());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  origin = `http://127.0.0.1:${port}`;
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // Five seconds instead of five minutes.
    args: ['--no-sandbox', '--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/5'],
    ignoreDefaultArgs: [
      '--disable-background-timer-throttling',
      '--disable-backgrounding-occluded-windows',
      '--disable-renderer-backgrounding',
    ],
  });
  t.after(async () => {
    await browser.close();
    server.closeAllConnections();
    server.close();
  });
  // Pages that Playwright opens count as looked at, whatever is in front of them.
  const chromiumItself = await browser.newBrowserCDPSession();
  await chromiumItself.send('Target.createTarget', { url: origin });
  const { targetId } = await chromiumItself.send('Target.createTarget', { url: 'about:blank' });
  await chromiumItself.send('Target.activateTarget', { targetId });
  await hidden;
  await enough;
  const pauses = hellos.slice(1).map((at, before) => at - (hellos[before] ?? at));
  assert.ok(Math.max(...pauses) < AT_MOST, `pauses between hellos: ${pauses.join(', ')} ms`);
});
