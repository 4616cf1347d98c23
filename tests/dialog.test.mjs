// The dialog in every state, language and theme: it fits, is accessible, and speaks Flex's language.
// The built plugin shows it, led from state to state by what Flex, the browser and the server say. Pictures of all of
// it are in target/e2e/dialog/.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { sheet } from '../scripts/lib/sheet.mjs';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const pictures = at('target/e2e/dialog');
const words = Object.fromEntries(
  readdirSync(at('js-shim/languages')).map((file) => [
    file.replace('.json', ''),
    JSON.parse(readFileSync(at(`js-shim/languages/${file}`), 'utf8')),
  ]),
);
const languages = Object.keys(words);
const lower = (text) => text[0].toLowerCase() + text.slice(1);
const upper = (text) => text[0].toUpperCase() + text.slice(1);

// Each text with a title is a state of the dialog.
const kinds = Object.keys(words.en).flatMap((key) => {
  const [, kind] = /^Rejoin(.*)Title$/.exec(key) ?? [];
  return kind ? [lower(kind)] : [];
});
const names = { en: 'Maximiliane Oberhuber-Winterstein', ja: '勅使河原 ジョナサン太郎左衛門' };
const nameIn = (language) => names[language] ?? names.en;

/** `js-shim/strings.js` as a script, `window.shim`. */
const bundle = async (plugins = []) => {
  const stdin = { contents: "export * from './strings';", resolveDir: at('js-shim') };
  const options = { bundle: true, write: false, format: 'iife', globalName: 'shim', target: 'chrome90' };
  const { outputFiles } = await build({ stdin, plugins, ...options });
  return outputFiles[0].text;
};

let browser;

before(async () => {
  mkdirSync(pictures, { recursive: true });
  browser = await chromium.launch({
    executablePath: process.env.HEADLESS_SHELL ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
});
after(() => browser?.close());

/** What surrounds the plugin: as much of Flex, browser and server as it takes. Runs in the page. */
const surround = ({ tag, dark }) => {
  const sid = (prefix) => prefix + '1'.repeat(32);
  const emitter = () => ({
    handlers: {},
    on(event, handler) {
      this.handlers[event] = handler;
    },
    addListener() {},
  });
  const task = { sid: sid('WR'), taskSid: sid('WT'), workflowSid: sid('WW'), status: 'accepted' };
  const flex = {
    phone: {},
    worker: { worker: {}, attributes: {}, tasks: new Map([[task.sid, task]]) },
    config: { theme: { isLight: !dark } },
  };
  const subscribers = [];
  const manager = {
    // Even on a slow machine no state ends before it was checked.
    configuration: {
      custom_data: { rejoin: { server: location.origin, silenceMs: 60_000, rejoinedForMs: 10_000 } },
    },
    localization: { localeTag: tag },
    store: { getState: () => ({ flex }), subscribe: (subscriber) => subscribers.push(subscriber) },
    events: emitter(),
    voiceClient: emitter(),
    workerClient: { ...emitter(), sid: sid('WK'), attributes: { contact_uri: 'client:ada' } },
  };
  const Flex = {
    Actions: { addListener() {}, async invokeAction() {} },
    VERSION: '2.17.1',
    TaskHelper: { isCallTask: () => true, isLiveCall: () => true, getTaskByTaskSid: () => task },
    Manager: { getInstance: () => manager },
    Plugins: { init: (Plugin) => new Plugin().init(Flex, manager) },
  };
  window.Twilio = { Flex };

  const permission = Object.assign(new EventTarget(), { state: 'granted' });
  navigator.permissions.query = async () => permission;
  let devices = [{ kind: 'audioinput' }];
  navigator.mediaDevices.enumerateDevices = async () => devices;
  let refuses = false;
  const speaker = new Audio();
  speaker.srcObject = new AudioContext().createMediaStreamDestination().stream;
  HTMLMediaElement.prototype.play = async () => {
    if (refuses) throw new DOMException('not before a click', 'NotAllowedError');
  };

  let answer, channel;
  const text = new TextEncoder();
  window.fetch = async (request) => {
    const url = new URL(request.url ?? request, location.origin).pathname;
    if (url.endsWith('/hello')) return new Promise((resolve) => (answer = resolve));
    if (!url.includes('/push')) return new Response(null, { status: 204 });
    return new Response(new ReadableStream({ start: (controller) => (channel = controller) }));
  };
  const view = (stage, remainingMs, more) => {
    return { id: sid('RJ'), task: task.taskSid, reservation: task.sid, stage, remainingMs, ...more };
  };
  window.world = {
    answers: (...said) => answer(new Response(JSON.stringify({ recoveries: [view(...said)] }))),
    pushes: (...said) => {
      const push = JSON.stringify({ push: 'recovery', recovery: view(...said) });
      channel.enqueue(text.encode(`data: ${push}\n\n`));
    },
    microphone(state, found = true) {
      permission.state = state;
      devices = found ? [{ kind: 'audioinput' }] : [];
      permission.dispatchEvent(new Event('change'));
    },
    phone(state) {
      manager.voiceClient.state = state;
      subscribers.forEach((subscriber) => subscriber());
    },
    talks() {
      flex.phone.activeCall = { parameters: { CallSid: sid('CA') } };
      subscribers.forEach((subscriber) => subscriber());
    },
    async plays(allowed) {
      refuses = !allowed;
      await speaker.play().catch(() => {});
    },
  };
};

/** How each state comes about, one after the other. Countdowns are at their longest. */
const steps = (page, language) => {
  const say = (what, ...args) => page.evaluate(([what, args]) => window.world[what](...args), [what, args]);
  const pushes = (name, more, remaining) => say('pushes', { name, ...more }, remaining);
  const long = 120_000;
  return [
    ['checking', () => page.locator('rejoin-dialog').waitFor({ state: 'attached' })],
    ['unreachable', () => page.clock.fastForward(60_000)],
    ['interrupted', () => say('answers', { name: 'interrupted' }, long)],
    ['microphoneDenied', () => say('microphone', 'denied')],
    ['noMicrophone', () => say('microphone', 'prompt', false)],
    ['waitingForPhone', () => say('microphone', 'granted').then(() => pushes('queued', {}, long))],
    ['reconnecting', () => say('phone', 'registered')],
    ['inPlace', () => pushes('inPlace', {}, long)],
    ['slow', () => page.clock.fastForward(long + 60_000)],
    ['waitingForOther', () => pushes('waitingForOther')],
    ['tooOften', () => say('pushes', { name: 'waitingForOther' }, undefined, { tooOften: true })],
    ['handedOver', () => pushes('handedOver', { workerName: nameIn(language) })],
    ['customerLeft', () => pushes('customerLeft')],
    ['failed', () => pushes('failed', { reason: 'theMoonWasFull' })],
    ['failedNobodyTookIt', () => pushes('failed', { reason: 'nobodyTookIt' })],
    ['failedNotRequeued', () => pushes('failed', { reason: 'notRequeued' })],
    ['needsClick', () => say('talks').then(() => say('plays', false))],
    ['rejoined', () => say('plays', true).then(() => pushes('rejoined'))],
  ];
};
const COUNTING = ['interrupted', 'microphoneDenied', 'noMicrophone', 'waitingForPhone'];

/** Without a Japanese font the letters are narrow boxes: like this they are as wide as they should be, or wider. */
const widen = () => {
  const wide = new CSSStyleSheet();
  wide.replaceSync(':lang(ja) { letter-spacing: 0.65em }');
  const root = document.querySelector('rejoin-dialog').shadowRoot;
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, wide];
};

/** Loads the built plugin in the middle of a call and leads it through all states. */
const walk = async ({ language = 'en', dark = false, width = 640, height = 400, style = '' }, visit) => {
  const context = await browser.newContext({
    viewport: { width, height },
    locale: 'tlh',
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  await page.clock.install();
  await page.route('http://rejoin.localhost/**', (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><body style="background: #f4f4f6">' }),
  );
  await page.goto('http://rejoin.localhost/');
  if (style) await page.addStyleTag({ content: style });
  await page.evaluate(surround, { tag: `${language}-XX`, dark });
  await page.addScriptTag({ content: readFileSync(at('build/plugin-rejoin.js'), 'utf8') });
  await page.locator('html[data-rejoin-page]').waitFor({ state: 'attached', timeout: 10_000 });
  await page.locator('rejoin-dialog').waitFor({ state: 'attached' });
  await page.evaluate(widen);
  for (const [state, lead] of steps(page, language)) {
    await lead();
    const kind = state.startsWith('failed') ? 'failed' : state;
    const said = (key) => words[language][`Rejoin${upper(key)}`].replace('{{name}}', nameIn(language));
    await page.locator('h2', { hasText: said(`${kind}Title`) }).waitFor({ timeout: 10_000 });
    await page.locator('.text', { hasText: said(state) }).waitFor({ timeout: 10_000 });
    await visit(page, state, kind);
  }
  await page.clock.fastForward(10_000);
  await page.locator('dialog[open]').waitFor({ state: 'detached', timeout: 5000 }); // it closes in the end
  await context.close();
};

describe('languages', () => {
  const gaps = (text) => (text.match(/{{\w+}}/g) ?? []).sort();

  for (const language of languages) {
    test(`${language} has every English text, with the same gaps, translated`, () => {
      assert.deepEqual(Object.keys(words[language]), Object.keys(words.en));
      for (const [key, text] of Object.entries(words[language])) {
        assert.deepEqual(gaps(text), gaps(words.en[key]), key);
        assert.equal(text, text.trim(), key);
        if (language !== 'en' && key !== 'RejoinOk') assert.notEqual(text, words.en[key], key);
      }
    });
  }

  test('the account’s own texts come first, and English replaces missing ones', async () => {
    // An incomplete translation.
    const unfinished = {
      name: 'unfinished',
      setup: ({ onLoad }) =>
        onLoad({ filter: /languages\.json$/ }, () => ({
          contents: JSON.stringify({ ...words, fr: { RejoinClose: 'Fermer' } }),
          loader: 'json',
        })),
    };
    const page = await (await browser.newContext({ locale: 'de-AT' })).newPage();
    await page.addScriptTag({ content: await bundle([unfinished]) });
    const said = await page.evaluate(() => {
      const say = (manager, ...rest) => [window.shim.language(manager), window.shim.text(manager, ...rest)];
      const of = (localeTag, strings) => ({ localization: { localeTag }, strings });
      return {
        unfinished: [say(of('fr-CA'), 'close'), say(of('fr-CA'), 'continue')],
        unknown: say(of('tlh'), 'close'),
        own: say(of('ja', { RejoinHandedOverTitle: '{{name}}!' }), 'handedOverTitle', { name: '$&' }),
        nobody: say(of('pt-BR'), 'handedOverTitle', { name: null }),
        browser: say({}, 'close'),
      };
    });
    assert.deepEqual(said.unfinished, [
      ['fr', 'Fermer'],
      ['fr', 'Continue'],
    ]);
    assert.deepEqual(said.unknown, ['en', 'Close']);
    assert.deepEqual(said.own, ['ja', '$&!']);
    assert.deepEqual(said.nobody, ['pt', `${words.pt.RejoinAnotherAgent} assumiu a chamada`]);
    assert.deepEqual(said.browser, ['de', 'Schließen']);
    await page.context().close();
  });
});

describe('the dialog', () => {
  test('has all the states that the core knows', () => {
    const core = readFileSync(at('src/agent/dialog.rs'), 'utf8');
    const known = [...core.matchAll(/^ {4}([A-Z]\w+)(?:,| {)$/gm)].map(([, name]) => lower(name));
    assert.deepEqual([...kinds].sort(), known.sort());
    const led = new Set(steps().map(([state]) => (state.startsWith('failed') ? 'failed' : state)));
    assert.deepEqual([...led].sort(), known);
  });

  for (const dark of [false, true]) {
    const theme = dark ? 'dark' : 'light';
    test(`axe finds nothing serious in it, ${theme}`, async () => {
      let seen = 0;
      await walk({ dark }, async (page, state) => {
        if (!seen) await page.addScriptTag({ content: axe.source });
        seen += 1;
        await page.screenshot({ path: `${pictures}/${state}-${theme}.png` });
        const { violations, incomplete, passes } = await page.evaluate(() =>
          window.axe.run({ include: ['rejoin-dialog'] }),
        );
        const grave = [...violations, ...incomplete]
          .filter(({ impact }) => impact === 'serious' || impact === 'critical')
          .map(({ id, nodes }) => `${state}: ${id}: ${nodes.map(({ failureSummary }) => failureSummary)}`);
        assert.deepEqual(grave, []);
        // The check has run: at least the texts were found.
        const contrast = passes.find(({ id }) => id === 'color-contrast');
        assert.ok(contrast?.nodes.length >= 2, `${state}: ${passes.map(({ id }) => id)}`);
      });
      assert.ok(seen >= kinds.length);
    });
  }

  test('all pictures fit on one sheet', async () => {
    await sheet(
      browser,
      pictures,
      steps().map(([state]) => state),
      `${pictures}/all.png`,
    );
  });

  /** The dialog of this page, measured. */
  const measure = async (page, language, state) => {
    const box = await page.evaluate(() => {
      const dialog = document.querySelector('rejoin-dialog').shadowRoot.querySelector('dialog');
      const { scrollHeight, clientHeight, scrollWidth, clientWidth, lang, innerText } = dialog;
      const { activeElement } = dialog.getRootNode();
      const focus = activeElement?.tagName ?? '';
      return { scrollHeight, clientHeight, scrollWidth, clientWidth, lang, innerText, focus };
    });
    const name = `${language} ${state}`;
    assert.ok(box.scrollHeight <= box.clientHeight, `${name}: ${box.scrollHeight} > ${box.clientHeight}`);
    assert.ok(box.scrollWidth <= box.clientWidth, `${name}: ${box.scrollWidth} > ${box.clientWidth}`);
    assert.equal(box.lang, language);
    assert.doesNotMatch(box.innerText, /{{|undefined/, name);
    const [before] = words[language].RejoinCountdown.split('{{seconds}}');
    assert.equal(box.innerText.includes(before), COUNTING.includes(state), `${name}: ${box.innerText}`);
    const button = await page.locator('rejoin-dialog button').isVisible();
    assert.equal(box.focus, button ? 'BUTTON' : 'DIALOG', name);
    return `${box.clientHeight} ${name}`;
  };

  test('is large enough for every text, and of one size', async () => {
    const heights = [];
    for (const language of languages) {
      await walk({ language }, async (page, state) => {
        heights.push(await measure(page, language, state));
        await page.screenshot({ path: `${pictures}/${state}-${language}.png` });
      });
    }
    const sizes = new Set(heights.map((height) => height.split(' ')[0]));
    assert.equal(sizes.size, 1, heights.sort().join('\n'));
  });

  for (const [why, room] of [
    ['there is little room', { width: 320, height: 640 }],
    [
      'the letters are twice as large',
      { width: 1280, height: 800, style: 'html { font-size: 200% !important }' },
    ],
  ]) {
    test(`grows where ${why}`, async () => {
      for (const language of languages) {
        await walk({ language, ...room }, (page, state) => measure(page, language, state));
      }
    });
  }

  test('cannot be left with Esc or Tab', async () => {
    await walk({}, async (page, state) => {
      if (state !== 'interrupted' && state !== 'slow') return;
      for (const key of ['Escape', 'Escape', 'Tab', 'Tab']) await page.keyboard.press(key);
      const modal = () =>
        document.querySelector('rejoin-dialog').shadowRoot.querySelector('dialog').matches(':modal');
      assert.equal(await page.evaluate(modal), true, state);
    });
  });
});
