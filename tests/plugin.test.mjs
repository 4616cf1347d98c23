// The built plugin in a real browser, with a stub of Flex that has only what the plugin touches and a scripted server:
// it starts, binds, shows and protects. The end-to-end tests run the whole of Flex.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { chromium } from 'playwright-core';
import { bundle, flexStub, react, sid } from './flex-stub.mjs';

const root = new URL('..', import.meta.url);
const pictures = new URL('target/e2e/', root);
const require = createRequire(import.meta.url);
const { version } = require('../package.json');
/** As strict as browsers get: no sound before a click, unless the page has the microphone. */
const AUTOPLAY = '--autoplay-policy=document-user-activation-required';

const accepted = (number, attributes = {}) => ({
  sid: sid('WR', number),
  taskSid: sid('WT', number),
  status: 'accepted',
  channelType: 'voice',
  workflowSid: sid('WW', 1),
  attributes,
});
const recovery = (stage, remainingMs) => ({
  id: sid('RJ', 1),
  task: sid('WT', 1),
  reservation: sid('WR', 1),
  stage,
  remainingMs,
});

let browser, server, origin, page, requests, reply, streams, sockets, context, csp, away, beats, pushed;

before(async () => {
  mkdirSync(pictures, { recursive: true });
  browser = await chromium.launch({
    executablePath: process.env.HEADLESS_SHELL ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--use-fake-device-for-media-stream', AUTOPLAY],
    ignoreDefaultArgs: ['--autoplay-policy=no-user-gesture-required'],
  });
  server = http.createServer(async (request, response) => {
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-allow-headers', '*');
    response.setHeader('access-control-allow-headers', 'authorization, content-type');
    response.setHeader('access-control-expose-headers', '*');
    const { pathname } = new URL(request.url, 'http://x');
    if (request.method === 'OPTIONS') return response.end();
    if (pathname === '/') {
      if (csp) response.setHeader('content-security-policy', csp);
      return response
        .setHeader('content-type', 'text/html')
        .end(
          '<!doctype html><body style="background:#f4f4f6"><button id="behind">behind</button><script src="/react.js"></script><script src="/stub.js"></script><script src="/plugin-rejoin.js"></script>',
        );
    }
    if (pathname === '/react.js') return response.end(react);
    if (pathname === '/stub.js') return response.end(await page.stub);
    if (pathname === '/plugin-rejoin.js')
      return response.setHeader('content-type', 'text/javascript').end(bundle);
    const signsIn = pathname === '/console/session';
    if (!pathname.startsWith('/v1/') && !signsIn) return response.writeHead(404).end();
    let body = '';
    for await (const piece of request) body += piece;
    if (signsIn) {
      requests.push({ pathname, url: request.url, body, origin: request.headers.origin });
      return response.setHeader('content-type', 'text/html').end('<!doctype html><h1>Now</h1>');
    }
    if (away) return request.socket.destroy();
    requests.push({ pathname, body: body && JSON.parse(body), authorization: request.headers.authorization });
    if (pathname === '/v1/push') {
      response.writeHead(200, { 'content-type': 'text/event-stream', ...beats }).write(': hello\n\n');
      streams.push(response);
      return undefined;
    }
    const { status = 204, json } = (await reply(pathname)) ?? {};
    return response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(json && JSON.stringify(json));
  });
  // WebSockets, which send pings and collect what comes.
  server.on('upgrade', ({ url, headers }, socket) => {
    const ticket = headers['sec-websocket-protocol'];
    const pieces = [];
    sockets.push({ url, ticket, socket, pieces });
    socket.on('error', () => {});
    socket.on('data', (piece) => pieces.push(piece));
    if (away) return socket.destroy();
    const key = `${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    const head = ['HTTP/1.1 101 Switching Protocols', 'upgrade: websocket', 'connection: upgrade'];
    head.push(`sec-websocket-accept: ${accept}`, `sec-websocket-protocol: ${ticket}`);
    return socket.write(`${head.join('\r\n')}\r\n\r\n`);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
});

after(async () => {
  await browser.close();
  server.closeAllConnections();
  server.close();
});

beforeEach(() => {
  [requests, streams, sockets, csp, away, beats, pushed] = [[], [], [], undefined, false, {}, []];
  reply = (pathname) =>
    pathname === '/v1/hello' ? { status: 200, json: { recoveries: pushed } } : undefined;
});

afterEach(async () => context?.close());

/** A page. With `talks` Flex knows these calls from the beginning: the plugin looks for a call only for a moment. */
const open = async (tasks = [], { prepare, permissions = ['microphone'], talks = [], ...account } = {}) => {
  context = await browser.newContext({ viewport: { width: 1100, height: 700 }, permissions });
  page = await context.newPage();
  if (prepare) await page.addInitScript(prepare);
  page.lines = [];
  page.on('console', (line) => page.lines.push(line.text()));
  page.on('dialog', (dialog) => {
    page.lines.push(`asked ${dialog.type()}`);
    return dialog.accept();
  });
  page.on('pageerror', (error) => page.lines.push(`pageerror ${error}`));
  const known = talks.map((call) => `(${talk})(${JSON.stringify(call)});`).join('');
  page.stub = `(${flexStub})(${JSON.stringify({ server: origin, tasks, ...account })});${known}`;
  await page.goto(origin);
};
const until = async (what, check, limit = 5000) => {
  const end = Date.now() + limit;
  for (;;) {
    const value = await check();
    if (value) return value;
    assert.ok(Date.now() < end, `${what}\n${page.lines.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
const asked = (path) =>
  until(`a request to ${path}`, () => requests.find(({ pathname }) => pathname === path));
const title = (text) => page.locator('rejoin-dialog h2', { hasText: text }).waitFor({ timeout: 5000 });
/** Pushes it. A hello that follows is told the same. */
const push = (view) => {
  pushed = [view];
  streams.at(-1).write(`data: ${JSON.stringify({ push: 'recovery', recovery: view })}\n\n`);
};
const gone = () =>
  until('no dialog', () =>
    page.evaluate(() => !document.querySelector('rejoin-dialog')?.shadowRoot.querySelector('dialog').open),
  );
const calls = () => page.evaluate(() => window.flex.calls);

test('the dialog stands from the reload until the agent is back', async () => {
  let answer;
  const held = new Promise((resolve) => (answer = resolve));
  reply = async (pathname) => (pathname === '/v1/hello' ? { status: 200, json: await held } : undefined);
  await open([accepted(1)]);
  await title('Checking your call');
  const hello = await asked('/v1/hello');
  assert.deepEqual(hello.body.holdings, [
    { task: sid('WT', 1), reservation: sid('WR', 1), wrapping: false, canJoin: false, otherBrowser: true },
  ]);
  assert.ok(hello.body.epoch > Date.now() - 60_000);
  assert.equal(hello.authorization, 'Bearer token-of-ada');

  answer({ recoveries: [recovery({ name: 'interrupted' }, 14_000)] });
  await title('Your call was interrupted');
  await page.locator('rejoin-dialog .timer', { hasText: /in 1[34] s/ }).waitFor();
  await page.screenshot({ path: new URL('dialog-light.png', pictures).pathname });

  // Neither Esc nor Tab leaves it.
  for (const key of ['Escape', 'Escape', 'Tab', 'Tab']) await page.keyboard.press(key);
  assert.equal(
    await page.evaluate(() =>
      document.querySelector('rejoin-dialog').shadowRoot.querySelector('dialog').matches(':modal'),
    ),
    true,
  );
  assert.notEqual(await page.evaluate(() => document.activeElement?.id), 'behind');

  await page.evaluate((sid) => window.flex.invoke('CompleteTask', { sid }), sid('WR', 1));
  assert.deepEqual(await calls(), [['aborted CompleteTask', sid('WR', 1), undefined]]);

  await until('the push channel', () => streams.length);
  push(recovery({ name: 'queued' }));
  await title('Reconnecting you');
  await page.evaluate(
    (CallSid) => {
      window.flex.state.phone.activeCall = { parameters: { CallSid }, isMuted: () => false };
      window.flex.changed();
    },
    sid('CA', 9),
  );
  push(recovery({ name: 'rejoined' }));
  await title('Reconnected');
  await page.screenshot({ path: new URL('dialog-rejoined.png', pictures).pathname });
  await gone();
});

test('“Reconnected” is not shown when the call is over by then', async () => {
  reply = (pathname) =>
    pathname === '/v1/hello' && { status: 200, json: { recoveries: [recovery({ name: 'queued' })] } };
  await open([accepted(1)]);
  await title('Reconnecting you');
  await until('the push channel', () => streams.length);
  push(recovery({ name: 'rejoined' }));
  await gone();
});

test('what has ended is said, once, in the account’s own colours and words', async () => {
  reply = (pathname) =>
    pathname === '/v1/hello' && {
      status: 200,
      json: { recoveries: [recovery({ name: 'handedOver', workerName: 'Bo' })] },
    };
  await open([accepted(1)], { dark: true });
  await title('Bo has taken over');
  await page.screenshot({ path: new URL('dialog-dark.png', pictures).pathname });
  assert.equal(
    await page.evaluate(() => document.querySelector('rejoin-dialog').shadowRoot.activeElement.textContent),
    'Got it',
  );
  await page.keyboard.press('Enter');
  await gone();
  push(recovery({ name: 'customerLeft' }));
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 200)));
  await gone();
});

test('a call is watched from its acceptance and ends as ever', async () => {
  const task = { ...accepted(2), status: 'pending' };
  await open([task]);
  await asked('/v1/hello');
  await page.evaluate((sid) => window.flex.invoke('AcceptTask', { sid }), task.sid);
  assert.deepEqual((await calls()).at(-1), [
    'AcceptTask',
    task.sid,
    {
      conferenceStatusCallback: `${origin}/webhooks/conference?worker=${sid('WK', 'ada')}&reservation=${task.sid}#ct=2000&rt=5000&tt=15000&rc=5&rp=all`,
      conferenceStatusCallbackMethod: 'POST',
      conferenceStatusCallbackEvent: 'start,end,join,leave,modify,hold,announcement',
      endConferenceOnExit: false,
    },
  ]);

  const leg = (number, participantType, mine) => ({
    callSid: sid('CA', number),
    participantType,
    isCurrentWorker: mine,
    status: 'joined',
    mediaProperties: { sequenceNumber: 1 },
  });
  await page.evaluate(
    ({ task, own, conference }) => {
      window.flex.state.worker.tasks.set(task.sid, { ...task, status: 'accepted' });
      window.flex.state.phone.activeCall = { parameters: { CallSid: own }, isMuted: () => false };
      window.flex.state.conferences.states.set(task.taskSid, { source: conference });
      window.flex.changed();
    },
    {
      task,
      own: sid('CA', 2),
      conference: {
        conferenceSid: sid('CF', 2),
        participants: [leg(1, 'customer', false), leg(2, 'worker', true)],
      },
    },
  );
  const { body } = await asked('/v1/calls');
  assert.equal(body.workerLeg, sid('CA', 2));
  assert.equal(body.customerLeg, sid('CA', 1));
  assert.equal(body.workerName, 'Ada');
  await until('the mark', () => page.evaluate((sid) => localStorage.getItem(`rejoin.live.${sid}`), task.sid));

  const flags = async () =>
    (await calls()).filter(([what]) => what === 'flag').map(([, , options]) => options);
  await page.evaluate(
    (sid) => window.flex.reservations.get(sid).updateParticipant({ endConferenceOnExit: true, beep: true }),
    task.sid,
  );
  assert.deepEqual(await flags(), [{ endConferenceOnExit: false, beep: true }]);

  await page.evaluate((sid) => window.flex.invoke('HangupCall', { sid }), task.sid);
  const { id, ...mark } = (await asked('/v1/graceful')).body;
  assert.match(id, /^\d{13}-2$/);
  assert.deepEqual(mark, { task: task.taskSid, reservation: task.sid, reason: 'hang-up' });
  assert.deepEqual(await flags(), [
    { endConferenceOnExit: false, beep: true },
    { endConferenceOnExit: true },
  ]);
  assert.equal((await calls()).at(-1)[0], 'HangupCall');
  assert.equal(await page.evaluate((sid) => localStorage.getItem(`rejoin.live.${sid}`), task.sid), null);
});

/** The page's call, and who is in its conference. Runs in the browser. */
const talk = ({ task, own, legs }) => {
  const { state, changed } = window.flex;
  state.phone.activeCall = own && { parameters: { CallSid: own }, isMuted: () => false };
  const known = state.worker.tasks.get(task.sid);
  known.status = 'accepted';
  known.conference = { conferenceSid: 'CF' + '1'.repeat(32), participants: legs };
  state.conferences.states.set(task.taskSid, { source: known.conference });
  changed();
};
const agentLeg = (number, status = 'joined') => ({
  callSid: sid('CA', number),
  participantSid: sid('UT', number),
  participantType: 'worker',
  isCurrentWorker: true,
  status,
});
const customerLeg = { callSid: sid('CA', 9), participantType: 'customer', status: 'joined' };

test('a page that ends leaves its leg standing and says goodbye; the next one joins the call again', async () => {
  let recoveries = [];
  reply = (pathname) =>
    pathname === '/v1/hello' ? { status: 200, json: { recoveries, inPlace: true } } : undefined;
  const task = accepted(1);
  await open([{ ...task, status: 'pending' }]);
  await asked('/v1/hello');
  await page.evaluate(talk, { task, own: sid('CA', 1), legs: [agentLeg(1), customerLeg] });
  await until('the mark', () => page.evaluate((sid) => localStorage.getItem(`rejoin.live.${sid}`), task.sid));
  // By then the hello is answered, too, which says that a leg may be left standing.
  await until('a protected call', () => page.evaluate(() => window.Rejoin.status().protectedCalls === 1));

  requests.length = 0;
  recoveries = [recovery({ name: 'inPlace' }, 8000)];
  page.stub = `(${flexStub})(${JSON.stringify({ server: origin, tasks: [task] })});
    (${talk})(${JSON.stringify({ task, legs: [agentLeg(1), customerLeg] })})`;
  await page.reload();
  assert.equal(await page.evaluate(() => localStorage.getItem('phone')), 'silent');
  const { body: goodbye } = await asked('/v1/goodbye');
  assert.equal(goodbye.token, 'token-of-ada');
  assert.deepEqual(goodbye.goodbye.tasks, [task.taskSid]);
  const { body: hello } = await asked('/v1/hello');
  assert.equal(hello.holdings[0].canJoin, true);
  assert.ok(hello.epoch > goodbye.goodbye.epoch);

  await title('Putting you back on the call');
  await until('joining', async () => (await calls()).some(([what]) => what === 'joinCall'));
  await until('the removal', async () => (await calls()).some(([what]) => what === 'removal'));
  const flags = (await calls()).filter(([what]) => what === 'participant');
  assert.ok(!flags.some(([, , value]) => value), 'nothing makes the call end');
  const old = flags.filter(([, leg]) => leg === 'the old leg');
  assert.equal(old.length, 2, 'its flag is cleared again, once the new leg is in');
  assert.equal(flags.at(-1)?.[1], 'the old leg', 'as the last thing before it is removed');
  await page.evaluate(talk, {
    task,
    own: sid('CA', 2),
    legs: [agentLeg(1, 'left'), customerLeg, agentLeg(2)],
  });
  assert.equal((await asked('/v1/calls')).body.workerLeg, sid('CA', 2));
  await until('the flag', async () =>
    (await calls()).some(([, leg, value]) => leg === sid('UT', 2) && value === false),
  );
  assert.ok((await calls()).some(([what]) => what === 'SelectTask'));
  await until('the push channel', () => streams.length);
  push(recovery({ name: 'rejoined' }));
  await title('Reconnected');
  await gone();
});

/** The Voice SDK's call, with another plugin that listens. Runs in the browser. */
const rings = ({ own, sends = true }) => {
  const handlers = [(message) => window.theirs.push(message.content)];
  [window.theirs, window.sent] = [[], []];
  window.says = (content) => handlers.forEach((f) => f({ content, messageType: 'user-defined-message' }));
  window.listeners = () => handlers.length;
  window.flex.state.phone.activeCall = {
    parameters: { CallSid: own },
    isMuted: () => false,
    on: (name, f) => name === 'messageReceived' && handlers.push(f),
    ...(sends && {
      sendMessage(message) {
        if (window.ends) throw new Error('Could not send CallMessage; Signaling channel is disconnected');
        window.sent.push(message);
        return window.rejects && Promise.reject(new Error('refused'));
      },
    }),
  };
  window.flex.changed();
};

/** A call of this page's, which the server has registered. @returns {Promise<object>} the registration */
const onACall = async (options = {}) => {
  const task = accepted(1);
  await open([{ ...task, status: 'pending' }]);
  await asked('/v1/hello');
  await page.evaluate(rings, { own: sid('CA', 2), ...options });
  const legs = [agentLeg(2), customerLeg];
  await page.evaluate(
    ({ task, legs }) => {
      const { state, changed } = window.flex;
      state.worker.tasks.get(task.sid).status = 'accepted';
      const source = { conferenceSid: 'CF' + '1'.repeat(32), participants: legs };
      state.conferences.states.set(task.taskSid, { source });
      changed();
    },
    { task, legs },
  );
  return (await asked('/v1/calls')).body;
};
const registrations = () => requests.filter(({ pathname }) => pathname === '/v1/calls');

test('a question over the call is answered there and by registering the call again', async () => {
  assert.equal((await onACall()).answersMessages, true);
  await page.evaluate(() => window.flex.changed());
  assert.equal(await page.evaluate('listeners()'), 2, 'one listener beside the other plugin’s');
  const others = [{ rejoinAsks: 7 }, { rejoinAsks: 'x'.repeat(65) }, { theirs: 1 }, 'no JSON', null, [1], 5];
  for (const content of others) await page.evaluate((content) => window.says(content), content);
  assert.deepEqual(await page.evaluate('sent'), []);
  const answer = { content: { rejoinAnswers: 'q1' }, messageType: 'user-defined-message' };
  await page.evaluate('says({ rejoinAsks: "q1", more: 1 })');
  await until('the first answer', () => page.evaluate('sent.length === 1'));
  await until('the registration', () => registrations().length === 2);
  await page.evaluate(`says('{"rejoinAsks":"q1"}')`);
  await until('the second answer', () => page.evaluate('sent.length === 2'));
  await until('one more registration', () => registrations().length === 3);
  assert.deepEqual(await page.evaluate('sent'), [answer, answer]);
  const ids = new Set(registrations().map(({ body }) => body.id));
  assert.equal(ids.size, 3, 'each is a request of its own');
  assert.ok(registrations().every(({ body }) => body.workerLeg === sid('CA', 2) && body.answersMessages));
  assert.equal(await page.evaluate('theirs.length'), others.length + 2, 'the other plugin hears everything');
});

test('a call that is just ending takes no answer, and nobody minds', async () => {
  await onACall();
  for (const ends of ['window.ends = true', 'window.ends = false; window.rejects = true']) {
    await page.evaluate(`${ends}; says({ rejoinAsks: 'q' })`);
    await until('the attempt', () => page.lines.some((line) => line.includes('answerMessage failed')));
    page.lines.splice(0);
  }
  // Its call is another one by now.
  await page.evaluate(
    'const says = window.says; window.flex.state.phone.activeCall = undefined; says({ rejoinAsks: "q" })',
  );
  await until('the registrations', () => registrations().length >= 2);
  assert.deepEqual(page.lines, [], 'no unhandled rejection');
});

test('a Voice SDK without call messages registers a page that does not answer', async () => {
  assert.equal('answersMessages' in (await onACall({ sends: false })), false);
  assert.equal(await page.evaluate('listeners()'), 1, 'the other plugin’s');
});

test('of two pages of one agent the second waits, and acts when the first is gone', async () => {
  reply = (pathname) =>
    pathname === '/v1/hello' ? { status: 200, json: { recoveries: [], inPlace: true } } : undefined;
  const state = (/** @type {string} */ name) =>
    until(`a page that ${name}`, () =>
      page.evaluate((name) => document.documentElement.dataset.rejoinPage === name, name),
    );
  await open([accepted(1)]);
  await state('acts');
  await asked('/v1/hello');
  const first = page;
  requests.length = 0;
  page = await context.newPage();
  Object.assign(page, { lines: first.lines, stub: first.stub });
  await page.goto(origin);
  await state('waits');
  assert.deepEqual(requests, []);
  assert.equal(await page.locator('rejoin-dialog').count(), 0);
  await page.evaluate((sid) => window.flex.invoke('CompleteTask', { sid }), sid('WR', 1));
  assert.equal((await calls()).at(-1)[0], 'CompleteTask');

  await first.close();
  await state('acts');
  const { body } = await asked('/v1/hello');
  assert.deepEqual(
    body.holdings.map(({ reservation }) => reservation),
    [sid('WR', 1)],
  );
  await page.reload();
  await until('its own reload', () =>
    page.evaluate(() => document.documentElement.dataset.rejoinPage === 'acts'),
  );
});

/** What waits in the browser's storage to be delivered. */
const kept = () =>
  page.evaluate(() => Object.entries(localStorage).filter(([key]) => key.startsWith('rejoin.out.')));
const acts = (/** @type {import('playwright-core').Page} */ page, does = 'acts') =>
  until(`a page that ${does}`, () =>
    page.evaluate((does) => document.documentElement.dataset.rejoinPage === does, does),
  );

test('what the server could not take is delivered by the next page, in order, with nothing personal stored', async () => {
  let down = true;
  const paths = ['/v1/calls', '/v1/graceful'];
  reply = (pathname) => {
    if (down && paths.includes(pathname)) return { status: 503 };
    return pathname === '/v1/hello' ? { status: 200, json: { recoveries: [] } } : undefined;
  };
  const task = accepted(1);
  await open([{ ...task, status: 'pending' }]);
  await asked('/v1/hello');
  await page.evaluate(talk, { task, own: sid('CA', 1), legs: [agentLeg(1), customerLeg] });
  await asked('/v1/calls');
  // Flex goes on although the mark behind the registration was not even tried.
  await page.evaluate((sid) => window.flex.invoke('HangupCall', { sid }), task.sid);
  assert.equal((await calls()).at(-1)[0], 'HangupCall');
  const stored = await kept();
  assert.equal(stored.length, 2);
  assert.doesNotMatch(JSON.stringify(stored), /Ada|ada@|token/);

  down = false;
  requests.length = 0;
  page.stub = `(${flexStub})(${JSON.stringify({ server: origin, tasks: [task] })})`;
  await page.reload();
  await asked('/v1/graceful');
  const delivered = requests.filter(({ pathname }) => paths.includes(pathname));
  assert.deepEqual(
    delivered.map(({ pathname }) => pathname),
    paths,
  );
  assert.equal(delivered[0].body.workerName, 'Ada');
  assert.deepEqual(
    delivered.map(({ body }) => `rejoin.out.${body.id}`),
    stored.map(([key]) => key).sort(),
  );
  await until('an empty storage', async () => (await kept()).length === 0);
});

test('a mark that is not answered when the page ends goes as a beacon', async () => {
  reply = (pathname) =>
    pathname === '/v1/graceful' ? new Promise(() => {}) : { status: 200, json: { recoveries: [] } };
  const task = accepted(1);
  await open([task]);
  await asked('/v1/hello');
  await page.evaluate((sid) => window.flex.invoke('HangupCall', { sid }), task.sid);
  await page.goto('about:blank');
  const { body } = await asked('/v1/goodbye');
  assert.equal(body.token, 'token-of-ada');
  assert.equal(body.goodbye, undefined);
  assert.deepEqual(
    body.marks.map(({ reservation, reason }) => ({ reservation, reason })),
    [{ reservation: task.sid, reason: 'hang-up' }],
  );
});

test('a call that is accepted by hand in a page that waits makes that page act', async () => {
  const task = accepted(1);
  await open([{ ...task, status: 'pending' }]);
  await acts(page);
  const first = page;
  page = await context.newPage();
  Object.assign(page, { lines: first.lines, stub: first.stub });
  await page.goto(origin);
  await acts(page, 'waits');
  requests.length = 0;
  await page.evaluate(talk, { task, own: sid('CA', 1), legs: [agentLeg(1), customerLeg] });
  await acts(page);
  await acts(first, 'waits');
  assert.equal((await asked('/v1/calls')).body.workerLeg, sid('CA', 1));
  await asked('/v1/hello');
  // And the first one again, when this one is closed.
  await page.close();
  page = first;
  await acts(page);
});

test('when the page that acts is loaded anew while another one waits, one of them acts', async () => {
  await open([accepted(1)]);
  await acts(page);
  const first = page;
  page = await context.newPage();
  Object.assign(page, { lines: first.lines, stub: first.stub });
  await page.goto(origin);
  await acts(page, 'waits');
  await first.reload();
  await acts(page);
  await acts(first, 'waits');
  assert.equal(await first.locator('rejoin-dialog dialog[open]').count(), 0);
  await gone();
});

test('a newer page in another browser acts, and the older one only looks on', async () => {
  await open([accepted(1)]);
  await acts(page);
  await until('the push channel', () => streams.length);
  push(recovery({ name: 'interrupted' }, 9000));
  await title('Your call was interrupted');
  streams.at(-1).write('data: {"push":"superseded"}\n\n');
  await acts(page, 'waits');
  await gone();
  await page.evaluate((sid) => window.flex.invoke('CompleteTask', { sid }), sid('WR', 1));
  assert.equal((await calls()).at(-1)[0], 'CompleteTask');
});

test('after signing out nothing is left, and nothing is said', async () => {
  reply = (pathname) =>
    pathname === '/v1/calls' ? { status: 503 } : { status: 200, json: { recoveries: [] } };
  const task = accepted(1);
  await open([{ ...task, status: 'pending' }]);
  await asked('/v1/hello');
  await page.evaluate(talk, { task, own: sid('CA', 1), legs: [agentLeg(1), customerLeg] });
  await asked('/v1/calls');
  await until('the push channel', () => streams.length);
  const closed = new Promise((resolve) => streams.at(-1).on('close', resolve));
  await page.evaluate(() => window.flex.invoke('Logout', {}));
  await closed;
  const left = await page.evaluate(() => Object.keys(localStorage).filter((key) => key !== 'phone'));
  assert.deepEqual(left, ['rejoin.epoch']);
  requests.length = 0;
  await page.evaluate(() => window.flex.changed());
  await page.evaluate((sid) => window.flex.invoke('CompleteTask', { sid }), task.sid);
  assert.equal((await calls()).at(-1)[0], 'CompleteTask');
  await page.reload();
  assert.ok(!requests.some(({ pathname }) => pathname === '/v1/goodbye'));
});

test('a refused token is not used again, a new one is', async () => {
  let token = 'token-of-ada';
  reply = (pathname) => {
    if (requests.at(-1).authorization !== `Bearer ${token}`) return { status: 401 };
    return pathname === '/v1/hello' ? { status: 200, json: { recoveries: [] } } : undefined;
  };
  token = 'another';
  await open([accepted(1)]);
  await asked('/v1/hello');
  await title('Checking your call');
  await page.evaluate(() => {
    window.flex.state.session.ssoTokenPayload.token = 'another';
    window.flex.changed();
  });
  await gone();
  assert.equal(requests.filter(({ pathname }) => pathname === '/v1/hello').length, 2);
});

test('when Flex reconnects its state is read again and the server is asked', async () => {
  await open([{ ...accepted(1), status: 'pending' }]);
  await asked('/v1/hello');
  requests.length = 0;
  // The changes in between came without an event.
  await page.evaluate(
    (sid) => {
      window.flex.state.worker.tasks.get(sid).status = 'wrapping';
      for (const listener of window.flex.manager.workerClient.handlers.ready) listener();
    },
    sid('WR', 1),
  );
  const { body } = await asked('/v1/hello');
  assert.deepEqual(
    body.holdings.map(({ wrapping }) => wrapping),
    [],
    'a call that ended before our eyes is nothing to recover',
  );
  const told = await page.evaluate((sid) => localStorage.getItem(`rejoin.live.${sid}`), sid('WR', 1));
  assert.equal(told, null);
});

test('in a degraded Flex the plugin waits until there is a worker', async () => {
  await open([accepted(1)]);
  page.stub = `(${flexStub})(${JSON.stringify({ server: origin, tasks: [accepted(1)] })});
    window.worker = window.flex.manager.workerClient; window.flex.manager.workerClient = new Proxy({}, {});
    delete window.flex.manager.voiceClient;`;
  requests.length = 0;
  page.lines.length = 0;
  await page.reload();
  await until('the plugin', () => page.evaluate(() => document.documentElement.dataset.rejoin === 'ready'));
  await page.evaluate(() => window.flex.changed());
  await page.evaluate((sid) => window.flex.invoke('CompleteTask', { sid }), sid('WR', 1));
  assert.equal((await calls()).at(-1)[0], 'CompleteTask');
  assert.ok(!requests.some(({ pathname }) => pathname === '/v1/hello'));
  assert.deepEqual(
    page.lines.filter((line) => /Rejoin:|pageerror/.test(line)),
    [],
  );
  await page.evaluate(() => {
    window.flex.manager.workerClient = window.worker;
    window.flex.changed();
  });
  await asked('/v1/hello');
});

test('a call waits for the microphone, and comes back by itself when it is there', async () => {
  reply = (pathname) =>
    pathname === '/v1/hello'
      ? { status: 200, json: { recoveries: [recovery({ name: 'inPlace' }, 8000)], inPlace: true } }
      : undefined;
  const task = accepted(1);
  const legs = [agentLeg(1), customerLeg];
  await open([task], { permissions: [], talks: [{ task, legs }] });
  await title('Your microphone is blocked');
  const joins = async () => (await calls()).filter(([what]) => what === 'joinCall').length;
  // Longer than the wait for a browser that reports nothing.
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 2500)));
  assert.equal(await joins(), 0);
  await context.grantPermissions(['microphone']);
  await until('joining', joins);
  await title('Putting you back on the call');
  assert.equal(await joins(), 1);
});

test('a call that the browser refuses to play needs one click', async () => {
  const task = accepted(1);
  await open([{ ...task, status: 'pending' }]);
  // Whatever Playwright evaluates counts as a click: this page is left alone until it has reported what it has seen.
  const script = async (talk, task, legs) => {
    const heard = new AudioContext().createMediaStreamDestination();
    window.speaker = Object.assign(new Audio(), { srcObject: heard.stream });
    const later = (work) => setTimeout(work, 300);
    while (document.documentElement.dataset.rejoin !== 'ready') await new Promise(later);
    talk({ task, own: 'CA' + '1'.repeat(32), legs });
    // As the Voice SDK does for a new call; it ignores the result.
    window.speaker.play().catch((error) => console.log(`refused: ${error.name}`));
    later(() => {
      const button = document.querySelector('rejoin-dialog')?.shadowRoot.querySelector('button');
      const { x, y } = button?.getBoundingClientRect() ?? {};
      console.log(`button ${JSON.stringify([button?.textContent, x + 5, y + 5])}`);
    });
  };
  page.stub = `(${flexStub})(${JSON.stringify({ server: origin, tasks: [{ ...task, status: 'pending' }] })});
    (${script})(${talk}, ${JSON.stringify(task)}, ${JSON.stringify([agentLeg(1), customerLeg])})`;
  const line = (start) =>
    page.waitForEvent('console', {
      predicate: (message) => message.text().startsWith(start),
      timeout: 10_000,
    });
  const [refused, said] = await Promise.all([line('refused'), line('button'), page.reload()]);
  assert.equal(refused.text(), 'refused: NotAllowedError');
  const [label, x, y] = JSON.parse(said.text().slice('button '.length));
  assert.equal(label, 'Turn on sound');
  await page.mouse.click(x, y);
  await until('sound', () => page.evaluate(() => !window.speaker.paused));
  await gone();
});

test('the browser asks before a page with a call is left, and not after a hang-up', async () => {
  const task = accepted(1);
  const asks = () => page.lines.filter((line) => line === 'asked beforeunload').length;
  const answered = async () => {
    // Before its first hello a page watches no call, and before the registration it holds none.
    await asked('/v1/hello');
    await page.evaluate(talk, { task, own: sid('CA', 1), legs: [agentLeg(1), customerLeg] });
    await asked('/v1/calls');
    await page.mouse.click(5, 5); // browsers ask only on a page that was used
  };
  const reload = async () => {
    requests.length = 0;
    await page.reload();
  };
  await open([{ ...task, status: 'pending' }]);
  await asked('/v1/hello');
  await reload();
  assert.equal(asks(), 0, 'no call');
  await answered();
  await reload();
  assert.equal(asks(), 1, 'a call');
  await answered();
  await page.evaluate((sid) => window.flex.invoke('HangupCall', { sid }), task.sid);
  await reload();
  assert.equal(asks(), 1, 'after a hang-up');
});

test('an activity that was lost with the page is set again', async () => {
  const [offline, available] = [sid('WA', 0), sid('WA', 1)];
  const set = (activity) =>
    `window.flex.state.worker.activity = { sid: '${activity}' };
     window.flex.manager.serviceConfiguration.taskrouter_offline_activity_sid = '${offline}';`;
  await open();
  const { stub } = page;
  page.stub = `${stub};${set(available)}`;
  await page.reload();
  await until('the mark', () => page.evaluate(() => localStorage.getItem('rejoin.activity')));
  reply = (pathname) =>
    pathname === '/v1/hello'
      ? { status: 200, json: { recoveries: [recovery({ name: 'waitingForOther' })] } }
      : undefined;
  page.stub = `${stub};${set(offline)}`;
  await page.reload();
  const activities = async () => (await calls()).filter(([what]) => what === 'SetActivity');
  await until('the activity', async () => (await activities()).length);
  assert.deepEqual(
    (await activities()).map(([, , , activity]) => activity),
    [available],
  );
});

test('after a hang-up, or without a server that wants it, the end of the page hangs up as ever', async () => {
  for (const inPlace of [true, false]) {
    reply = (pathname) =>
      pathname === '/v1/hello' ? { status: 200, json: { recoveries: [], inPlace } } : undefined;
    const task = accepted(1);
    await open([{ ...task, status: 'pending' }]);
    await asked('/v1/hello');
    await page.evaluate(talk, { task, own: sid('CA', 1), legs: [agentLeg(1), customerLeg] });
    await until('the mark', () =>
      page.evaluate((sid) => localStorage.getItem(`rejoin.live.${sid}`), task.sid),
    );
    if (inPlace) await page.evaluate((sid) => window.flex.invoke('HangupCall', { sid }), task.sid);
    await page.reload();
    assert.equal(await page.evaluate(() => localStorage.getItem('phone')), 'hung up');
    assert.ok(!requests.some(({ pathname }) => pathname === '/v1/goodbye'));
    await context.close();
    requests.length = 0;
  }
});

test('the hang-up button works when the server does not', async () => {
  const task = accepted(3);
  reply = (pathname) =>
    pathname === '/v1/graceful' ? new Promise(() => {}) : { status: 200, json: { recoveries: [] } };
  await open([task]);
  await asked('/v1/hello');
  const took = await page.evaluate(async (sid) => {
    const started = performance.now();
    await window.flex.invoke('HangupCall', { sid });
    return performance.now() - started;
  }, task.sid);
  // The wait for the answer is bounded: after half of the time the mark is written into the task, too, and the agent leaves.
  assert.ok(took > 700, `${took} ms`);
  assert.equal((await calls()).at(-1)[0], 'HangupCall');
});

const ours = () => page.lines.filter((line) => line.includes('Rejoin:'));

test('each start reads the configuration: account, team, worker; mistakes are reported', async () => {
  const rejoin = {
    server: 'https://elsewhere.example',
    silenceMs: 'long',
    weather: true,
    teams: { Sales: { server: origin, leaveWithinMs: 200 } },
  };
  const task = accepted(3);
  reply = (pathname) =>
    pathname === '/v1/graceful' ? new Promise(() => {}) : { status: 200, json: { recoveries: [] } };
  await open([task], { rejoin, worker: { team_name: 'Sales' } });
  await asked('/v1/hello');
  assert.deepEqual(ours(), [
    'Rejoin: rejoin.silenceMs must be a whole number from 2000 to 60000, in milliseconds; it is ignored.',
    'Rejoin: rejoin.weather is not a setting; it is ignored.',
  ]);
  const took = await page.evaluate(async (sid) => {
    const started = performance.now();
    await window.flex.invoke('HangupCall', { sid });
    return performance.now() - started;
  }, task.sid);
  assert.ok(took > 75 && took < 700, `${took} ms: the team's 200, not the default of 1500`);
});

test('without a server, or switched off, the plugin stays out of it and says why', async () => {
  for (const [rejoin, said] of [
    [null, /rejoin\.server is missing/],
    [{ server: origin, enabled: false }, /switched off for this worker/],
  ]) {
    await open([accepted(1)], { rejoin });
    await until('a line', () => ours().length);
    assert.match(ours().join(), said);
    await page.evaluate((sid) => window.flex.invoke('CompleteTask', { sid }), sid('WR', 1));
    assert.equal((await calls()).at(-1)[0], 'CompleteTask');
    assert.deepEqual([ours().length, requests.length], [1, 0]);
    await context.close();
  }
});

/** Flex works as without the plugin; one line tells the developer why, one the agent. */
const failsOpen = async (reason) => {
  await until('the report', () => ours().length);
  assert.match(ours()[0], reason);
  await page.evaluate((sid) => window.flex.invoke('HangupCall', { sid }), sid('WR', 1));
  await page.evaluate((sid) => window.flex.invoke('CompleteTask', { sid }), sid('WR', 1));
  await page.evaluate(() => window.flex.changed());
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 300)));
  assert.deepEqual((await calls()).map(([name]) => name).slice(-2), ['HangupCall', 'CompleteTask']);
  assert.equal(await page.locator('dialog[open]').count(), 0);
  const sent = await page.evaluate(() => window.flex.send({ body: 'Hello' }));
  assert.deepEqual(sent, [5, [{ body: 'Hello' }]], 'messages are sent as ever');
  assert.deepEqual(
    page.lines.filter((line) => /pageerror|Rejoin:/.test(line)),
    [ours()[0]],
  );
  const status = await page.evaluate(() => window.Rejoin.status());
  assert.equal(status.state, 'passive');
  assert.match(`Rejoin: ${status.reason}`, reason);
};
const note = () => page.locator('[data-rejoin=unprotected]');
const noted = (words = 'Calls are not protected') =>
  page.locator('[data-rejoin=unprotected][role=status]', { hasText: words }).waitFor({ timeout: 5000 });

test('where wasm is forbidden Flex goes on as without the plugin', async () => {
  csp = "script-src 'self'";
  await open([accepted(1)]);
  await failsOpen(/the core could not start/);
  await noted();
  assert.deepEqual(requests, []);
});

test('where there is no wasm at all, too', async () => {
  await open([accepted(1)], { prepare: () => delete window.WebAssembly });
  await failsOpen(/the core could not start/);
  await noted();
});

for (const lacks of [
  'Actions.addListener',
  'TaskHelper.isCallTask',
  'TaskHelper.getTaskByTaskSid',
  'manager.store.subscribe',
  'state.worker',
  'state.worker.tasks',
]) {
  test(`a Flex UI without ${lacks} goes on as without the plugin`, async () => {
    await open([accepted(1)], { lacks: [lacks] });
    const known = /this Flex UI is not as the plugin knows it/;
    if (/isCallTask|subscribe/.test(lacks)) await failsOpen(known);
    else {
      // The stub's own actions need these.
      await until('the report', () => ours().length);
      assert.match(ours().join(), known);
      assert.equal(page.lines.filter((line) => /pageerror|Rejoin:/.test(line)).length, 1);
    }
    await noted();
  });
}

test('where Flex lacks what the notes need, everything else works', async () => {
  await open([accepted(1)], {
    lacks: ['MainHeader'],
    prepare: () => Object.defineProperty(window, 'React', {}),
  });
  await asked('/v1/hello');
  await page.evaluate(() => window.flex.changed());
  assert.deepEqual(ours(), []);
});

test('a panic is the last that the core does', async () => {
  await open([{ ...accepted(1), status: 'pending' }]);
  await asked('/v1/hello');
  await page.evaluate(talk, { task: accepted(1), own: sid('CA', 1), legs: [agentLeg(1), customerLeg] });
  await asked('/v1/calls');
  await until('the push channel', () => streams.length);
  // The core reads the clock while it holds the machine: a second borrow of the machine then fails.
  await page.evaluate(() => {
    const { now } = Date;
    window.asked = 0;
    Date.now = () => {
      window.asked += 1;
      if (window.asked === 2) window.Rejoin.status();
      return now();
    };
    window.flex.state.worker.tasks.values().next().value.attributes = { call_sid: 'CA' };
    window.flex.changed();
  });
  await until('the report', () => ours().length);
  const times = await page.evaluate(() => window.asked);
  push(recovery({ name: 'interrupted' }, 14_000));
  streams.at(-1).end();
  await failsOpen(/the core broke down/);
  assert.match(ours()[0], /panicked at/);
  await noted();
  assert.equal(await page.evaluate(() => window.asked), times, 'it is not called again');
  const bundle = JSON.parse(await page.evaluate(() => window.Rejoin.supportBundle()));
  assert.ok(bundle.events.length > 3, 'what happened before is still known');
  await page.reload();
  await until('a new page, a new core', () =>
    page.evaluate(() => document.documentElement.dataset.rejoin === 'ready'),
  );
});

test('any other breakdown of the core is its last, too', async () => {
  await open([accepted(1)]);
  await asked('/v1/hello');
  await until('the push channel', () => streams.length);
  await page.evaluate(() => {
    window.asked = 0;
    Date.now = () => {
      window.asked += 1;
      throw new Error('no time');
    };
  });
  push(recovery({ name: 'interrupted' }, 14_000));
  push(recovery({ name: 'queued' }, 14_000));
  await failsOpen(/the core broke down/);
  assert.equal(await page.evaluate(() => window.asked), 1);
  await noted();
});

test('a malformed message of the server is reported once, and later ones are understood', async () => {
  await open([accepted(1)]);
  await until('the push channel', () => streams.length);
  for (const nonsense of ['', '{', '[]', 'null', '{"push":"weather"}', '{"push":"recovery"}', '{"push":7}']) {
    streams.at(-1).write(`data: ${nonsense}\n\n`);
  }
  push({ ...recovery({ name: 'interrupted' }), id: 'RJ1' });
  push(recovery({ name: 'interrupted' }, 14_000));
  await title('Your call was interrupted');
  assert.deepEqual(
    page.lines.filter((line) => /pageerror|Rejoin:/.test(line)),
    ['Rejoin: the server says what this plugin does not understand. Is it another version?'],
  );
  assert.equal((await page.evaluate(() => window.Rejoin.status())).problems.length, 1);
});

test('a push channel that is silent for four heartbeats of its server is opened again', async () => {
  beats = { 'rejoin-heartbeat': '500' };
  await open();
  await until('the push channel', () => streams.length);
  // Nothing comes any more, and nothing is closed: without the header the page would wait for 40 s.
  await until('another channel', () => streams.length > 1, 10_000);
  beats = { 'rejoin-heartbeat': 'soon' };
  await until('a third one, whose server says nothing that can be read', () => streams.length > 2, 10_000);
});

/** The frames of these kinds that have come over it, by their first byte. */
const frames = ({ pieces }, kind) => pieces.filter((piece) => piece[0] === kind).length;
const [PING, PONG, CLOSE] = [0x89, 0x8a, 0x88];

test('pings are answered beside the push channel, also while JavaScript stands still', async () => {
  beats = { 'rejoin-presence': 'ada.1.ab' };
  await open();
  const ping = () => sockets[0].socket.write(Buffer.from([PING, 0]));
  await until('a presence socket', () => sockets.length);
  assert.deepEqual([sockets[0].url, sockets[0].ticket], ['/v1/presence', 'ada.1.ab']);
  ping();
  await until('an answer', () => frames(sockets[0], PONG) === 1);
  await page.evaluate(() => {
    window.still = true;
    setTimeout(() => {
      const end = Date.now() + 3000;
      while (Date.now() < end);
      window.still = false;
    });
  });
  ping();
  await until('an answer meanwhile', () => frames(sockets[0], PONG) === 2, 2500);
  assert.ok(await page.evaluate(() => document.visibilityState), 'the page goes on');
  // The channel ends, and its socket with it; the next channel has one of its own.
  beats = { 'rejoin-presence': 'ada.2.ab' };
  streams[0].end();
  await until('the end of the socket', () => frames(sockets[0], CLOSE) === 1);
  await until('the next one', () => sockets.length === 2);
  assert.equal(sockets[1].ticket, 'ada.2.ab');
  // A server that gives no ticket.
  beats = {};
  streams[1].end();
  await until('the next channel', () => streams.length === 3);
  streams[2].write(': beat\n\n');
  await until('the end of the socket', () => frames(sockets[1], CLOSE) === 1);
  assert.equal(sockets.length, 2);
});

test('a presence socket that a proxy lets not through is tried again, less and less often', async () => {
  beats = { 'rejoin-presence': 'ada.1.ab' };
  await open();
  await until('a presence socket', () => sockets.length);
  streams[0].write(': beat\n\n');
  away = true;
  sockets[0].socket.destroy();
  const beat = async () => {
    streams[0].write(': beat\n\n');
    // The failure of one is known before the next beat.
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
  };
  for (let n = 0; n < 20; n += 1) await beat();
  // After 1, 2, 4, 8 and 16 of them, or fewer if one took longer to fail.
  const attempts = sockets.length;
  assert.ok(attempts > 2 && attempts <= 1 + 5, `${attempts} attempts`);
  away = false;
  await until('another attempt', async () => {
    await beat();
    return sockets.length > attempts;
  });
  sockets.at(-1).socket.write(Buffer.from([PING, 0]));
  await until('an answer', () => frames(sockets.at(-1), PONG) === 1);
  assert.equal(streams.length, 1, 'the push channel has never ended');
});

test('during a call an unreachable server is shown to the agent, until it is back', async () => {
  const rejoin = { server: origin, unprotectedAfterMs: 1000, longestRetryMs: 1000 };
  await open([{ ...accepted(1), status: 'pending' }], { rejoin });
  await until('the push channel', () => streams.length);
  away = true;
  streams.at(-1).end();
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 1500)));
  assert.equal(await note().textContent(), '', 'without a call there is no notice');
  assert.deepEqual(ours(), []);
  await page.evaluate(talk, { task: accepted(1), own: sid('CA', 1), legs: [agentLeg(1), customerLeg] });
  await noted();
  assert.deepEqual(ours(), [
    'Rejoin: a call is not protected: the server does not answer, or does not know it.',
  ]);
  assert.equal((await page.evaluate(() => window.Rejoin.status())).protectedCalls, 0);
  await page.screenshot({ path: new URL('unprotected.png', pictures).pathname });
  away = false;
  // The delays between its attempts have grown meanwhile.
  await until('no note', async () => (await note().textContent()) === '', 20_000);
  const status = await page.evaluate(() => window.Rejoin.status());
  assert.deepEqual([status.protectedCalls, status.pushUp], [1, true]);
  assert.equal(ours().length, 1);
});

test('window.Rejoin has the state, and no personal data', async () => {
  reply = (pathname) =>
    pathname === '/v1/hello' && {
      status: 200,
      json: { recoveries: [recovery({ name: 'handedOver', workerName: 'Zaphod' })] },
    };
  const secret = {
    name: 'Zaphod',
    phone: '+15550001111',
    disconnectedWorkerName: 'Zaphod',
    full_name: 'Zaphod',
  };
  await open([accepted(1, secret)], { worker: secret, rejoin: { server: origin, weather: 1 } });
  await title('Zaphod has taken over');
  const seen = await page.evaluate(() => {
    const { Rejoin } = window;
    const before = Rejoin.version;
    try {
      Rejoin.version = 'changed';
    } catch {} // in strict mode
    return {
      frozen: Object.isFrozen(Rejoin) && Rejoin.version === before,
      keys: Object.keys(Rejoin),
      version: Rejoin.version,
      status: Rejoin.status(),
      recoveries: Rejoin.recoveries(),
      bundle: Rejoin.supportBundle(),
    };
  });
  assert.ok(seen.frozen);
  assert.deepEqual(seen.keys, ['version', 'status', 'recoveries', 'supportBundle']);
  assert.equal(seen.version, version);
  const { configuration, ...status } = seen.status;
  assert.deepEqual(status, {
    state: 'ready',
    server: origin,
    pushUp: status.pushUp,
    protectedCalls: 0,
    problems: ['rejoin.weather is not a setting; it is ignored.'],
  });
  assert.equal(configuration.leaveWithinMs, 1500);
  const [{ at, tookMs, ...only }, ...more] = seen.recoveries;
  assert.deepEqual(only, {
    id: sid('RJ', 1),
    task: sid('WT', 1),
    reservation: sid('WR', 1),
    stage: 'handedOver',
  });
  assert.ok(Math.abs(at - Date.now()) < 60_000 && tookMs === 0 && !more.length);
  const bundle = JSON.parse(seen.bundle);
  assert.deepEqual(
    [bundle.rejoin, bundle.flexUi, bundle.status.state, bundle.recoveries.length],
    [version, '2.17.1', 'ready', 1],
  );
  assert.ok(bundle.events.some(({ event }) => event === 'started'));
  assert.doesNotMatch(seen.bundle, /Zaphod|5550001111|token-of-ada/);
});

const mayLook = (/** @type {boolean} */ console) => {
  reply = (pathname) =>
    pathname === '/v1/hello' ? { status: 200, json: { recoveries: [], console } } : undefined;
};
const complaints = () => page.lines.filter((line) => /^Rejoin|pageerror/.test(line));
const link = () => page.getByRole('button', { name: 'Rejoin console, opens a new tab' });

test('who may look at the console signs in there from Flex, with the token of that moment', async () => {
  mayLook(true);
  await open();
  await link().waitFor();
  assert.equal(await link().textContent(), 'Rejoin');
  for (const token of ['token-of-ada', 'the next & one']) {
    await page.evaluate((token) => (window.flex.state.session.ssoTokenPayload.token = token), token);
    requests.length = 0;
    await link().focus();
    const [tab] = await Promise.all([page.waitForEvent('popup'), page.keyboard.press('Enter')]);
    await tab.getByRole('heading', { name: 'Now' }).waitFor();
    assert.equal(await tab.evaluate(() => window.opener), null);
    const { url, body, origin: from } = await asked('/console/session');
    assert.deepEqual(Object.fromEntries(new URLSearchParams(body)), { flexToken: token });
    assert.deepEqual([url, from], ['/console/session', origin]);
    assert.equal(tab.url(), `${origin}/console/session`);
    await tab.close();
  }
  assert.equal(await page.locator('form').count(), 0, 'no form with a token is left');
  assert.deepEqual(complaints(), []);
});

test('the link to the console comes and goes with the role', async () => {
  mayLook(false);
  await open();
  await until('the push channel', () => streams.length);
  assert.equal(await link().count(), 0);
  for (const may of [true, false, true]) {
    mayLook(may);
    streams.at(-1).write(`data: ${JSON.stringify({ push: 'ask' })}\n\n`);
    await link().waitFor({ state: may ? 'attached' : 'detached' });
  }
});

test('an account may do without the link to the console', async () => {
  mayLook(true);
  await open([], { rejoin: { server: origin, consoleLink: false } });
  await until('the answer', () => page.evaluate(() => window.Rejoin.supportBundle().includes('"reply"')));
  assert.equal(await link().count(), 0);
});

for (const lacks of ['SideNav', 'SideNav.Content', 'SideLink']) {
  test(`a Flex without ${lacks} has no link to the console, and nothing else is missing`, async () => {
    mayLook(true);
    await open([], { lacks: [lacks] });
    await until('the answer', () => page.evaluate(() => window.Rejoin.supportBundle().includes('"reply"')));
    assert.equal(await link().count(), 0);
    assert.equal(await page.evaluate(() => document.documentElement.dataset.rejoin), 'ready');
    assert.deepEqual(complaints(), []);
  });
}
