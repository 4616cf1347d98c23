// Browsers of the agents. Each sign-in has one of its own, with a profile in which is nothing but Flex as the browser has
// compiled it before: without that, two thirds of a story's time would be the compiling of 17 MB, once for each agent.

import { execFile, execFileSync } from 'node:child_process';
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

/** Kills a browser that was opened for one agent, with all its processes. */
export async function killBrowser(/** @type {Context} */ context) {
  const profile = profiles.get(context);
  if (!profile) throw new Error('this browser was not opened for one agent');
  const closed = new Promise((done) => context.once('close', done));
  // 1: some of its processes had ended by then.
  execFile('pkill', ['-KILL', '-f', `user-data-dir=${profile}`], () => {});
  await closed;
}

/**
 * Cuts a browser that was opened for one agent off from the network: the process that has all its sockets stands still, so that
 * nothing goes out, nothing comes in, and nobody is told. Everybody else has half-open connections.
 * @returns {() => void} connects it again
 */
export function cutNetwork(/** @type {Context} */ context) {
  const profile = profiles.get(context);
  if (!profile) throw new Error('this browser was not opened for one agent');
  const found = execFileSync('pgrep', ['-f', `network.mojom.NetworkService.*user-data-dir=${profile}`]);
  const pid = Number(found);
  process.kill(pid, 'SIGSTOP');
  return () => process.kill(pid, 'SIGCONT');
}

export class Browsers {
  /**
   * @param {string} executablePath of Chromium
   * @param {import('../../scripts/lib/firefox.mjs').Firefox} [firefox] which the agents have then, instead of Chromium
   */
  constructor(executablePath, firefox) {
    this.executablePath = executablePath;
    this.firefox = firefox;
    this.folder = mkdtempSync(path.join(tmpdir(), 'rejoin-browsers-'));
    /** @type {Map<string, string>} profiles that have compiled what a desktop at this address loads */
    this.compiled = new Map();
    /** @type {Promise<import('playwright-core').Browser> | undefined} */
    this.shared = undefined;
  }

  /** One for those who load little: each gets a context of its own. */
  any() {
    this.shared ??= chromium.launch({
      executablePath: this.executablePath,
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
   *   keeps what it has compiled. Asked for once an origin
   * @param {{strict?: boolean, keepsPages?: boolean, microphone?: number}} [options] `microphone`: the tone that it hears, in Firefox
   */
  async open(origin, compile, { strict = false, keepsPages = false, microphone = BEEP_HZ } = {}) {
    if (this.firefox) return this.#launchFirefox(this.firefox, microphone);
    let compiled = this.compiled.get(origin);
    if (!compiled) {
      compiled = mkdtempSync(path.join(this.folder, 'compiled-'));
      const context = await this.#launch(compiled);
      await compile(context).finally(() => context.close());
      this.compiled.set(origin, compiled);
    }
    const profile = mkdtempSync(path.join(this.folder, 'profile-'));
    for (const part of SCRIPTS) {
      cpSync(path.join(compiled, part), path.join(profile, part), { recursive: true });
    }
    const context = await this.#launch(profile, strict ? STRICT : keepsPages ? KEEPING : {});
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
