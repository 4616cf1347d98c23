// Combines many pictures into one, for the documents.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Draws the pictures `{state}-light.png` and `{state}-dark.png` of `folder` side by side, a row for each state.
 * @param {import('playwright-core').Browser} browser
 * @param {string} folder
 * @param {string[]} states
 * @param {string} file where to write the result, a PNG
 */
export async function sheet(browser, folder, states, file) {
  const picture = (/** @type {string} */ name) =>
    `<img src="data:image/png;base64,${readFileSync(path.join(folder, `${name}.png`), 'base64')}">`;
  const rows = states.map(
    (state) => `<figure>${picture(`${state}-light`)}${picture(`${state}-dark`)}
      <figcaption>${state}</figcaption></figure>`,
  );
  const page = await browser.newPage({ viewport: { width: 1000, height: 100 } });
  await page.setContent(`<style>
    body { margin: 0; padding: 8px; display: grid; grid-template-columns: 1fr 1fr; gap: 8px;
      font: 12px system-ui, sans-serif; background: #fff; color: #121c2d }
    figure { margin: 0 } img { width: 50% } figcaption { text-align: center }
  </style>${rows.join('')}`);
  writeFileSync(file, await page.screenshot({ fullPage: true }));
  await page.close();
}
