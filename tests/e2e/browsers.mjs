// Browsers of the agents. Each sign-in has one of its own, with a profile in which is nothing but Flex as the browser has
// compiled it before: without that, two thirds of a story's time would be the compiling of 17 MB, once for each agent.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium, firefox } from 'playwright-core';

/** @typedef {import('playwright-core').BrowserContext} Context */

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  // A machine without a network gathers no ICE candidates otherwise.
  '--allow-loopback-in-peer-connection',
  '--use-fake-device-for-media-stream',
];
/** Needs no permission prompts, and plays any audio. */
const chromeArgs = [...ARGS, '--use-fake-ui-for-media-stream', '--autoplay-policy=no-user-gesture-required'];
/** Asks for the microphone as browsers do, and plays as little as they may. */
const STRICT = {
  args: [...ARGS, '--autoplay-policy=document-user-activation-required'],
  ignoreDefaultArgs: ['--autoplay-policy=no-user-gesture-required'],
};

/**
 * Keeps pages that are left in its back/forward cache, as browsers do; Playwright's do not. A listener for `unload`, such as
 * the Voice SDK's up to 2.18.0, prevents that only in a browser that still heeds `unload`
 * (https://developer.chrome.com/docs/web-platform/deprecating-unload).
 */
const KEEPING = {
  args: [...chromeArgs, '--enable-features=DeprecateUnload'],
  ignoreDefaultArgs: ['--disable-back-forward-cache'],
};

/** The tone of Chromium's fake microphone. */
const BEEP_HZ = 400;

/**
 * The Firefox of Mozilla or Debian, not one that Playwright has changed, without permission prompts, with a microphone that beeps as
 * Chromium's.
 */
const FIREFOX = {
  channel: 'moz-firefox',
  firefoxUserPrefs: {
    'media.navigator.streams.fake': true,
    'media.navigator.permission.disabled': true,
    'media.autoplay.default': 0,
    // Playwright does not answer the question whether to leave the page, which Flex has the browser ask during a call.
    'dom.disable_beforeunload': true,
  },
};

/** What Chromium keeps of scripts: as they came, and compiled. The compiled one counts for that very answer only. */
const SCRIPTS = ['Cache', 'Code Cache'].map((name) => path.join('Default', name));

/** Its processes may be writing still when a browser says that it is closed: then it goes with the rest, or with `/tmp`. */
function discard(/** @type {string} */ folder) {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 2 });
  } catch {
    // The only cost is some disk space.
  }
}

/** The profile of each agent's browser, by its only context. @type {WeakMap<Context, string>} */
const profiles = new WeakMap();

/**
 * The processes of a browser that was opened for one agent. Not all name its profile: those of the headless shell are found by
 * their parents.
 * @returns {Array<{pid: number, args: string}>}
 */
function processesOf(/** @type {Context} */ context) {
  const profile = profiles.get(context);
  if (!profile) throw new Error('this browser was not opened for one agent');
  const all = execFileSync('ps', ['-ww', '-eo', 'pid=,ppid=,args='], { encoding: 'utf8', maxBuffer: 1 << 26 })
    .split('\n')
    .flatMap((line) => {
      const [, pid, parent, args = ''] = /^\s*(\d+)\s+(\d+)\s(.*)$/.exec(line) ?? [];
      return pid ? [{ pid: Number(pid), parent: Number(parent), args }] : [];
    });
  const found = new Set(all.filter(({ args }) => args.includes(`user-data-dir=${profile}`)));
  // A set goes on to what is added while it is gone through.
  for (const { pid } of found) for (const each of all) if (each.parent === pid) found.add(each);
  return [...found];
}

/** Kills a browser that was opened for one agent, with all its processes. */
export async function killBrowser(/** @type {Context} */ context) {
  const closed = new Promise((done) => context.once('close', done));
  for (const { pid } of processesOf(context)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended with the one before it.
    }
  }
  await closed;
}

/**
 * Cuts a browser that was opened for one agent off from the network: the process that has all its sockets stands still, so that
 * nothing goes out, nothing comes in, and nobody is told. Everybody else has half-open connections.
 * @returns {() => void} connects it again
 */
export function cutNetwork(/** @type {Context} */ context) {
  const network = processesOf(context).find(({ args }) => args.includes('network.mojom.NetworkService'));
  if (!network) throw new Error('this browser has no process for the network');
  process.kill(network.pid, 'SIGSTOP');
  return () => process.kill(network.pid, 'SIGCONT');
}

export class Browsers {
  /**
   * @param {string} executablePath of Chromium
   * @param {{shell?: string, firefox?: import('../../scripts/lib/firefox.mjs').Firefox}} [options] `shell`: of its headless shell,
   *   for all who need neither its permission prompts nor its back/forward cache; `firefox`: what the agents have, instead of Chromium
   */
  constructor(executablePath, { shell = executablePath, firefox } = {}) {
    this.executablePath = executablePath;
    this.shell = shell;
    this.firefox = firefox;
    this.folder = mkdtempSync(path.join(tmpdir(), 'rejoin-browsers-'));
    /** Profiles that have compiled what a desktop loads, by browser and address. @type {Map<string, string>} */
    this.compiled = new Map();
    /** @type {Promise<import('playwright-core').Browser> | undefined} */
    this.shared = undefined;
  }

  /** One for those who load little: each gets a context of its own. */
  any() {
    this.shared ??= chromium.launch({
      executablePath: this.shell,
      headless: true,
      args: chromeArgs,
    });
    return this.shared;
  }

  /** One that keeps the pages that are left, with nothing in it. Closing its only context ends it. */
  keeping() {
    return this.#launch(mkdtempSync(path.join(this.folder, 'profile-')), KEEPING);
  }

  /**
   * Starts a browser for one agent. Its only context is given back; closing that ends it.
   * @param {string} origin what the agent will open
   * @param {(context: Context) => Promise<void>} compile opens it in a browser, twice: from the second time on Chromium
   *   keeps what it has compiled. Asked for once an origin and browser
   * @param {{strict?: boolean, keepsPages?: boolean, microphone?: number, network?: string[]}} [options] `microphone`: the tone
   *   that it hears, in Firefox; `network`: the arguments of a network of its own, in Chromium
   */
  async open(
    origin,
    compile,
    { strict = false, keepsPages = false, microphone = BEEP_HZ, network = [] } = {},
  ) {
    if (this.firefox) return this.#launchFirefox(this.firefox, microphone);
    const browser = { executablePath: strict || keepsPages ? this.executablePath : this.shell };
    const where = `${browser.executablePath} ${origin}`;
    let compiled = this.compiled.get(where);
    if (!compiled) {
      compiled = mkdtempSync(path.join(this.folder, 'compiled-'));
      const context = await this.#launch(compiled, browser);
      await compile(context).finally(() => context.close());
      this.compiled.set(where, compiled);
    }
    const profile = mkdtempSync(path.join(this.folder, 'profile-'));
    for (const part of SCRIPTS) {
      cpSync(path.join(compiled, part), path.join(profile, part), { recursive: true });
    }
    const kind = strict ? STRICT : keepsPages ? KEEPING : { args: chromeArgs };
    const context = await this.#launch(profile, { ...browser, ...kind, args: [...kind.args, ...network] });
    context.once('close', () => discard(profile));
    profiles.set(context, profile);
    return context;
  }

  async #launchFirefox(
    /** @type {import('../../scripts/lib/firefox.mjs').Firefox} */ started,
    /** @type {number} */ microphone,
  ) {
    const profile = mkdtempSync(path.join(this.folder, 'profile-'));
    const context = await firefox.launchPersistentContext(profile, {
      ...started,
      headless: true,
      viewport: { width: 1400, height: 850 },
      ...FIREFOX,
      firefoxUserPrefs: {
        ...FIREFOX.firefoxUserPrefs,
        'media.navigator.audio.fake_frequency': microphone,
      },
    });
    context.once('close', () => discard(profile));
    profiles.set(context, profile);
    return context;
  }

  #launch(/** @type {string} */ profile, more = {}) {
    return chromium.launchPersistentContext(profile, {
      executablePath: this.executablePath,
      headless: true,
      args: chromeArgs,
      viewport: { width: 1400, height: 850 },
      permissions: ['microphone'],
      ...more,
    });
  }

  async close() {
    await (await this.shared)?.close();
    discard(this.folder);
  }
}
