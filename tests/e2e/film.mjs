// Records a story as captioned frames: the agent's desktop and the customer's phone side by side.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { animate } from '../../scripts/lib/apng.mjs';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {{name: 'agent' | 'customer', page: Page, width: number, height: number}} Screen */
/**
 * @typedef {object} Scene
 * @property {string} caption one line
 * @property {number} ms how long the frame is shown, in milliseconds
 * @property {'agent' | 'customer' | 'both' | ''} [at] the screen to highlight
 * @property {boolean} [refreshes] draws the pointer on the browser's reload button
 */

/** Device scale factor of both pages. Chromium renders at this size: scaling a screenshot would blur the text. */
const SCALE = 0.7;
/** Viewports in CSS pixels. Times `SCALE`, each is a whole number of pixels in the frame. */
const AGENT = { width: 800, height: 580 };
const CUSTOMER = { width: 380, height: 570 };
const WIDTH = 900;
/** Timeout for a page to reach the state that a frame shows, in milliseconds. */
const PATIENCE = 30_000;
/** Reduces the customer's page to what a phone would show. */
const PHONE_ONLY = `
  header, .facts, section:last-of-type { display: none !important }
  .phone { padding: 16px !important; min-height: 0 !important }
  .columns { gap: 12px !important }
  .call .body { gap: 12px !important } .status { min-height: 0 !important }
  #transcript { height: 272px !important; mask-image: linear-gradient(transparent, #000 12px) }
  /* The ring around the focused button. */
  :focus-visible { box-shadow: none !important }`;

const STYLE = `
  * { box-sizing: border-box }
  body { margin: 0; width: ${WIDTH}px; font: 400 13px/1 Inter, system-ui, 'Helvetica Neue', 'Liberation Sans', sans-serif }
  main { padding: 0 18px 18px; border-radius: 12px; background: #10182b; color: #fff }
  h1 { margin: 0; height: 58px; display: flex; align-items: center; gap: 14px; font-size: 21px; font-weight: 600 }
  h1 b { display: grid; place-items: center; width: 28px; height: 28px; border-radius: 50%; background: #0263e0; font-size: 15px }
  .screens { display: flex; justify-content: space-between }
  figure { margin: 0; overflow: hidden; box-shadow: 0 0 0 1px #3a4765; background: #fff }
  figure.seen { box-shadow: 0 0 0 3px #66b3ff }
  figcaption { display: flex; align-items: center; justify-content: center; position: relative; height: 30px;
    background: #2a3550; color: #e1e3ea; font-size: 12px }
  img { display: block }
  .agent { border-radius: 8px }
  .agent svg.reload { position: absolute; left: 10px; padding: 3px; width: 24px; height: 24px; border-radius: 50%;
    fill: none; stroke: #e1e3ea; stroke-width: 1.8 }
  .agent .pressed { background: #0263e0; stroke: #fff }
  .agent svg.pointer { position: absolute; left: 24px; top: 15px; width: 20px; height: 24px; fill: #fff; stroke: #10182b }
  .customer { padding: 0 7px 7px; border-radius: 22px; background: #2a3550 }
  .customer img { border-radius: 6px 6px 16px 16px }`;

const RELOAD = 'M13.2 8a5.2 5.2 0 1 1-1.6-3.8M13.4 1.6v3.2h-3.2';
const POINTER = 'M1 1v14l3.6-3 2.4 5.4 2.6-1.2-2.4-5.2h4.6z';

export class Film {
  /**
   * Resizes both pages for the film.
   * @param {{agent: Page, customer: Page, table: Page, folder: string}} where `table`: an empty page that composes the
   *   frames; `folder`: receives each frame as a PNG, too
   */
  static async of({ agent, customer, table, folder }) {
    /** @type {Screen[]} */
    const screens = [
      { name: 'agent', page: agent, ...AGENT },
      { name: 'customer', page: customer, ...CUSTOMER },
    ];
    const all = await Promise.all(
      screens.map(async (screen) => {
        const devtools = await screen.page.context().newCDPSession(screen.page);
        const { width, height } = screen;
        await devtools.send('Emulation.setDeviceMetricsOverride', {
          ...{ width, height, deviceScaleFactor: SCALE, mobile: false },
        });
        return { ...screen, devtools };
      }),
    );
    await customer.addStyleTag({ content: PHONE_ONLY });
    // The smaller list follows new lines only from its end.
    await customer.locator('#transcript').evaluate((list) => list.scrollTo(0, list.scrollHeight));
    return new Film(all, table, folder);
  }

  /**
   * @param {Array<Screen & {devtools: import('playwright-core').CDPSession}>} screens
   * @param {Page} table
   * @param {string} folder
   */
  constructor(screens, table, folder) {
    this.screens = screens;
    this.table = table;
    this.folder = folder;
    /** @type {Array<{png: Buffer, ms: number}>} */
    this.frames = [];
  }

  /**
   * Takes a screenshot of a page in the expected state; retries until the state holds before and after it.
   * @param {Film['screens'][number]} screen
   * @param {() => Promise<void>} shown asserts the state
   * @returns {Promise<string>} a PNG, in base64
   */
  async look({ devtools }, shown) {
    for (const end = Date.now() + PATIENCE; ; ) {
      try {
        await shown();
        const { data } = await devtools.send('Page.captureScreenshot', { format: 'png' });
        await shown();
        return data;
      } catch (error) {
        if (Date.now() > end) throw error;
      }
    }
  }

  /**
   * Adds a frame of both pages.
   * @param {Scene} scene
   * @param {Record<Screen['name'], () => Promise<void>>} shown asserts the state of each page
   * @returns {Promise<Record<string, string>>} the screenshots, by screen
   */
  async frame(scene, shown) {
    const looks = this.screens.map(async (screen) => [
      screen.name,
      await this.look(screen, shown[screen.name]),
    ]);
    const shots = Object.fromEntries(await Promise.all(looks));
    const png = await this.draw(scene, shots);
    this.frames.push({ png, ms: scene.ms });
    writeFileSync(path.join(this.folder, `frame-${this.frames.length}.png`), png);
    return shots;
  }

  /** Composes a frame: a PNG, transparent outside its rounded corners. */
  async draw(
    /** @type {Omit<Scene, 'ms'>} */ { caption, at = '', refreshes = false },
    /** @type {Record<string, string>} */ shots,
    number = String(this.frames.length + 1),
  ) {
    const seen = (/** @type {string} */ name) => (at === name || at === 'both' ? 'seen' : '');
    const picture = (/** @type {string} */ name) => `<img src="data:image/png;base64,${shots[name]}">`;
    await this.table.setViewportSize({ width: WIDTH, height: 600 });
    await this.table.setContent(`<style>${STYLE}</style><main>
      <h1>${number && `<b>${number}</b>`}<span>${caption}</span></h1>
      <div class="screens">
        <figure class="agent ${seen('agent')}">
          <figcaption>
            <svg class="reload ${refreshes ? 'pressed' : ''}" viewBox="0 0 16 16"><path d="${RELOAD}"/></svg>
            ${refreshes ? `<svg class="pointer" viewBox="0 0 16 20"><path d="${POINTER}"/></svg>` : ''}
            The agent’s browser
          </figcaption>
          ${picture('agent')}
        </figure>
        <figure class="customer ${seen('customer')}"><figcaption>The customer’s phone</figcaption>${picture('customer')}</figure>
      </div>
    </main>`);
    const whole = await this.table.evaluate(() => {
      const [title] = document.getElementsByTagName('span');
      return { fits: title.getClientRects().length === 1 && title.scrollWidth <= 830 };
    });
    assert.ok(whole.fits, `the caption is longer than a line: ${caption}`);
    return this.table.locator('main').screenshot({ omitBackground: true });
  }

  /** All frames as an animated PNG. */
  animated() {
    return animate(this.frames);
  }

  /**
   * Decodes an animated PNG in the browser.
   * @param {Buffer} picture
   * @returns {Promise<{durations: number[], width: number, repeats: boolean}>} `durations` of the frames, in milliseconds
   */
  plays(picture) {
    return this.table.evaluate(async (base64) => {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const decoder = new ImageDecoder({ data: bytes, type: 'image/png' });
      await decoder.tracks.ready;
      const { frameCount = 0, repetitionCount = 0 } = decoder.tracks.selectedTrack ?? {};
      const durations = [];
      let width = 0;
      for (let frameIndex = 0; frameIndex < frameCount; frameIndex++) {
        const { image } = await decoder.decode({ frameIndex });
        durations.push((image.duration ?? 0) / 1000);
        width = image.displayWidth;
        image.close();
      }
      return { durations, width, repeats: repetitionCount === Infinity };
    }, picture.toString('base64'));
  }
}
