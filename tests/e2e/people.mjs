// The people of a story: agents at real Flex desktops in real tabs, and customers on the phone.

import path from 'node:path';
import { slowNetwork } from './slow-network.mjs';
import { Stream } from './stream.mjs';

/** @typedef {import('./browsers.mjs').Browsers} Browsers */
/** @typedef {import('playwright-core').BrowserContext} Context */
/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('./slow-network.mjs').Slowness} Slowness */
/** @typedef {{microphone?: number, plugin?: 'ready' | 'passive', strict?: boolean, keepsPages?: boolean, slowness?: Slowness, prepare?: (context: Context) => Promise<unknown>}} SignIn */
/** @typedef {Awaited<ReturnType<typeof import('../../scripts/lib/demo.mjs').startDemo>>} Demo */

export const WORKER = { ada: 'WK' + 'ada'.padStart(32, '0'), bo: 'WK' + 'b0'.padStart(32, '0') };
/** A queue that no call comes from by itself. */
/** In milliseconds. Without it Playwright looks at each frame that the browser draws, and the browser draws them only for that. */
const LOOK_EVERY = 50;
const SECOND_LINE = 'WQ' + '3'.padStart(32, '0');
/** Tone of the twin's own phones. */
const CUSTOMER_HZ = 660;
/** Loudness (root mean square, of 32767) from which on a phone hears something. */
export const AUDIBLE = 200;

export async function json(/** @type {string} */ url, /** @type {RequestInit} */ init = {}) {
  const response = await fetch(url, init);
  if (!response.ok)
    throw new Error(`${init.method ?? 'GET'} ${url}: ${response.status} ${await response.text()}`);
  return response.status === 204 ? null : response.json();
}

export const post = (/** @type {string} */ url, /** @type {object} */ body = {}) =>
  json(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** In a page: its microphone hears a tone. */
function hearsTone(/** @type {number} */ hz) {
  navigator.mediaDevices.getUserMedia = async () => {
    const audio = new AudioContext();
    const tone = audio.createOscillator();
    tone.frequency.value = hz;
    const volume = audio.createGain();
    volume.gain.value = 0.2;
    const microphone = audio.createMediaStreamDestination();
    tone.connect(volume).connect(microphone);
    tone.start();
    return microphone.stream;
  };
}

/** Writes down what a page says to its console. */
function listen(/** @type {Page} */ page, /** @type {string} */ whose, /** @type {string[]} */ diary) {
  const note = (/** @type {string} */ text) => diary.push(`${new Date().toISOString()} ${whose}: ${text}`);
  page.on('console', (message) => note(`${message.type()} ${message.text().slice(0, 600)}`));
  // The browser asks before a page is left during a call. In a story leaving is always intended.
  page.on('dialog', (dialog) => dialog.accept());
  page.on('pageerror', (error) => note(`error ${error.stack ?? error}`));
}

/** What the stand-in for Twilio knows. */
export class Twilio {
  constructor(/** @type {Demo} */ demo) {
    this.url = demo.twinUrl;
    this.auth = demo.auth;
    /** @type {Array<() => Promise<unknown>>} */
    this.undo = [];
  }

  state = () => json(`${this.url}/__twin/state`);

  /** What it did, line by line. @returns {Promise<string[]>} */
  log = async () => (await (await fetch(`${this.url}/__twin/log`)).text()).split('\n');

  available = (/** @type {string} */ name, activity = 'Available') =>
    post(`${this.url}/__twin/workers/${name}/activity`, { activity });

  /** Tasks with their attributes as objects. */
  async tasks() {
    const { tasks } = await this.state();
    return tasks.map((/** @type {any} */ task) => ({
      ...task,
      attributes: typeof task.attributes === 'string' ? JSON.parse(task.attributes) : task.attributes,
    }));
  }

  async reservation(/** @type {string} */ sid) {
    const { reservations } = await this.state();
    return reservations.find((/** @type {any} */ reservation) => reservation.sid === sid);
  }

  /** The conference of a task, with its participants. */
  async conference(/** @type {string} */ task) {
    const { conferences } = await this.state();
    return conferences.find((/** @type {any} */ conference) => conference.friendlyName === task);
  }

  /** Ends a task that nobody has, as a workflow does in which nobody is left to ask. */
  async cancels(/** @type {string} */ task) {
    const response = await fetch(
      `${this.url}/__tw/taskrouter.twilio.com/v1/Workspaces/${this.auth.workspaceSid}/Tasks/${task}`,
      {
        method: 'POST',
        headers: { authorization: this.authorization() },
        body: new URLSearchParams({ AssignmentStatus: 'canceled', Reason: 'Nobody is left' }),
      },
    );
    if (!response.ok) throw new Error(`Twilio refuses: ${response.status} ${await response.text()}`);
  }

  /** Sets uncertain assumptions about Twilio, to test them both ways. */
  assume = (/** @type {object} */ assumptions) => post(`${this.url}/__twin/assume`, assumptions);

  /** Sends a call somewhere else, as an application of the account would. */
  redirect = (/** @type {string} */ call, /** @type {string} */ Twiml) =>
    fetch(`${this.url}/__tw/api.twilio.com/2010-04-01/Accounts/${this.auth.accountSid}/Calls/${call}.json`, {
      method: 'POST',
      headers: { authorization: this.authorization() },
      body: new URLSearchParams({ Twiml }),
    });

  /**
   * Sends a call message to the page that has this leg.
   * @returns {Promise<any>} Twilio's answer
   */
  sends = (/** @type {string} */ leg, /** @type {unknown} */ content) =>
    this.message(leg, 'UserDefinedMessages', { Content: JSON.stringify(content) });

  /** Call messages of the page that has this leg go to this address. */
  subscribes = (/** @type {string} */ leg, /** @type {string} */ Callback) =>
    this.message(leg, 'UserDefinedMessageSubscriptions', { Callback, Method: 'POST' });

  message(/** @type {string} */ leg, /** @type {string} */ what, /** @type {Record<string, string>} */ form) {
    const account = `${this.url}/__tw/api.twilio.com/2010-04-01/Accounts/${this.auth.accountSid}`;
    const headers = { authorization: this.authorization() };
    const body = new URLSearchParams(form);
    return json(`${account}/Calls/${leg}/${what}.json`, { method: 'POST', headers, body });
  }

  /** TaskRouter's events of these types go to this address, until the end of the story. */
  async streams(/** @type {string} */ destination, /** @type {string[]} */ types) {
    const url = `${this.url}/__tw/events.twilio.com/v1`;
    const headers = { authorization: this.authorization() };
    const make = (/** @type {string} */ what, /** @type {string[][]} */ form) =>
      json(`${url}/${what}`, { method: 'POST', headers, body: new URLSearchParams(form) });
    const SinkConfiguration = JSON.stringify({ destination, method: 'POST', batch_events: true });
    const Description = 'a story';
    const sink = await make('Sinks', Object.entries({ Description, SinkType: 'webhook', SinkConfiguration }));
    const subscribed = types.map((type) => ['Types', JSON.stringify({ type, schema_version: 1 })]);
    const { sid } = await make('Subscriptions', [
      ['Description', Description],
      ['SinkSid', sink.sid],
      ...subscribed,
    ]);
    this.undo.push(() => fetch(`${url}/Subscriptions/${sid}`, { method: 'DELETE', headers }));
  }

  authorization() {
    const { accountSid, TWILIO_AUTH_TOKEN } = this.auth;
    return `Basic ${Buffer.from(`${accountSid}:${TWILIO_AUTH_TOKEN}`).toString('base64')}`;
  }

  /** Changes attributes of a worker, until the end of the story. */
  async attributes(/** @type {string} */ worker, /** @type {object} */ changes) {
    const url = `${this.url}/__tw/taskrouter.twilio.com/v1/Workspaces/${this.auth.workspaceSid}/Workers/${worker}`;
    const headers = { authorization: this.authorization() };
    const { attributes } = await json(url, { headers });
    const set = (/** @type {string} */ text) =>
      json(url, { method: 'POST', headers, body: new URLSearchParams({ Attributes: text }) });
    await set(JSON.stringify({ ...JSON.parse(attributes), ...changes }));
    this.undo.push(() => set(attributes));
  }

  /** Where a worker's calls ring, until the end of the story. */
  contact = (/** @type {string} */ worker, /** @type {string} */ contactUri) =>
    this.attributes(worker, { contact_uri: contactUri });

  /** Flex loses its sockets to Twilio, and gets no others for now. */
  async cutsOff(/** @type {'ada' | 'bo'} */ name) {
    const url = `${this.url}/__twin/workers/${name}/sockets`;
    this.undo.push(() => fetch(url, { method: 'POST' }));
    await json(url, { method: 'DELETE' });
  }

  letsThrough = (/** @type {'ada' | 'bo'} */ name) => post(`${this.url}/__twin/workers/${name}/sockets`);

  /** What a worker is at, and how many sockets of TaskRouter the desktops have. */
  async worker(/** @type {'ada' | 'bo'} */ name) {
    const { workers } = await this.state();
    return workers.find((/** @type {any} */ worker) => worker.sid === WORKER[name]);
  }

  /** Replaces parts of Flex's configuration, until the end of the story; for desktops that open from now on. */
  async configures(/** @type {Record<string, unknown>} */ parts) {
    const url = `${this.url}/__tw/flex-api.twilio.com/v1/Configuration`;
    const headers = { authorization: this.authorization(), 'content-type': 'application/json' };
    const before = await json(url, { headers });
    const set = (/** @type {object} */ parts) =>
      json(url, {
        method: 'POST',
        headers,
        body: JSON.stringify({ account_sid: this.auth.accountSid, ...parts }),
      });
    await set(parts);
    this.undo.push(() => set(Object.fromEntries(Object.keys(parts).map((key) => [key, before[key]]))));
  }

  /** Features of Flex that are on in the account, for desktops that open from now on. */
  features = (/** @type {string[]} */ names) => post(`${this.url}/__twin/features`, names);

  /** Adds a participant to a conference, as an application of the account would. */
  async addsParticipant(/** @type {string} */ conference, /** @type {Record<string, string>} */ who) {
    const response = await fetch(
      `${this.url}/__tw/api.twilio.com/2010-04-01/Accounts/${this.auth.accountSid}/Conferences/${conference}/Participants.json`,
      { method: 'POST', headers: { authorization: this.authorization() }, body: new URLSearchParams(who) },
    );
    if (!response.ok) throw new Error(`Twilio refuses: ${response.status} ${await response.text()}`);
  }

  /** Changes a participant of a conference, as an application of the account would. */
  changes = (
    /** @type {string} */ conference,
    /** @type {string} */ call,
    /** @type {Record<string, string>} */ how,
  ) =>
    fetch(
      `${this.url}/__tw/api.twilio.com/2010-04-01/Accounts/${this.auth.accountSid}/Conferences/${conference}/Participants/${call}.json`,
      { method: 'POST', headers: { authorization: this.authorization() }, body: new URLSearchParams(how) },
    );

  mute = (/** @type {string} */ conference, /** @type {string} */ call) =>
    this.changes(conference, call, { Muted: 'true' });

  /** Signs everybody out and ends all tasks, as an administrator would by REST. */
  async tidy() {
    // Refused while a task is offered to the worker, as after a failed story.
    for (const name of ['ada', 'bo']) await this.available(name, 'Offline').catch(() => {});
    const { workspaceSid } = this.auth;
    await this.assume({
      deadLegAfterMs: 30_000,
      dtlsCloseEndsLeg: false,
      secondAgentLegRefused: false,
      presenceTtlMs: 30_000,
      retryPauseMs: 0,
      leftChatInvitesItself: true,
      inactiveIsTold: true,
      transferKeepsAgent: false,
    });
    await fetch(`${this.url}/__twin/phones`, { method: 'DELETE' });
    await post(`${this.url}/__twin/chats/faults`);
    await this.features([]);
    for (const undo of this.undo.splice(0)) await undo();
    const { chats } = await this.state();
    for (const { interaction, channel } of chats.filter((/** @type {any} */ it) => it.status !== 'closed')) {
      await fetch(`${this.url}/__tw/flex-api.twilio.com/v1/Interactions/${interaction}/Channels/${channel}`, {
        method: 'POST',
        headers: { authorization: this.authorization() },
        body: new URLSearchParams({ Status: 'closed' }),
      });
    }
    for (const { sid, status } of await this.tasks()) {
      if (['completed', 'canceled'].includes(status)) continue;
      const AssignmentStatus = ['pending', 'reserved'].includes(status) ? 'canceled' : 'completed';
      // A task that has just ended is refused, which is fine.
      await fetch(`${this.url}/__tw/taskrouter.twilio.com/v1/Workspaces/${workspaceSid}/Tasks/${sid}`, {
        method: 'POST',
        headers: { authorization: this.authorization() },
        body: new URLSearchParams({ AssignmentStatus }),
      });
    }
  }

  /** Polls for a state that follows within a moment and has no event. */
  async becomes(/** @type {string} */ what, /** @type {() => Promise<any>} */ look, within = 20_000) {
    const end = Date.now() + within;
    for (;;) {
      const seen = await look();
      if (seen) return seen;
      if (Date.now() > end) throw new Error(`${what}: not so within ${within / 1000} s`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}

/** A customer on a phone of the twin itself: sends a tone and measures what it hears. */
export class Customer {
  /** @returns {Promise<Customer>} */
  static async dials(/** @type {Demo} */ demo) {
    const began = Date.now();
    const { call } = await post(`${demo.twinUrl}/__twin/customer/dial`);
    return new Customer(demo, call, began);
  }

  /** A customer at the phone page, in a browser: the call is placed with its own button. */
  static async dialsFromPage(
    /** @type {Demo} */ demo,
    /** @type {Browsers} */ browsers,
    /** @type {string[]} */ diary,
  ) {
    const context = await (
      await browsers.any()
    ).newContext({
      viewport: { width: 1400, height: 850 },
      permissions: ['microphone'],
    });
    const page = await context.newPage();
    listen(page, 'customer', diary);
    await page.goto(`${demo.pageUrl}phone`);
    const began = Date.now();
    await page.getByRole('button', { name: 'Call', exact: true }).click();
    await page.waitForFunction('document.body.dataset.call', null, { polling: LOOK_EVERY, timeout: 20_000 });
    const customer = new Customer(demo, await page.evaluate('document.body.dataset.call'), began);
    customer.page = page;
    return customer;
  }

  constructor(/** @type {Demo} */ demo, /** @type {string} */ call, /** @type {number} */ began) {
    /** @type {Page | undefined} */
    this.page = undefined;
    this.call = call;
    /** When the call began (point in time), not later than the transcript's zero. */
    this.began = began;
    this.url = `${demo.twinUrl}/__twin/customer/${call}`;
    this.transcript = new Stream(`${this.url}/events`);
    this.timeline = new Stream(`${demo.twinUrl}/__twin/timeline/${call}`);
  }

  heard = () => json(`${this.url}/heard`);

  hangUp = () => post(`${this.url}/hangup`);

  /** Waits until the last second in the customer's ear is loudest at this frequency. */
  async measures(/** @type {string} */ what, /** @type {number} */ hz, /** @type {number} */ tolerance) {
    const end = Date.now() + 20_000;
    for (;;) {
      const { peakHz, rms } = await this.heard();
      if (rms > AUDIBLE && Math.abs(peakHz - hz) <= tolerance) return;
      if (Date.now() > end)
        throw new Error(`${what} (${hz} Hz): the customer hears ${peakHz} Hz, loudness ${Math.round(rms)}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  /** The agents' fake microphones beep at 400 Hz. */
  hearsAgent = () => this.measures('the agent', 400, 20);

  /** Another customer: the twin's own phones send this tone. */
  hearsCustomer = () => this.measures('the other customer', CUSTOMER_HZ, 10);

  /** The twin speaks in bursts around 1000 Hz. */
  hearsSpeech = () => this.measures('speech', 1000, 120);

  /** Is this frequency in what the customer has heard in the last second? @returns {Promise<boolean>} */
  async makesOut(/** @type {number} */ hz) {
    const { tones } = await this.heard();
    return tones.some((/** @type {number} */ tone) => Math.abs(tone - hz) <= 20);
  }

  /** Where to look from, to see only what comes after now. */
  mark() {
    return { transcript: this.transcript.said.length, timeline: this.timeline.said.length };
  }

  /** The longest that nothing was to be heard, in milliseconds, from the first announcement on. */
  longestSilence(/** @type {number} */ from) {
    const lines = this.transcript.said.slice(from).filter(({ heard }) => heard);
    const first = lines.findIndex(({ heard }) => /announcement/.test(heard));
    const silences = lines
      .slice(0, -1)
      .map(({ at, heard }, i) => (i > first && heard === 'silence' ? lines[i + 1].at - at : 0));
    return Math.max(0, ...silences);
  }

  hears(/** @type {RegExp} */ what, { from = this.mark().transcript, within = 40_000 } = {}) {
    return this.transcript.until(
      `"${what.source}" in the customer's ear`,
      (line) => what.test(line.heard ?? ''),
      {
        from,
        within,
      },
    );
  }

  /** A line of the timeline that the server keeps. */
  notes(/** @type {string | RegExp} */ what, { from = 0, within = 40_000 } = {}) {
    const fits = (/** @type {string} */ name) => (what instanceof RegExp ? what.test(name) : what === name);
    return this.timeline.until(`"${what}" in the timeline`, (line) => fits(line.note?.what), {
      from,
      within,
    });
  }

  leave() {
    void this.page?.context().close();
    this.transcript.close();
    this.timeline.close();
  }
}

/** Where agents open Flex: at one address, so that their browsers compile it once. */
const originOf = (/** @type {Demo} */ demo) => `http://localhost:${new URL(demo.twinUrl).port}`;

/** What a page says hello with, whatever its query. @param {URL} url */
export const isHello = (url) => url.pathname === '/v1/hello';

/** An agent at a Flex desktop. */
export class Agent {
  constructor(
    /** @type {Demo} */ demo,
    /** @type {Context} */ context,
    /** @type {'ada' | 'bo'} */ name,
    /** @type {string[]} */ diary,
  ) {
    this.demo = demo;
    this.context = context;
    this.name = name;
    this.diary = diary;
    this.origin = originOf(demo);
    /** @type {Page} */
    this.page = /** @type {any} */ (null);
    /** What becomes of the plugin here. @type {'ready' | 'passive'} */
    this.plugin = 'ready';
  }

  /**
   * Signs in, in a browser of its own. `microphone`: the tone that it hears instead of the browser's beep. `strict`: the
   * browser asks for the microphone and plays nothing before a click. `keepsPages`: the browser has a back/forward cache.
   * `slowness`: of the network of that browser.
   */
  static async signsIn(
    /** @type {Demo} */ demo,
    /** @type {Browsers} */ browsers,
    /** @type {'ada' | 'bo'} */ name,
    /** @type {string[]} */ diary,
    /** @type {SignIn} */ { microphone, plugin = 'ready', prepare, strict, keepsPages, slowness } = {},
  ) {
    const urls = [demo.twinUrl, demo.serverUrl, ...demo.serverUrls];
    const ports = [...new Set(urls.map((url) => Number(new URL(url).port)))];
    const network = slowness && (await slowNetwork(ports, slowness));
    const context = await browsers.open(
      originOf(demo),
      async (context) => {
        const first = new Agent(demo, context, name, []);
        await first.opens(`/login/${name}`);
        await first.refreshes();
        await first.ready();
      },
      { strict, keepsPages, microphone, network: network?.args },
    );
    context.once('close', () => network?.stop());
    // Firefox has it already.
    if (microphone && !browsers.firefox) await context.addInitScript(hearsTone, microphone);
    const agent = new Agent(demo, context, name, diary);
    agent.plugin = plugin;
    await prepare?.(context);
    await agent.opens(`/login/${name}`);
    // A tab closed in the previous story may have set the worker offline while this one was loading.
    await new Twilio(demo).available(name);
    return agent;
  }

  /** Opens a tab and waits until Flex and the plugin are up. */
  async opens(address = `/flex?worker=${this.name}`) {
    this.page = await this.context.newPage();
    listen(this.page, this.name, this.diary);
    // The first time in a browser all of Flex is compiled: on a busy machine that may take longer than Playwright waits.
    await this.page.goto(this.origin + address, { timeout: 60_000 });
    await this.ready();
  }

  async ready() {
    await this.page.waitForFunction('window.__flexReady || window.__flexError', null, {
      polling: LOOK_EVERY,
      timeout: 60_000,
    });
    const trouble = await this.page.evaluate('window.__flexError');
    if (trouble) throw new Error(`Flex did not start: ${trouble}`);
    await this.page.waitForFunction(
      (plugin) => document.documentElement.dataset.rejoin === plugin,
      this.plugin,
      { polling: LOOK_EVERY, timeout: 20_000 },
    );
  }

  /** Is this tab the one that acts for the agent in this browser, or does it wait? */
  async isTheOneThat(/** @type {'acts' | 'waits'} */ does) {
    await this.page.waitForFunction((does) => document.documentElement.dataset.rejoinPage === does, does, {
      polling: LOOK_EVERY,
      timeout: 20_000,
    });
  }

  /** F5, until the old page is gone: on a busy machine the new one may be back on the call before all of it is loaded. */
  async refreshes() {
    await this.page.reload({ waitUntil: 'commit' });
  }

  /** Types another address into the tab. */
  async goesElsewhere() {
    await this.page.goto('about:blank');
  }

  async comesBack() {
    await this.page.goto(`${this.origin}/flex?worker=${this.name}`);
    await this.ready();
  }

  /** Follows a link to another site, in the same tab. What becomes of the page that is left is noted in the tab. */
  async followsALink() {
    await this.page.evaluate(() => {
      Object.assign(window, { __left: true });
      window.addEventListener('pageshow', ({ persisted }) => {
        if (persisted) sessionStorage.setItem('restored', 'yes');
      });
    });
    await this.page.goto(`http://127.0.0.1:${new URL(this.origin).port}/phone`);
  }

  /** Goes back, with the browser's own button. Playwright's `goBack` waits for a page that loads. */
  async goesBack() {
    await this.page.evaluate('setTimeout(() => history.back())');
    await this.page.waitForFunction(
      (origin) => location.origin === origin && document.readyState === 'complete',
      this.origin,
      { polling: LOOK_EVERY, timeout: 30_000 },
    );
  }

  /**
   * Has the browser shown the page that was left, out of its cache, and is it still there? If it was not kept: why not.
   * @returns {Promise<{restored: boolean, same: boolean, why: string[] | undefined}>}
   */
  whatCameBack() {
    return this.page.evaluate(() => {
      const [{ notRestoredReasons: not }] = /** @type {any[]} */ (performance.getEntriesByType('navigation'));
      return {
        restored: sessionStorage.getItem('restored') === 'yes',
        same: '__left' in window,
        why: not?.reasons.map((/** @type {any} */ { reason }) => reason),
      };
    });
  }

  /** Nothing runs in the page, or it runs again: as Chromium does with a machine that sleeps. */
  async freezes(/** @type {boolean} */ frozen) {
    const devtools = await this.context.newCDPSession(this.page);
    await devtools.send('Page.setWebLifecycleState', { state: frozen ? 'frozen' : 'active' });
    await devtools.detach();
  }

  /** The renderer dies; the browser stays. */
  async crashes() {
    const devtools = await this.context.newCDPSession(this.page);
    const crashed = new Promise((done) => this.page.once('crash', done));
    devtools.send('Page.crash').catch(() => {}); // never answers
    await crashed;
  }

  async closesTab() {
    await this.page.close({ runBeforeUnload: false });
  }

  acceptButton() {
    // By its test id, which differs between Flex UIs since 2.0.
    return this.page
      .locator('[data-testid*=accept], [data-test=accept-task], button:has-text("Accept")')
      .first();
  }

  async rings() {
    await this.acceptButton().waitFor({ timeout: 30_000 });
  }

  /** Waits for the incoming call and clicks Flex's own button. */
  async accepts() {
    await this.microphoneFound();
    await this.acceptButton().click({ timeout: 20_000 });
  }

  /** The server has taken the call, and this page has heard so: from now on it stands through a refresh. */
  async isProtected() {
    await this.page.waitForFunction('Rejoin.status().protectedCalls === 1', null, {
      polling: LOOK_EVERY,
      timeout: 20_000,
    });
  }

  /** Clicks Flex's own hang-up button. */
  async hangsUp() {
    await this.page
      .locator('button[aria-label*="ang up" i], button:has-text("Hang up")')
      .first()
      .click({ timeout: 20_000 });
  }

  /** Opens Flex's view of the teams, and in it this call. */
  async looksAt(/** @type {{sid: string}} */ { sid }) {
    // As the button in Flex's side bar does.
    await this.page.evaluate(() =>
      /** @type {any} */ (window).Twilio.Flex.Actions.invokeAction('NavigateToView', { viewName: 'teams' }),
    );
    await this.page.waitForFunction(
      (sid) => {
        const { supervisor } = /** @type {any} */ (window).Twilio.Flex.Manager.getInstance().store.getState()
          .flex;
        return supervisor.workers.some((/** @type {any} */ { tasks }) =>
          tasks.some((/** @type {any} */ task) => task.sid === sid),
        );
      },
      sid,
      { polling: LOOK_EVERY, timeout: 20_000 },
    );
    await this.page.getByText('Demo caller').first().click({ timeout: 20_000 });
  }

  /** Listens to the call that is open in the teams view, or stops, with Flex's own button. */
  async monitors() {
    await this.page.locator('.Twilio-SupervisorTaskOverviewActions-MonitorButton').click({ timeout: 20_000 });
  }

  /** Does the teams view show that this agent listens to a call? @returns {Promise<boolean>} */
  isMonitoring() {
    return this.page.evaluate(() => {
      const { flex } = /** @type {any} */ (window).Twilio.Flex.Manager.getInstance().store.getState();
      return flex.supervisor.callMonitoring.status === 2;
    });
  }

  /** Leaves a call that goes on without this agent, with Flex's own button. */
  async leaves() {
    await this.page.locator('button:has-text("Leave Call")').first().click({ timeout: 20_000 });
  }

  /** Clicks Flex's own mute button: mutes, or unmutes. */
  async mutes() {
    await this.page.locator('button[aria-label*="mute" i]').first().click({ timeout: 20_000 });
  }

  /** Is the microphone of this page's call muted? @returns {Promise<boolean>} */
  isMuted() {
    return this.page.evaluate(() => {
      const { Twilio } = /** @type {any} */ (window);
      return Boolean(Twilio.Flex.Manager.getInstance().store.getState().flex.phone.activeCall?.isMuted());
    });
  }

  /** Waits until this page's phone can ring. */
  async phoneRegistered() {
    await this.page.waitForFunction(
      () =>
        /** @type {any} */ (window).Twilio?.Flex?.Manager?.getInstance()?.voiceClient?.state === 'registered',
      null,
      { polling: LOOK_EVERY, timeout: 30_000 },
    );
  }

  /**
   * Waits until Flex has found the microphone. Before that it cancels a call that the agent places and rejects one that
   * comes in: the Voice SDK lists the devices some time after the phone is registered, and on a busy machine that is late.
   */
  async microphoneFound() {
    await this.page.waitForFunction(
      () =>
        /** @type {any} */ (window).Twilio.Flex.Manager.getInstance().store.getState().flex.phone.listener
          ?.isMicrophoneSet,
      null,
      { polling: LOOK_EVERY, timeout: 30_000 },
    );
  }

  /** Is the phone of this page on a call? @returns {Promise<boolean>} */
  hasCall() {
    return this.page.evaluate(() => {
      const { Twilio } = /** @type {any} */ (window);
      return Boolean(Twilio.Flex.Manager.getInstance().store.getState().flex.phone.activeCall);
    });
  }

  /** Clicks Flex's own hold button. */
  async holds() {
    await this.page.locator('button[aria-label*="hold" i]').first().click({ timeout: 20_000 });
  }

  async unholds() {
    await this.holds();
  }

  /** Invokes an action of Flex on this agent's only task, as Flex's own buttons do. */
  act(/** @type {string} */ action, /** @type {object} */ payload = {}) {
    return this.page.evaluate(([action, payload]) => {
      const { Twilio } = /** @type {any} */ (window);
      const [task] = Twilio.Flex.Manager.getInstance().store.getState().flex.worker.tasks.values();
      return Twilio.Flex.Actions.invokeAction(action, { task, ...payload }).then(() => {});
    }, /** @type {const} */ ([action, payload]));
  }

  /** Hands the task over, as Flex's directory does. */
  transfers(/** @type {keyof typeof WORKER} */ to, /** @type {'WARM' | 'COLD'} */ mode) {
    return this.act('TransferTask', { targetSid: WORKER[to], options: { mode } });
  }

  /** Hands the task over to the second line, as Flex's directory does. */
  transfersToQueue(/** @type {'WARM' | 'COLD'} */ mode) {
    return this.act('TransferTask', { targetSid: SECOND_LINE, options: { mode } });
  }

  /** Completes the task that is wrapping, with Flex's own button. */
  async completes() {
    await this.page.locator('button:has-text("Complete")').first().click({ timeout: 20_000 });
  }

  /** Does the desktop show the customer of this task on hold? @returns {Promise<boolean>} */
  showsOnHold(/** @type {string} */ taskSid) {
    return this.page.evaluate((taskSid) => {
      const { conferences } = /** @type {any} */ (window).Twilio.Flex.Manager.getInstance().store.getState()
        .flex;
      const { participants } = conferences.states.get(taskSid).source;
      return participants.some(
        (/** @type {any} */ { participantType, status, onHold }) =>
          participantType === 'customer' && status === 'joined' && onHold,
      );
    }, taskSid);
  }

  /** Does the desktop say that this is what the agent is at? @returns {Promise<boolean>} */
  isAt(/** @type {string} */ activity) {
    return this.page.evaluate((activity) => {
      const { Twilio } = /** @type {any} */ (window);
      return Twilio.Flex.Manager.getInstance().store.getState().flex.worker.activity.name === activity;
    }, activity);
  }

  /** Signs out, as the button in Flex's menu does. */
  async signsOut() {
    await this.page.evaluate(() => {
      const { Actions } = /** @type {any} */ (window).Twilio.Flex;
      // It also closes the page.
      void Actions.invokeAction('Logout', { forceLogout: false }).catch(console.error);
    });
  }

  dialog() {
    return this.page.locator('dialog[open]');
  }

  /** The dialog was shown in this page, and may be gone again: the plugin adds its element when it is first shown. */
  async sawDialog() {
    await this.page.locator('rejoin-dialog').waitFor({ state: 'attached', timeout: 30_000 });
  }

  /** Tasks as Flex shows them. @returns {Promise<any[]>} */
  tasks() {
    return this.page.evaluate(() => {
      const { Twilio } = /** @type {any} */ (window);
      const { tasks } = Twilio.Flex.Manager.getInstance().store.getState().flex.worker;
      return [...tasks.values()].map((task) => ({
        sid: task.sid,
        taskSid: task.taskSid,
        status: task.status,
        channel: task.taskChannelUniqueName,
        attributes: task.attributes,
      }));
    });
  }

  /** Measures what comes out of this tab: the loudest frequency, and how loud. @returns {Promise<{hz: number, db: number}>} */
  listens() {
    return this.page.evaluate(async () => {
      const { Twilio } = /** @type {any} */ (window);
      const stream = Twilio.Flex.StateHelper.getCurrentPhoneCallState().getRemoteStream();
      const audio = new AudioContext();
      const analyser = audio.createAnalyser();
      analyser.fftSize = 8192;
      analyser.smoothingTimeConstant = 0;
      audio.createMediaStreamSource(stream).connect(analyser);
      // The analyser has no data before a window of sound has passed: wait for sound, at most 3 s.
      const bins = new Float32Array(analyser.frequencyBinCount);
      const until = audio.currentTime + 3;
      let peak = 0;
      do {
        await new Promise((done) => requestAnimationFrame(done));
        analyser.getFloatFrequencyData(bins);
        peak = bins.indexOf(Math.max(...bins));
      } while (!(bins[peak] > -40 && audio.currentTime > 0.4) && audio.currentTime < until);
      const heard = {
        hz: Math.round((peak * audio.sampleRate) / analyser.fftSize),
        db: Math.round(bins[peak]),
      };
      await audio.close();
      return heard;
    });
  }

  /** Waits until the loudest in this tab is this frequency: what was announced may still play for a while. */
  async hears(/** @type {string} */ what, /** @type {number} */ wanted, /** @type {number} */ tolerance) {
    const end = Date.now() + 20_000;
    for (;;) {
      const { hz, db } = await this.listens();
      if (Math.abs(hz - wanted) <= tolerance && db > -60) return;
      if (Date.now() > end)
        throw new Error(`${this.name} should hear ${what} (${wanted} Hz), and hears ${hz} Hz at ${db} dB`);
    }
  }

  /** The customer's tone, and not just something. */
  hearsCustomer = () => this.hears('the customer', CUSTOMER_HZ, 15);

  /** The fake microphone of a page beeps. */
  hearsMicrophone = () => this.hears('the microphone', 400, 20);

  /**
   * Waits until this frequency is among what comes out of this tab, whatever else is.
   * @param {string} what @param {number} hz
   */
  async makesOut(what, hz) {
    const end = Date.now() + 20_000;
    for (;;) {
      const db = await this.levelAt(hz);
      if (db > -60) return;
      if (Date.now() > end) throw new Error(`${this.name} should hear ${what} (${hz} Hz), there at ${db} dB`);
    }
  }

  /** How loud a frequency is, at its loudest in three quarters of a second. @returns {Promise<number>} */
  levelAt(/** @type {number} */ hz) {
    return this.page.evaluate(async (hz) => {
      const { Twilio } = /** @type {any} */ (window);
      const stream = Twilio.Flex.StateHelper.getCurrentPhoneCallState()?.getRemoteStream();
      if (!stream) return -Infinity;
      const audio = new AudioContext();
      const analyser = audio.createAnalyser();
      analyser.fftSize = 8192;
      analyser.smoothingTimeConstant = 0;
      audio.createMediaStreamSource(stream).connect(analyser);
      const bins = new Float32Array(analyser.frequencyBinCount);
      const bin = Math.round((hz * analyser.fftSize) / audio.sampleRate);
      let level = -Infinity;
      while (audio.currentTime < 0.75) {
        await new Promise((done) => requestAnimationFrame(done));
        analyser.getFloatFrequencyData(bins);
        level = Math.max(level, ...bins.slice(bin - 2, bin + 3));
      }
      await audio.close();
      return Math.round(level);
    }, hz);
  }

  shot = (/** @type {string} */ folder, /** @type {string} */ name) =>
    this.page.screenshot({ path: path.join(folder, `${name}.png`) });

  leave = () => this.context.close();
}
