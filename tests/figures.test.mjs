// The published figures (docs/figures.md, docs/figures.html) are what is stored in docs/figures.json, and the page can be read by
// anybody. That what is stored is still true, the worlds say: crates/world/tests/world/figures.rs.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { ACCIDENTS, BENCH, COMMANDS, rendered, rows, stored } from '../scripts/lib/figures.mjs';
import { root } from '../scripts/lib/run.mjs';
import { chromium as installed } from '../scripts/lib/setup.mjs';

const pictures = path.join(root, 'target/e2e/figures');
const url = pathToFileURL(path.join(root, 'docs/figures.html')).href;
const DESK = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

/** @type {import('playwright-core').Browser} */
let browser;

before(async () => {
  mkdirSync(pictures, { recursive: true });
  browser = await chromium.launch({ executablePath: await installed(), args: ['--no-sandbox'] });
});
after(() => browser?.close());

test('the documents show the stored figures, and nothing else', async () => {
  for (const [file, content] of Object.entries(await rendered(stored()))) {
    assert.ok(
      readFileSync(path.join(root, file), 'utf8') === content,
      `${file} is not what docs/figures.json makes of it: ${COMMANDS.render}`,
    );
  }
});

test('each part has its figures', () => {
  const { day, browser, bench } = stored();
  for (const { seeds, table } of [day, day.sample]) {
    const all = rows(table);
    const sum = all.at(-1);
    assert.equal(sum?.what, 'all');
    const customers = all.slice(0, -1).reduce((sum, row) => sum + row.customers, 0);
    assert.equal(customers, sum?.customers);
    // Of a few calls more than one customer's agent is lost, of some none's.
    assert.ok(customers > seeds * 0.8 && customers < seeds * 1.2, `${customers} of ${seeds}`);
  }
  assert.deepEqual(Object.keys(browser.stories).sort(), Object.keys(ACCIDENTS).sort());
  for (const plays of Object.values(browser.stories)) {
    assert.ok(plays.length > 0 && plays.every(({ voice, heard }) => heard > 0 && voice > 0));
  }
  const known = BENCH.map(({ id }) => id);
  assert.deepEqual(
    Object.keys(bench).filter((id) => !known.includes(id)),
    [],
  );
});

test('texts are texts, whatever they are', async () => {
  const figures = stored();
  const hostile = '<script>alert(1)</script>"&';
  figures.browser.flex = hostile;
  figures.day.date = hostile;
  figures.day.table = figures.day.table.map((line) => line.replace('lid closed', hostile));
  const page = (await rendered(figures))['docs/figures.html'];
  assert.ok(!page.includes('<script'), page);
  assert.ok(page.includes('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;'), page);
});

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  for (const viewport of [DESK, PHONE]) {
    test(`the page, ${colorScheme}, ${viewport.width} px`, async () => {
      const context = await browser.newContext({ colorScheme, viewport });
      const page = await context.newPage();
      /** @type {string[]} */
      const complaints = [];
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
      page.on('request', (request) => request.url() !== url && complaints.push(request.url()));
      await page.goto(url);
      await page.screenshot({
        path: path.join(pictures, `${colorScheme}-${viewport.width}.png`),
        fullPage: true,
      });
      const wider = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.ok(wider <= 0, `${wider} px beside the window`);
      // The policy of the page allows no script: this one comes by the debugger.
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() => /** @type {any} */ (window).axe.run());
      assert.deepEqual(
        violations.map((/** @type {any} */ { id, nodes }) => `${id}: ${nodes[0].html}`),
        [],
      );
      assert.deepEqual(complaints, []);
      await context.close();
    });
  }
}
