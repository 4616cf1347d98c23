// Times inside a page, by the browser's own clock.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../../scripts/lib/run.mjs';

/** Runs in every page before its scripts: notes when the plugin is at work and when its dialog comes. */
export const watchPage = () => {
  /** @type {Record<string, number>} */
  const seen = {};
  Object.assign(window, { seen });
  new MutationObserver(() => {
    if (document.documentElement.dataset.rejoin) seen.ready ??= performance.now();
    if (document.querySelector('rejoin-dialog') && !seen.dialog) {
      seen.dialog = performance.now();
      requestAnimationFrame(() => (seen.painted = performance.now()));
    }
  }).observe(document, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ['data-rejoin'],
  });
};

/**
 * From the start of the script to a core that takes events, on a page that has nothing else to do.
 * @param {import('playwright-core').Browser} browser
 * @returns {Promise<number>} ms
 */
export async function wasmReady(browser) {
  const page = await browser.newPage();
  try {
    await page.addInitScript(watchPage);
    await page.goto('about:blank');
    const script = readFileSync(path.join(root, 'build/plugin-rejoin.js'), 'utf8');
    return await page.evaluate(async (text) => {
      const nothing = () => {};
      const manager = {
        configuration: { custom_data: { rejoin: { server: 'http://127.0.0.1:9' } } },
        store: { getState: () => ({ flex: { worker: { worker: {} } } }), subscribe: nothing },
        events: { addListener: nothing },
      };
      const Flex = {
        Actions: { addListener: nothing, invokeAction: nothing },
        TaskHelper: { isCallTask: nothing, isLiveCall: nothing, getTaskByTaskSid: nothing },
        Manager: { getInstance: () => manager },
        Plugins: { init: (/** @type {any} */ Plugin) => new Plugin().init(Flex, manager) },
      };
      Object.assign(window, { Twilio: { Flex } });
      const started = performance.now();
      (0, eval)(text);
      const { seen } = /** @type {any} */ (window);
      while (!seen.ready) await new Promise((done) => setTimeout(done));
      if (document.documentElement.dataset.rejoin !== 'ready') throw new Error('the core did not start');
      return seen.ready - started;
    }, script);
  } finally {
    await page.close();
  }
}

/**
 * The same on a desktop that was just loaded, where Flex is busy too.
 * @param {import('../e2e/people.mjs').Agent} agent
 * @returns {Promise<{ready: number, dialog: number, flex: number}>} ms: from the plugin's script to its core and to the
 *   dialog on the screen; from the beginning of the page to a Flex that is up
 */
export const desktop = (agent) =>
  agent.page.evaluate(() => {
    const { seen, __flexReadyAt } = /** @type {any} */ (window);
    const script = performance
      .getEntriesByType('resource')
      .find(({ name }) => name.endsWith('/plugin-rejoin.js'));
    const began = /** @type {PerformanceResourceTiming} */ (script).responseEnd;
    const flex = __flexReadyAt - performance.timeOrigin;
    return { ready: seen.ready - began, dialog: seen.painted - began, flex };
  });
