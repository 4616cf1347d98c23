// The dialog in every state, language and theme: does it fit, can everybody use it, and does it speak Flex's language?
// Pictures of all of it are in target/e2e/dialog/.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const pictures = at('target/e2e/dialog');
const words = Object.fromEntries(
  readdirSync(at('js-shim/languages')).map((file) => [
    file.replace('.json', ''),
    JSON.parse(readFileSync(at(`js-shim/languages/${file}`), 'utf8')),
  ]),
);
const languages = Object.keys(words);

// A state of the dialog is what has a title.
const kinds = Object.keys(words.en).flatMap((key) => {
  const [, first, rest] = /^Rejoin(.)(.*)Title$/.exec(key) ?? [];
  return first ? [first.toLowerCase() + rest] : [];
});
const names = { en: 'Maximiliane Oberhuber-Winterstein', ja: '勅使河原 ジョナサン太郎左衛門' };
/** Everything that a state may have to show, at its longest. */
const content = (kind, language) => ({
  kind,
  ...(kind === 'interrupted' && { until: Date.now() + 120_000 }),
  ...(kind === 'handedOver' && { name: names[language] ?? names.en }),
  ...(kind === 'failed' && { reason: "Twilio did not take the customer's call back into the queue" }),
});

/** The shim's own modules as one script, `window.shim`. */
const bundle = async (plugins = []) => {
  const stdin = {
    contents: "export * from './dialog'; export * from './strings';",
    resolveDir: at('js-shim'),
  };
  const options = { bundle: true, write: false, format: 'iife', globalName: 'shim', target: 'chrome90' };
  const { outputFiles } = await build({ stdin, plugins, ...options });
  return outputFiles[0].text;
};

let browser, script;

before(async () => {
  mkdirSync(pictures, { recursive: true });
  script = await bundle();
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
});
after(() => browser?.close());

const open = async ({ width = 640, height = 400, locale = 'en-US', code = script } = {}) => {
  const context = await browser.newContext({ viewport: { width, height }, locale, reducedMotion: 'reduce' });
  const page = await context.newPage();
  await page.setContent('<!doctype html><body style="background: #f4f4f6"></body>');
  await page.addScriptTag({ content: code });
  // One dialog per page, as in Flex; only what its manager says changes.
  await page.evaluate(() => {
    const manager = { store: { getState: () => ({ flex: { config: { theme: window.theme } } }) } };
    window.dialog = window.shim.createDialog(manager, () => {});
    // Without a Japanese font the letters are narrow boxes: like this they are as wide as they should be, or wider.
    const wide = new CSSStyleSheet();
    wide.replaceSync(':lang(ja) { letter-spacing: 0.65em }');
    window.showDialog = ({ tag, dark, content }) => {
      manager.localization = { localeTag: tag };
      window.theme = { isLight: !dark };
      window.dialog.show(content);
      const root = document.querySelector('rejoin-dialog').shadowRoot;
      if (!root.adoptedStyleSheets.includes(wide))
        root.adoptedStyleSheets = [...root.adoptedStyleSheets, wide];
      return root.querySelector('dialog').innerText;
    };
  });
  return page;
};
const show = (page, kind, { tag = 'en-US', dark = false } = {}) =>
  page.evaluate((args) => window.showDialog(args), { tag, dark, content: content(kind, tag) });

describe('languages', () => {
  const gaps = (text) => (text.match(/{{\w+}}/g) ?? []).sort();

  for (const language of languages) {
    test(`${language} says all that English says, with the same gaps, in words of its own`, () => {
      assert.deepEqual(Object.keys(words[language]), Object.keys(words.en));
      for (const [key, text] of Object.entries(words[language])) {
        assert.deepEqual(gaps(text), gaps(words.en[key]), key);
        assert.equal(text, text.trim(), key);
        if (language !== 'en' && key !== 'RejoinOk') assert.notEqual(text, words.en[key], key);
      }
    });
  }

  test('the account’s own words come first, and English stands for what is missing', async () => {
    // As if the translator had not got far.
    const unfinished = {
      name: 'unfinished',
      setup: ({ onLoad }) =>
        onLoad({ filter: /fr\.json$/ }, () => ({ contents: '{"RejoinClose":"Fermer"}', loader: 'json' })),
    };
    const page = await open({ locale: 'de-AT', code: await bundle([unfinished]) });
    const said = await page.evaluate(() => {
      const say = (manager, ...rest) => [window.shim.language(manager), window.shim.text(manager, ...rest)];
      const of = (localeTag, strings) => ({ localization: { localeTag }, strings });
      return {
        unfinished: [say(of('fr-CA'), 'close'), say(of('fr-CA'), 'continue')],
        unknown: say(of('tlh'), 'close'),
        own: say(of('ja', { RejoinHandedOverTitle: '{{name}}!' }), 'handedOverTitle', { name: '$&' }),
        nobody: say(of('pt-BR'), 'handedOverTitle', { name: null }),
        browser: say({}, 'close'),
        developer: say(of('es-MX'), 'refused', { status: 403 }),
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
    assert.match(said.developer[1], /HTTP 403/);
    await page.context().close();
  });

  test('the built plugin speaks Flex’s language', async () => {
    const plugin = readFileSync(at('build/plugin-rejoin.js'), 'utf8');
    for (const language of languages) {
      // The page was reloaded during a call, and the server does not answer.
      const page = await (await browser.newContext({ locale: 'en-US' })).newPage();
      await page.route('http://rejoin.localhost/**', (route) =>
        new URL(route.request().url()).pathname === '/'
          ? route.fulfill({ contentType: 'text/html', body: '<!doctype html><body></body>' })
          : undefined,
      );
      await page.goto('http://rejoin.localhost/');
      await page.evaluate((localeTag) => {
        const nothing = { on() {}, addListener() {}, subscribe() {} };
        const sid = (prefix) => prefix + '1'.repeat(32);
        const task = { sid: sid('WR'), taskSid: sid('WT'), workflowSid: sid('WW'), status: 'accepted' };
        const flex = {
          phone: {},
          worker: { worker: {}, attributes: {}, tasks: new Map([[task.sid, task]]) },
        };
        const manager = {
          configuration: { custom_data: { rejoin: { server: location.origin } } },
          localization: { localeTag },
          store: { getState: () => ({ flex }), ...nothing },
          events: nothing,
          voiceClient: nothing,
          workerClient: { ...nothing, sid: sid('WK'), attributes: { contact_uri: 'client:ada' } },
        };
        const Flex = {
          Actions: nothing,
          TaskHelper: { isCallTask: () => true, isLiveCall: () => true },
          Manager: { getInstance: () => manager },
          Plugins: { init: (Plugin) => new Plugin().init(Flex, manager) },
        };
        window.Twilio = { Flex };
      }, `${language}-XX`);
      await page.addScriptTag({ content: plugin });
      await page
        .locator('rejoin-dialog h2', { hasText: words[language].RejoinCheckingTitle })
        .waitFor({ timeout: 10_000 });
      assert.equal(await page.locator('rejoin-dialog dialog').getAttribute('lang'), language);
      await page.context().close();
    }
  });
});

describe('the dialog', () => {
  test('has all the states that the core knows', () => {
    const core = readFileSync(at('src/agent/dialog.rs'), 'utf8');
    const known = [...core.matchAll(/^ {4}([A-Z]\w+)(?:,| {)$/gm)].map(([, name]) => name);
    assert.deepEqual(kinds.map((kind) => kind[0].toUpperCase() + kind.slice(1)).sort(), known.sort());
  });

  for (const dark of [false, true]) {
    const theme = dark ? 'dark' : 'light';
    test(`axe finds nothing serious in it, ${theme}`, async () => {
      const page = await open();
      await page.addScriptTag({ content: axe.source });
      for (const kind of kinds) {
        await show(page, kind, { dark });
        await page.screenshot({ path: `${pictures}/${kind}-${theme}.png` });
        const { violations, incomplete, passes } = await page.evaluate(() =>
          window.axe.run({ include: ['rejoin-dialog'] }),
        );
        const grave = [...violations, ...incomplete]
          .filter(({ impact }) => impact === 'serious' || impact === 'critical')
          .map(({ id, nodes }) => `${kind}: ${id}: ${nodes.map(({ failureSummary }) => failureSummary)}`);
        assert.deepEqual(grave, []);
        // It has looked: the texts at least are there to be read.
        const contrast = passes.find(({ id }) => id === 'color-contrast');
        assert.ok(contrast?.nodes.length >= 2, `${kind}: ${passes.map(({ id }) => id)}`);
      }
      await page.context().close();
    });
  }

  /** All states in all languages, measured. */
  const measure = async (page) => {
    const found = [];
    for (const language of languages) {
      for (const kind of kinds) {
        const text = await show(page, kind, { tag: language });
        const box = await page.evaluate(() => {
          const dialog = document.querySelector('rejoin-dialog').shadowRoot.querySelector('dialog');
          const { scrollHeight, clientHeight, scrollWidth, clientWidth, lang } = dialog;
          return { scrollHeight, clientHeight, scrollWidth, clientWidth, lang };
        });
        found.push({ name: `${language} ${kind}`, language, text, ...box });
      }
    }
    return found;
  };
  const fits = ({ name, text, language, ...box }) => {
    assert.ok(box.scrollHeight <= box.clientHeight, `${name}: ${box.scrollHeight} > ${box.clientHeight}`);
    assert.ok(box.scrollWidth <= box.clientWidth, `${name}: ${box.scrollWidth} > ${box.clientWidth}`);
    assert.equal(box.lang, language);
    assert.doesNotMatch(text, /{{|undefined/, name);
  };

  test('is large enough for all it says, and of one size', async () => {
    const page = await open();
    const found = await measure(page);
    assert.equal(found.length, languages.length * kinds.length);
    found.forEach(fits);
    const heights = found.map(({ name, clientHeight }) => `${clientHeight} ${name}`);
    assert.equal(new Set(found.map(({ clientHeight }) => clientHeight)).size, 1, heights.sort().join('\n'));
    for (const language of languages) {
      for (const kind of kinds) {
        await show(page, kind, { tag: language });
        await page.screenshot({ path: `${pictures}/${kind}-${language}.png` });
      }
    }
    await page.context().close();
  });

  test('grows where there is little room, or the letters are twice as large', async () => {
    const narrow = await open({ width: 320, height: 640 });
    (await measure(narrow)).forEach(fits);
    await narrow.context().close();
    const large = await open({ width: 1280, height: 800 });
    await large.addStyleTag({ content: 'html { font-size: 200% }' });
    (await measure(large)).forEach(fits);
    await large.context().close();
  });
});
