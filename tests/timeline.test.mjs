// The page of a timeline, in a browser: as a file, and as a part of a server's page with a strict policy.
// Pictures are in target/e2e/timeline/.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { root } from '../scripts/lib/run.mjs';

const pictures = path.join(root, 'target/e2e/timeline');
const folder = path.join(root, 'docs/timelines');
const pages = readdirSync(folder).filter((file) => file.endsWith('.html'));
const read = (/** @type {string} */ file) => readFileSync(path.join(root, file), 'utf8');
const script = read('crates/timeline/src/timeline.js');
const style = read('crates/timeline/src/timeline.css');
/** What a host may have in a cascade layer, each more specific than what the timeline has. */
const HOST = `@layer host {
  * { letter-spacing: 2px; }
  main { font: 2rem/3 serif; text-align: right; text-transform: uppercase; color: red; white-space: nowrap; }
  main > * :is(p, section, table, td, th, tr, dl, dd, dt, ul, li, button, input, label, code, pre, i, u, a, b, em, s, span) {
    display: block; min-height: 40px; margin: 9px; padding: 30px; border: 7px solid red; background: yellow;
    color: green; font: 2rem/3 serif; position: static; width: 500px; float: right; }
  main .bad, main .good, main .person, main .top, main .names, main .detail { padding: 50px; color: blue; display: flex; }
  main button::before, main td::before { content: 'label'; }
}`;
/** Nothing but what the server has in files of its own. */
const POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'";
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 900 };

const fragmentOf = (/** @type {string} */ file) => {
  const [fragment] = read(`docs/timelines/${file}`).match(/<rejoin-timeline[^]*<\/rejoin-timeline>/) ?? [];
  assert.ok(fragment, file);
  return fragment;
};

/** @type {import('playwright-core').Browser} */
let browser;
/** @type {http.Server} */
let server;
let origin = '';

before(async () => {
  mkdirSync(pictures, { recursive: true });
  browser = await chromium.launch({
    executablePath: process.env.HEADLESS_SHELL ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  server = http.createServer((request, response) => {
    const [type, text] = {
      '/timeline.js': ['text/javascript', script],
      '/timeline.css': ['text/css', style],
      '/host.css': ['text/css', HOST],
      '/late.js': [
        'text/javascript',
        "window.put = (html) => { document.querySelector('main').innerHTML = html; };",
      ],
    }[request.url ?? ''] ?? [
      'text/html',
      `<!doctype html><html lang="en"><meta charset="utf-8"><title>Console</title>
${request.url === '/styled' ? '<link rel="stylesheet" href="/host.css">' : ''}
<link rel="stylesheet" href="/timeline.css"><script src="/timeline.js" defer></script><script src="/late.js"></script>
<h1>A call</h1><main>${request.url === '/empty' ? '' : fragmentOf(pages[0])}</main></html>`,
    ];
    response.writeHead(200, { 'content-type': `${type}; charset=utf-8`, 'content-security-policy': POLICY });
    response.end(text);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', () => done(undefined)));
  origin = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`;
});
after(async () => {
  await browser?.close();
  server?.close();
});

/**
 * A page and all that its browser complains about.
 * @param {string} url
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
async function open(url, options = {}) {
  const context = await browser.newContext({ viewport: DESK, ...options });
  const page = await context.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('requestfailed', (request) => complaints.push(request.url()));
  await page.goto(url);
  return { page, complaints, close: () => context.close() };
}

const fileOf = (/** @type {string} */ name) => pathToFileURL(path.join(folder, name)).href;

/** Rows whose arrow or point is not where the lanes of the row are. Runs in the page. */
const misplaced = () => {
  const names = [...document.querySelectorAll('.names span')];
  const middle = (/** @type {Element} */ element) => {
    const box = element.getBoundingClientRect();
    return box.left + box.width / 2;
  };
  return [...document.querySelectorAll('tbody tr[data-lanes]:not(.lost):not([hidden])')]
    .filter((row) => {
      const [from, to] = (row.getAttribute('data-lanes') ?? '').split(' ').map(Number);
      const box = /** @type {Element} */ (row.querySelector('td i')).getBoundingClientRect();
      const ends = from === to ? [box.left + box.width / 2, box.left + box.width / 2] : [box.left, box.right];
      const [low, high] = [Math.min(from, to), Math.max(from, to)].map((lane) => middle(names[lane]));
      return Math.abs(ends[0] - low) > 2 || Math.abs(ends[1] - high) > 2;
    })
    .map((row) => row.textContent)
    .slice(0, 3);
};

const lies = (/** @type {import('playwright-core').Page} */ page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

for (const name of pages) {
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    for (const viewport of [DESK, PHONE]) {
      test(`${name}, ${colorScheme}, ${viewport.width} px`, async () => {
        const { page, complaints, close } = await open(fileOf(name), { colorScheme, viewport });
        await page.screenshot({
          path: path.join(pictures, `${name.replace('.html', '')}-${colorScheme}-${viewport.width}.png`),
        });
        assert.deepEqual(await page.evaluate(misplaced), []);
        assert.ok((await lies(page)) <= 0, 'the page is wider than the window');
        await page.evaluate(axe.source);
        const { violations } = await page.evaluate(() => /** @type {any} */ (window).axe.run());
        assert.deepEqual(
          violations.map((/** @type {any} */ { id, nodes }) => [id, nodes[0].html.slice(0, 200)]),
          [],
        );
        assert.deepEqual(complaints, []);
        await close();
      });
    }
  }
}

test('as a part of a page whose policy allows only files of the server', async () => {
  const { page, complaints, close } = await open(origin);
  assert.deepEqual(await page.evaluate(misplaced), []);
  assert.deepEqual(complaints, []);
  // One that is inserted later starts as well.
  await page.goto(`${origin}/empty`);
  await page.evaluate((html) => /** @type {any} */ (window).put(html), fragmentOf(pages[0]));
  assert.deepEqual(await page.evaluate(misplaced), []);
  assert.deepEqual(complaints, []);
  await close();
});

test('what its host has in a cascade layer does not reach into it', async () => {
  const looks = async (/** @type {string} */ url, /** @type {boolean} */ javaScriptEnabled) => {
    const { page, close } = await open(url, { javaScriptEnabled });
    const all = await page.evaluate(() => {
      const element = /** @type {Element} */ (document.querySelector('rejoin-timeline'));
      const origin = element.getBoundingClientRect();
      return [element, ...element.querySelectorAll('*')].map((part) => {
        const box = part.getBoundingClientRect();
        const style = ['', '::before', '::after'].map((which) => {
          const { color, backgroundColor, font, letterSpacing, textTransform, content } = getComputedStyle(
            part,
            which,
          );
          return [color, backgroundColor, font, letterSpacing, textTransform, content].join();
        });
        const place = [box.left - origin.left, box.top - origin.top, box.width, box.height].map(Math.round);
        return `${part.tagName} ${part.className}: ${part.matches('.detail, .detail *') ? '' : place} ${style}`;
      });
    });
    await close();
    return all;
  };
  for (const javaScriptEnabled of [true, false]) {
    const [alone, styled] = [
      await looks(origin, javaScriptEnabled),
      await looks(`${origin}/styled`, javaScriptEnabled),
    ];
    assert.equal(styled.length, alone.length);
    assert.deepEqual(styled.filter((look, place) => look !== alone[place]).slice(0, 3), []);
  }
});

test('filters, keys and the overview', async () => {
  const { page, complaints, close } = await open(fileOf(pages[0]));
  const shown = () => page.locator('tbody tr[data-kind]:visible').count();
  const all = await shown();
  assert.equal(await page.locator('output').textContent(), `${all} of ${all}`);
  await page.getByLabel(/^answers/).uncheck();
  const withoutAnswers = await shown();
  assert.ok(withoutAnswers < all);
  assert.equal(await page.locator('tr[data-kind="answer"]:visible').count(), 0);
  await page.getByLabel('With').fill('agent 0');
  assert.ok((await shown()) < withoutAnswers);
  assert.deepEqual(await page.evaluate(misplaced), [], 'lanes without a row are left out');
  await page.getByLabel('With').fill('');
  await page.getByLabel('Of').selectOption({ index: 1 });
  assert.ok((await shown()) < withoutAnswers);
  await page.getByLabel('Of').selectOption({ index: 0 });
  await page.getByLabel(/^answers/).check();
  assert.equal(await shown(), all);

  const focused = () => page.evaluate(() => document.activeElement?.closest('tr')?.rowIndex ?? 0);
  const details = () => page.locator('.detail-head').textContent();
  await page.getByLabel('With').focus();
  await page.keyboard.press('Tab');
  const first = await focused();
  const told = await details();
  await page.keyboard.press('ArrowDown');
  assert.notEqual(await focused(), first);
  await page.keyboard.press('End');
  assert.notEqual(await details(), told);
  const covered = await page.evaluate(() => {
    const row = /** @type {Element} */ (document.activeElement);
    const box = row.getBoundingClientRect();
    return row.contains(document.elementFromPoint(box.left + 6, box.top + box.height / 2));
  });
  assert.ok(covered, 'the row with the focus is under something');
  await page.keyboard.press('Home');
  assert.equal(await focused(), first);

  const overview = page.locator('.overview');
  const box = await overview.boundingBox();
  assert.ok(box);
  await overview.click({ position: { x: box.width * 0.9, y: box.height / 2 } });
  assert.ok((await focused()) > first, 'a click on the overview leads to a row');
  assert.deepEqual(complaints, []);
  await close();
});

test('what takes the place of a timeline goes on where the reader was', async () => {
  const { page, complaints, close } = await open(fileOf(pages[0]));
  const replaced = () =>
    page.evaluate((html) => {
      const one = /** @type {any} */ (document.querySelector('rejoin-timeline'));
      const state = one.state();
      one.outerHTML = html;
      /** @type {any} */ (document.querySelector('rejoin-timeline')).resume(state);
      return document.contains(one);
    }, fragmentOf(pages[0]));
  const words = page.getByLabel('With');
  const of = page.getByLabel('Of');
  await page.getByLabel(/^answers/).uncheck();
  await of.selectOption({ index: 1 });
  const lane = await of.inputValue();
  await page.getByText('How to read this page').click();
  await words.fill('agnt');
  for (const key of ['ArrowLeft', 'ArrowLeft']) await page.keyboard.press(key);
  const shown = () => page.locator('output').textContent();
  assert.equal(await replaced(), false);
  await page.keyboard.type('e');
  assert.equal(await words.inputValue(), 'agent', 'the focus and the caret stay');
  assert.equal(await of.inputValue(), lane);
  assert.equal(await page.locator('details[open]').count(), 1);
  assert.equal(await page.getByLabel(/^answers/).isChecked(), false);
  const few = await shown();
  await page.keyboard.press('Tab');
  const here = () => page.evaluate(() => document.activeElement?.closest('tr')?.textContent);
  const row = await here();
  assert.ok(row);
  const told = await page.locator('.detail pre').textContent();
  await replaced();
  assert.equal(await here(), row);
  assert.equal(await page.locator('.detail pre').textContent(), told);
  assert.equal(await shown(), few);
  assert.deepEqual(complaints, []);
  await close();
});

test('without its script a page is a list', async () => {
  const { page, close } = await open(fileOf(pages[0]), { javaScriptEnabled: false });
  const row = page.locator('tbody tr[data-lanes]').first();
  assert.match(await row.innerText(), /^\d+\.\d{3}\s+\w.*: \w/);
  const { height } = (await row.boundingBox()) ?? { height: 0 };
  assert.ok(height > 10);
  assert.equal(await page.locator('.overview').isVisible(), false);
  await page.screenshot({ path: path.join(pictures, 'without-script.png') });
  await close();
});
