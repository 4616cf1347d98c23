// The operators' console in a browser, of a real server: nothing happens, a recovery, a storm. It is accessible, works with the
// keyboard, on a phone and without its script, and says when what it shows is old. Pictures are in target/e2e/console/.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { root, run } from '../scripts/lib/run.mjs';
import { chromium as installed } from '../scripts/lib/setup.mjs';

const TOKEN = 'an operator token for this test alone';
const AUTH = 'an auth token for this test alone';
const PUBLIC = 'https://rejoin.test';
const pictures = path.join(root, 'target/e2e/console');
const sid = (/** @type {string} */ prefix, n = 1) => prefix + n.toString(16).padStart(32, '0');

/** @type {import('playwright-core').Browser} */
let browser;
/** @type {import('node:http').Server} */
let twilio;
/** @type {import('node:child_process').ChildProcess} */
let program;
/** @type {string} */
let address;
const folder = mkdtempSync(path.join(tmpdir(), 'rejoin-console-'));

/** What Twilio answers about the chat with the number that its SIDs have, and about its agent. */
const chatAnswers = (/** @type {string} */ url, method = 'GET') => {
  const n = Number.parseInt(/(?:UO|WK|CH)(\w{32})/.exec(url)?.[1] ?? '1', 16);
  const kind = /\/(\w+)(?:\?.*)?$/.exec(url)?.[1] ?? '';
  const chat = /\/(?:Interactions|Conversations)\//.test(url);
  const routing_properties = { worker_sid: sid('WK', n), task_sid: sid('WT', n) };
  if (kind === 'Messages' && method === 'POST') return { sid: sid('IM', n), index: 1 };
  if (kind === 'Messages') return { messages: [], meta: {} };
  if (kind === 'Participants' && url.includes('/Interactions/')) {
    return { participants: [{ sid: sid('UT', n), type: 'agent', routing_properties }], meta: {} };
  }
  if (kind === 'Participants' && chat) return { participants: [], meta: {} };
  if (kind === 'Invites' && method === 'POST') return { sid: sid('KG', n) };
  if (kind === 'Invites') return { invites: [], meta: {} };
  if (/\/Channels\/UO\w+$/.test(url)) {
    return { sid: sid('UO', n), interaction_sid: sid('KD', n), type: 'web', status: 'active' };
  }
  if (/\/Workers\/WK\w+$/.test(url)) return { activity_sid: sid('WA'), available: true, attributes: '{}' };
  if (/\/Tasks\/WT\w+$/.test(url)) {
    const task = { sid: sid('WT', n), assignment_status: 'assigned', attributes: '{}', priority: 0 };
    return { ...task, workflow_sid: sid('WW') };
  }
  return undefined;
};

/** Twilio, as far as a lost agent needs it: it knows the agents, and takes everything else. */
const startTwilio = async () => {
  twilio = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const url = request.url ?? '';
    const found = /Reservations$/.test(url) ? Number.parseInt(/WT(\w+)/.exec(url)?.[1] ?? '1', 16) : 1;
    /** @type {object} */
    let answer = {};
    if (url.endsWith('/Tokens/validate')) {
      const worker = Number(JSON.parse(body).token);
      answer = { valid: true, worker_sid: sid('WK', worker), roles: ['agent'], identity: 'Ada Lovelace' };
    } else if (url.endsWith('/Tasks') && request.method === 'POST') {
      answer = { sid: sid('WT', 0xff), assignment_status: 'pending', attributes: '{}', priority: 0 };
    } else if (url.includes('/Reservations')) {
      const reservation = {
        sid: sid('WR', found),
        worker_sid: sid('WK', found),
        worker_name: 'Ada Lovelace',
      };
      answer = { reservations: [{ ...reservation, reservation_status: 'accepted' }] };
    } else {
      answer = chatAnswers(url, request.method) ?? answer;
    }
    response.writeHead(url.endsWith('/Tasks') ? 201 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await once(twilio, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (twilio.address());
  return `http://127.0.0.1:${port}`;
};

before(async () => {
  mkdirSync(pictures, { recursive: true });
  const env = {
    ...process.env,
    TWILIO_ACCOUNT_SID: sid('AC'),
    TWILIO_AUTH_TOKEN: AUTH,
    TWILIO_WORKSPACE_SID: sid('WS'),
    TWILIO_API_BASE: await startTwilio(),
    REJOIN_LISTEN: '127.0.0.1:0',
    REJOIN_PUBLIC_URL: PUBLIC,
    REJOIN_PING_WORKFLOW_SID: sid('WW', 2),
    REJOIN_ALLOWED_ORIGINS: 'https://flex.twilio.com',
    REJOIN_OPERATOR_TOKEN: TOKEN,
    DATABASE_URL: `sqlite:${path.join(folder, 'rejoin.db')}`,
    REJOIN_STORM_AT: '3',
    REJOIN_FAILSAFE_AT: '3',
    REJOIN_PING_TTL_MS: '600000',
    REJOIN_REJOIN_WITHIN_MS: '600000',
    REJOIN_WATCH_RECOVERY_MS: '0',
    REJOIN_WATCH_CALL_MS: '0',
    REJOIN_CONVERSATIONS: 'on',
    // The time of a reload: nothing makes it shorter.
    REJOIN_CONVERSATION_GOODBYE_MS: '15000',
    REJOIN_LOG: 'warn',
  };
  program = spawn(path.join(root, 'target/debug/rejoin'), ['serve'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const stdout = /** @type {import('node:stream').Readable} */ (program.stdout);
  for await (const line of createInterface(stdout)) {
    const listening = /^listening on (.+)$/.exec(line);
    if (!listening) continue;
    address = `http://${listening[1]}`;
    break;
  }
  assert.ok(address, 'the server listens');
  browser = await chromium.launch({
    executablePath: process.env.HEADLESS_SHELL ?? (await installed()),
    args: ['--no-sandbox'],
  });
});

after(async () => {
  await browser?.close();
  if (program && program.exitCode === null) {
    program.kill('SIGCONT');
    program.kill('SIGTERM');
    await once(program, 'exit');
  }
  twilio?.closeAllConnections();
  twilio?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A callback of Twilio's about the call with this number. */
const callback = async (
  /** @type {number} */ n,
  /** @type {string} */ event,
  /** @type {object} */ extra,
) => {
  const place = `/webhooks/conference?worker=${sid('WK', n)}&reservation=${sid('WR', n)}`;
  const form = {
    StatusCallbackEvent: event,
    ConferenceSid: sid('CF', n),
    FriendlyName: sid('WT', n),
    ...extra,
  };
  await signed(place, form);
};

/** What Twilio sends to this path, with its signature. */
const signed = async (/** @type {string} */ place, /** @type {Record<string, string>} */ form) => {
  const values = Object.entries(form)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => name + value);
  const signature = createHmac('sha1', AUTH)
    .update(PUBLIC + place + values.join(''))
    .digest('base64');
  const headers = { 'x-twilio-signature': signature };
  const sent = await fetch(address + place, { method: 'POST', body: new URLSearchParams(form), headers });
  assert.equal(sent.status, 204, place);
};

/** The agent with this number has a chat, and closes the page. */
const leaveChat = async (/** @type {number} */ n) => {
  await signed('/webhooks/interactions', {
    EventType: 'onParticipantJoined',
    InteractionSid: sid('KD', n),
    ChannelSid: sid('UO', n),
    MediaChannelSid: sid('CH', n),
    ParticipantSid: sid('UT', n),
    ParticipantType: 'agent',
    TaskSid: sid('WT', n),
  });
  const claim = { conversation: sid('CH', n), interaction: sid('KD', n), channel: sid('UO', n) };
  const claimed = await fetch(`${address}/v1/conversations`, {
    method: 'POST',
    body: JSON.stringify({ epoch: 1, conversations: [claim] }),
    headers: { authorization: `Bearer ${n}`, 'content-type': 'application/json' },
  });
  assert.equal(claimed.status, 204, await claimed.text());
  const goodbye = await fetch(`${address}/v1/goodbye`, {
    method: 'POST',
    body: JSON.stringify({ token: String(n), gone: 1 }),
    headers: { 'content-type': 'text/plain' },
  });
  assert.equal(goodbye.status, 204, await goodbye.text());
};

/** An agent is on a call with a customer, and is lost. */
const lose = async (/** @type {number} */ n) => {
  const flags = { EndConferenceOnExit: 'false', Hold: 'false', Muted: 'false' };
  await callback(n, 'participant-join', { SequenceNumber: '1', CallSid: sid('CA', 0x100 + n), ...flags });
  await callback(n, 'participant-join', { SequenceNumber: '2', CallSid: sid('CA', 0x200 + n), ...flags });
  const registration = {
    epoch: 1,
    task: sid('WT', n),
    reservation: sid('WR', n),
    workflow: sid('WW'),
    conference: sid('CF', n),
    workerLeg: sid('CA', 0x200 + n),
    customerLeg: sid('CA', 0x100 + n),
    workerName: 'Ada Lovelace',
  };
  const registered = await fetch(`${address}/v1/calls`, {
    method: 'POST',
    body: JSON.stringify(registration),
    headers: { authorization: `Bearer ${n}`, 'content-type': 'application/json' },
  });
  assert.equal(registered.status, 204, await registered.text());
  const left = {
    SequenceNumber: '3',
    CallSid: sid('CA', 0x200 + n),
    ReasonParticipantLeft: 'participant_hung_up',
  };
  await callback(n, 'participant-leave', left);
};

/** @typedef {import('playwright-core').Page} Page */

/** What pages have thrown, and what their policy has blocked. @type {string[]} */
const troubles = [];

/** A page that is signed in, and has this title. @returns {Promise<Page>} */
const signedIn = async (
  /** @type {import('playwright-core').BrowserContextOptions} */ options = {},
  title = 'Now',
) => {
  const context = await browser.newContext({ locale: 'en-GB', reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.on('pageerror', (error) => troubles.push(String(error)));
  page.on('console', (said) => {
    if (said.text().includes('Content Security Policy')) troubles.push(said.text());
  });
  await page.goto(`${address}/console`);
  await page.locator('#token').fill(TOKEN);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: title }).waitFor();
  return page;
};

/** What axe finds. */
const isAccessible = async (/** @type {Page} */ page, /** @type {string} */ what) => {
  // The policy of the page allows no script of others: this one comes by the debugger.
  await page.evaluate(axe.source);
  const { violations, passes } = await page.evaluate(() => /** @type {any} */ (window).axe.run());
  const found = violations.map(
    ({ id, nodes }) => `${what}: ${id}: ${nodes.map((node) => node.failureSummary)}`,
  );
  assert.deepEqual(found, []);
  // The check has run.
  assert.ok(
    passes.some(({ id }) => id === 'color-contrast'),
    what,
  );
};

const LOOKS = /** @type {const} */ ([
  ['light', { colorScheme: 'light', viewport: { width: 1280, height: 900 } }],
  ['dark', { colorScheme: 'dark', viewport: { width: 1280, height: 900 } }],
  ['phone', { colorScheme: 'light', viewport: { width: 390, height: 844 } }],
]);

/** Every section of the view "Now" has been updated meanwhile. */
const updated = async (/** @type {Page} */ page) => {
  const before = await page.locator('#as-of').textContent();
  await page.waitForFunction((old) => document.getElementById('as-of')?.textContent !== old, before);
};

/** Each look of the view "Now", or of where `go` leads from there: accessible, and nothing beside the window. */
const looks = async (
  /** @type {string} */ name,
  /** @type {string} */ shown,
  /** @type {(page: Page) => Promise<unknown>} */ go = async () => {},
) => {
  for (const [look, options] of LOOKS) {
    const page = await signedIn(options);
    await go(page);
    await page.locator('#mode', { hasText: 'Live' }).waitFor();
    await page.locator('main', { hasText: shown }).waitFor();
    await isAccessible(page, `${name} ${look}`);
    const { wide, room } = await page.evaluate(() => ({
      wide: document.documentElement.scrollWidth,
      room: document.documentElement.clientWidth,
    }));
    assert.ok(wide <= room, `${name} ${look}: ${wide} > ${room}`);
    await page.screenshot({ path: path.join(pictures, `${name}-${look}.png`), fullPage: true });
    await page.context().close();
  }
};

test('what changes a page in place is the library as it is published', () => {
  const read = (/** @type {string} */ file) => readFileSync(path.join(root, file), 'utf8');
  const ours = read('crates/server/src/console/assets/idiomorph.min.js');
  assert.equal(ours, read('node_modules/idiomorph/dist/idiomorph.min.js'));
});

test('nothing happens: sign-in and view are accessible', async () => {
  for (const [look, options] of LOOKS) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    await page.goto(`${address}/console`);
    await isAccessible(page, `sign-in ${look}`);
    await page.screenshot({ path: path.join(pictures, `sign-in-${look}.png`) });
    await page.getByLabel('Operator token').fill('a wrong one');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').waitFor();
    await isAccessible(page, `refused ${look}`);
    await context.close();
  }
  await looks('empty', 'No recovery is open.');
});

test('without its script the page shows how things stand', async () => {
  const page = await signedIn({ javaScriptEnabled: false });
  assert.equal(await page.getByText('Without its script').isVisible(), true);
  assert.equal(await page.locator('#pause').isVisible(), false);
  await page.getByRole('link', { name: 'Reload' }).click();
  await page.getByText('No recovery is open.').first().waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Operator token').waitFor();
  await page.context().close();
});

test('a recovery appears by itself, the keyboard is enough, and old is said to be old', async () => {
  const page = await signedIn();
  await page.clock.install();
  await page.reload();
  await page.locator('#mode', { hasText: 'Live' }).waitFor();
  // What a screen reader hears: nothing as long as nothing changes.
  await page.evaluate(() => {
    const heard = /** @type {string[]} */ ([]);
    Object.assign(window, { heard });
    const summary = /** @type {Node} */ (document.getElementById('summary'));
    const note = () => heard.push(summary.textContent ?? '');
    new MutationObserver(note).observe(summary, { childList: true, characterData: true, subtree: true });
  });
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Skip to the content');
  const link = page.locator('#list-held-back');
  await link.focus();
  await lose(1);
  await page.locator('#recoveries td', { hasText: sid('WK', 1) }).waitFor();
  await page.locator('#recoveries td', { hasText: 'Holding the line' }).waitFor();
  // Every section may have been replaced meanwhile.
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'list-held-back');
  assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).heard), ['Open recoveries: 1.']);
  assert.doesNotMatch(await page.content(), /Ada|Lovelace/);

  await page.locator('#pause').focus();
  await page.keyboard.press('Enter');
  await page.locator('#mode', { hasText: 'Paused' }).waitFor();
  await page.keyboard.press('Enter');
  await page.locator('#mode', { hasText: 'Live' }).waitFor();

  // The server stands still, and its connections are open.
  program.kill('SIGSTOP');
  await page.clock.fastForward(10_000);
  await page.locator('#mode', { hasText: 'Old: nothing new has come since.' }).waitFor();
  await page.screenshot({ path: path.join(pictures, 'old-light.png') });
  program.kill('SIGCONT');
  await page.clock.fastForward(10_000);
  await page.locator('#mode', { hasText: 'Live' }).waitFor();
  await page.context().close();
  await looks('recovery', 'Holding the line');
});

test('a call is found by its name, drawn, and told on by itself', async () => {
  const find = async (/** @type {Page} */ page) => {
    await page.getByLabel('Find a call or a conversation').fill(sid('CA', 0x101));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Call' }).waitFor();
  };
  await looks('call', 'participant-leave', find);
  const page = await signedIn();
  await page.getByRole('link', { name: sid('CA', 0x101) }).click();
  await page.locator('rejoin-timeline').waitFor();
  await page.locator('#mode', { hasText: 'Live' }).waitFor();
  const words = page.getByLabel('With');
  await words.fill('participant');
  const hello = await fetch(`${address}/v1/hello`, {
    method: 'POST',
    body: JSON.stringify({ epoch: 2, holdings: [], unavailable: false }),
    headers: { authorization: 'Bearer 1', 'content-type': 'application/json' },
  });
  assert.equal(hello.status, 200, await hello.text());
  await page.locator('rejoin-timeline', { hasText: 'requeueing' }).waitFor();
  // The operator keeps typing in the filter.
  await page.keyboard.type('-join');
  assert.equal(await words.inputValue(), 'participant-join');
  const rows = page.locator('rejoin-timeline tbody tr[data-kind]:visible');
  const texts = await rows.allTextContents();
  assert.ok(texts.length > 0 && texts.every((text) => text.includes('participant-join')), String(texts));
  assert.doesNotMatch(await page.content(), /Ada|Lovelace/);
  await page.getByLabel('Find a call or a conversation').fill('+15550100');
  await page.keyboard.press('Enter');
  await page.getByText('That is not the name of a call').waitFor();
  await isAccessible(page, 'no call');
  await page.context().close();
});

test('a conversation that has nobody appears by itself, is found, and tells its story', async () => {
  const page = await signedIn();
  const section = page.locator('#conversations');
  await section.getByText('No conversation waits for an agent.').waitFor();
  await leaveChat(20);
  await section.getByText("The agent's page is away").waitFor();
  const waits = { timeout: 60_000 };
  await section.locator('td', { hasText: 'The agent is gone' }).waitFor(waits);
  await section.locator('td', { hasText: 's ago' }).waitFor(waits);
  await section.locator('td', { hasText: `${sid('WK', 20)} (page closed)` }).waitFor();
  assert.match((await page.locator('#summary').textContent()) ?? '', /Conversations that have nobody: 1\./);
  assert.doesNotMatch(await page.content(), /Ada|Lovelace/);
  await looks('conversations', 'The agent is gone');

  // By keyboard, by the mouse, and by the name of its channel, while the page is updated.
  const link = section.getByRole('link', { name: sid('CH', 20) });
  const details = page.getByRole('heading', { level: 1, name: 'Conversation details' });
  await link.focus();
  await updated(page);
  await page.keyboard.press('Enter');
  await details.waitFor();
  await page.goBack();
  await link.hover();
  await page.mouse.down();
  await updated(page);
  await page.mouse.up();
  await details.waitFor();
  await page.getByText('Nobody has this conversation.').waitFor({ state: 'attached' });
  for (const name of [sid('CH', 20), sid('UO', 20), sid('WT', 20)]) {
    await page.getByLabel('Find a call or a conversation').fill(name);
    await page.keyboard.press('Enter');
    await page
      .getByText(/Absence 1 begins: all pages of agent/)
      .first()
      .waitFor();
  }
  await page.context().close();
  const find = async (/** @type {Page} */ page) => {
    await page.getByLabel('Find a call or a conversation').fill(sid('CH', 20));
    await page.keyboard.press('Enter');
  };
  await looks('conversation', 'Absence 1 begins', find);

  // The agent is back: nobody is missing, and the absence has ended.
  const again = await signedIn();
  const hello = await fetch(`${address}/v1/hello`, {
    method: 'POST',
    body: JSON.stringify({ epoch: 2, holdings: [] }),
    headers: { authorization: 'Bearer 20', 'content-type': 'application/json' },
  });
  assert.equal(hello.status, 200, await hello.text());
  await again.locator('#conversations td', { hasText: 'The agent is back' }).waitFor();
  await again.context().close();
});

test('a link on another site leads who is signed in to the page', async () => {
  const page = await signedIn();
  await page.goto(`http://localhost:${new URL(address).port}/elsewhere`);
  await page.setContent(`<a href="${address}/console">console</a>`);
  await page.getByRole('link').click();
  await page.getByRole('heading', { level: 1, name: 'Now' }).waitFor();
  await page.context().close();
});

test('it speaks the language of the browser, and fits on a phone in each', async () => {
  for (const [locale, title] of [
    ['de-AT', 'Jetzt'],
    ['es-MX', 'Ahora'],
    ['fr-CA', 'Maintenant'],
    ['ja-JP', '現在'],
    ['pt-BR', 'Agora'],
  ]) {
    const page = await signedIn({ locale, viewport: { width: 390, height: 844 } }, title);
    const { lang, wide, room } = await page.evaluate(() => ({
      lang: document.documentElement.lang,
      wide: document.documentElement.scrollWidth,
      room: document.documentElement.clientWidth,
    }));
    assert.equal(lang, locale.slice(0, 2));
    assert.ok(wide <= room, `${lang}: ${wide} > ${room}`);
    await page.screenshot({ path: path.join(pictures, `recovery-${lang}.png`), fullPage: true });
    await page.context().close();
  }
});

test('the history works without a script, by keyboard, in each look and language', async () => {
  // The customer of a lost agent hangs up: a recovery has ended.
  await lose(9);
  await callback(9, 'participant-leave', { SequenceNumber: '4', CallSid: sid('CA', 0x109) });
  const counted = async () => {
    const page = await signedIn({ javaScriptEnabled: false });
    await page.goto(`${address}/console/history?last=1d`);
    const found = await page.locator('#agents a', { hasText: sid('WK', 9) }).count();
    await page.context().close();
    return found > 0;
  };
  // The server counts every five seconds.
  let tries = 0;
  while (!(await counted())) assert.ok(++tries < 100, 'it is counted');

  const page = await signedIn({ javaScriptEnabled: false });
  await page.getByRole('link', { name: 'History' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'History' }).waitFor();
  await page.getByRole('link', { name: '24 hours' }).click();
  // Each picture has its table, and what the table says is what the file has.
  await page.locator('#over-time svg[role=img]').waitFor();
  await page.locator('#over-time summary').focus();
  await page.keyboard.press('Enter');
  assert.equal(await page.locator('#over-time tbody tr').count(), 25);
  assert.match((await page.locator('#results tbody tr').nth(2).textContent()) ?? '', /100\.0 %/);
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.locator('#results').getByRole('link', { name: 'CSV' }).click(),
  ]);
  assert.equal(file.suggestedFilename(), 'rejoin-history.csv');
  assert.match(readFileSync(await file.path(), 'utf8'), /^result,recoveries,percent\r\n.*lost,1,100/s);
  // The form leads to an address that shows the same again.
  await page.getByLabel('Outcome').selectOption('rejoined');
  await page.locator('#main').getByRole('button', { name: 'Show' }).click();
  await page.getByText('No recovery has ended in this time.').waitFor();
  const link = page.url();
  assert.match(link, /outcome=rejoined/);
  await page.goto(link);
  assert.equal(await page.getByLabel('Outcome').inputValue(), 'rejoined');
  await page.goto(`${address}/console/history?agent=Ada`);
  await page.getByText('It was left out.').waitFor();
  await page.context().close();

  for (const [look, options] of LOOKS) await showsHistory(look, options, 'last=1d');
  for (const locale of ['de-DE', 'es-ES', 'fr-FR', 'ja-JP', 'pt-BR']) {
    const options = { locale, viewport: { width: 390, height: 844 } };
    await showsHistory(locale.slice(0, 2), options, 'last=1d');
  }

  // The same as a file, which needs no server.
  for (const language of ['en', 'de', 'es', 'fr', 'pt', 'ja']) await showsReport(language);
});

/** The report of `rejoin report --html` in a language, in each look and on paper. */
const showsReport = async (/** @type {string} */ language) => {
  const file = path.join(folder, `report-${language}.html`);
  await run(
    path.join(root, 'target/debug/rejoin'),
    ['report', '--html', file, '--last', '1d', '--language', language],
    {
      env: { DATABASE_URL: `sqlite:${path.join(folder, 'rejoin.db')}`, REJOIN_CONFIG: undefined },
    },
  );
  const url = pathToFileURL(file).href;
  for (const [look, options] of LOOKS) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.on('console', (said) => troubles.push(said.text()));
    page.on('request', (request) => request.url() !== url && troubles.push(request.url()));
    await page.goto(url);
    await page.screenshot({ path: path.join(pictures, `report-${language}-${look}.png`), fullPage: true });
    const rows = page.locator('#over-time tbody tr');
    assert.equal(await rows.first().isVisible(), false);
    await page.emulateMedia({ media: 'print' });
    assert.equal(await rows.first().isVisible(), true, 'on paper nothing can be opened');
    await page.emulateMedia({ media: 'screen' });
    for (const summary of await page.locator('summary').all()) await summary.click();
    assert.equal(await rows.count(), 25);
    await isAccessible(page, `report ${language} ${look}`);
    const { lang, wide, room } = await page.evaluate(() => ({
      lang: document.documentElement.lang,
      wide: document.documentElement.scrollWidth,
      room: document.documentElement.clientWidth,
    }));
    assert.equal(lang, language);
    assert.ok(wide <= room, `report ${language} ${look}: ${wide} > ${room}`);
    await context.close();
  }
};

/** A look of the history: accessible, and nothing beside the window, with all tables open. */
const showsHistory = async (
  /** @type {string} */ look,
  /** @type {import('playwright-core').BrowserContextOptions} */ options,
  /** @type {string} */ query,
) => {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const page = await context.newPage();
  page.on('pageerror', (error) => troubles.push(String(error)));
  page.on('console', (said) => {
    if (said.text().includes('Content Security Policy')) troubles.push(said.text());
  });
  await page.goto(`${address}/console`);
  await page.locator('#token').fill(TOKEN);
  await page.keyboard.press('Enter');
  await page.locator('main#main form').waitFor({ state: 'detached' });
  await page.goto(`${address}/console/history?${query}`);
  await page.locator('#agents').waitFor();
  await page.screenshot({ path: path.join(pictures, `history-${look}.png`), fullPage: true });
  for (const summary of await page.locator('summary').all()) await summary.click();
  await isAccessible(page, `history ${look}`);
  const { wide, room } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth,
    room: document.documentElement.clientWidth,
  }));
  assert.ok(wide <= room, `history ${look}: ${wide} > ${room}`);
  await context.close();
};

test('in a storm an operator lets the requests go out, after a question', async () => {
  await Promise.all([2, 3, 4, 5].map(lose));
  await looks('storm', 'The failsafe is active on this server');
  for (const [look, options] of LOOKS) {
    const page = await signedIn(options);
    await page.getByRole('link', { name: 'Let the held-back requests go out' }).click();
    await page.getByRole('heading', { level: 1 }).waitFor();
    await isAccessible(page, `question ${look}`);
    await page.screenshot({ path: path.join(pictures, `question-${look}.png`) });
    await page.getByRole('link', { name: 'Cancel' }).click();
    await page.locator('#storm', { hasText: 'The failsafe is active' }).waitFor();
    await page.getByRole('link', { name: 'List all that is held back' }).click();
    await page.getByText('Nothing is held back.').waitFor();
    await isAccessible(page, `held back ${look}`);
    await page.context().close();
  }
  const page = await signedIn();
  await page.getByRole('link', { name: 'Let the held-back requests go out' }).click();
  await page.getByRole('button', { name: 'Let them go out' }).click();
  await page.getByText('The held-back requests go out.').waitFor();
  await page.locator('#storm', { hasText: 'The failsafe is not active.' }).waitFor();
  await page.context().close();
});

test('no page has thrown, and nothing of them was blocked', () => assert.deepEqual(troubles, []));
