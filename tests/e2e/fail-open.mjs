// Whatever fails in the plugin: Flex goes on as without it, the developer is told once, the agent by a notice.

import assert from 'node:assert/strict';
import { endsAsEver, isBack, isTold, talk } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */

/** What the plugin tells the developer; Flex's own lines name it too. */
const ours = (/** @type {Story} */ story) => story.diary.filter((line) => /ada: \w+ Rejoin: /.test(line));

const note = (/** @type {Agent} */ ada) => ada.page.locator('[data-rejoin=unprotected]');

/** A call from its ring to its end, as without the plugin. */
async function takesACall(/** @type {Story} */ story, /** @type {Agent} */ ada) {
  const customer = await story.step('a customer calls', () => story.customer());
  await story.step('the phone rings, the agent accepts', () => ada.accepts());
  await story.step('audio runs both ways', async () => {
    await customer.hearsAgent();
    await ada.hearsCustomer();
  });
  await story.step('Ada hangs up', () => ada.hangsUp());
  await story.step('and the customer is not left on the line', () =>
    story.twilio.becomes('over', async () => !(await customer.heard()).live),
  );
  await completes(story, ada);
}

async function completes(/** @type {Story} */ story, /** @type {Agent} */ ada) {
  await story.step('Ada completes the task', () => ada.completes());
  await story.step('Flex has no task left', () =>
    story.twilio.becomes('no task', async () => (await ada.tasks()).length === 0),
  );
}

/** One line for the developer, no uncaught error; one line for the agent, light and dark. */
async function isToldOnce(/** @type {Story} */ story, /** @type {Agent} */ ada, /** @type {RegExp} */ why) {
  await story.step('the agent sees a notice', () =>
    note(ada).getByText('Calls are not protected').waitFor({ timeout: 20_000 }),
  );
  await ada.shot(story.folder, 'light');
  await ada.page.evaluate(() => {
    const { Twilio } = /** @type {any} */ (window);
    Twilio.Flex.Manager.getInstance().updateConfig({ theme: { isLight: false } });
  });
  await note(ada).getByText('Calls are not protected').waitFor({ timeout: 20_000 });
  await ada.shot(story.folder, 'dark');
  const [line, ...more] = ours(story);
  assert.match(line, why);
  assert.deepEqual(more, [], 'the developer is told once');
  const thrown = story.diary.filter((entry) => /ada: error/.test(entry) && /rejoin/i.test(entry));
  assert.deepEqual(thrown, ours(story), 'and nothing is thrown');
}

export const noWasm = {
  title: 'In a browser that has no wasm, an agent works as without the plugin',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () =>
      story.agent('ada', {
        plugin: 'passive',
        // As in browsers whose administrator has disabled compiling at run time.
        prepare: (context) => context.addInitScript('delete window.WebAssembly'),
      }),
    );
    await isToldOnce(story, ada, /the core could not start\..*WebAssembly is not defined/);
    await takesACall(story, ada);
    assert.equal(ours(story).length, 1);
  },
};

export const policy = {
  title: 'Under the strictest policy that Flex itself bears, the plugin works',
  async play(/** @type {Story} */ story) {
    // Flex compiles functions from strings: it does not start without 'unsafe-eval', which lets wasm start, too. The policy
    // is in the page's head, because Chromium assigns a page whose response was replaced to another network.
    const prepare = (/** @type {import('playwright-core').BrowserContext} */ context) =>
      context.addInitScript(() => {
        const content = "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; object-src 'none'";
        const httpEquiv = 'Content-Security-Policy';
        new MutationObserver((_, observer) => {
          if (!document.head) return;
          observer.disconnect();
          document.head.prepend(Object.assign(document.createElement('meta'), { httpEquiv, content }));
        }).observe(document, { childList: true, subtree: true });
      });
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada', { prepare }));
    await assert.rejects(ada.page.evaluate("import('data:text/javascript,')"), 'the policy holds');
    const customer = await story.step('a customer calls', () => story.customer());
    await story.step('the phone rings, the agent accepts', () => ada.accepts());
    await story.step('both are on the call, and the server knows', () => customer.notes('connected'));
    assert.deepEqual(ours(story), []);
    assert.equal(await note(ada).textContent(), '');
  },
};

export const lacksApi = {
  title: 'In a Flex UI that lacks what the plugin needs, an agent works as without the plugin',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () =>
      story.agent('ada', {
        plugin: 'passive',
        // Flex itself keeps the method: only the plugins' view lacks it.
        prepare: (context) =>
          context.route('**/plugin-rejoin.js*', async (route) => {
            const response = await route.fetch();
            const before = `{
              const { Plugins } = Twilio.Flex, { init } = Plugins;
              Plugins.init = (Plugin, ...more) => init.call(Plugins, class extends Plugin {
                init(flex, manager) {
                  const TaskHelper = Object.create(flex.TaskHelper, { isLiveCall: { value: undefined } });
                  return super.init(Object.create(flex, { TaskHelper: { value: TaskHelper } }), manager);
                }
              }, ...more);
            }\n`;
            await route.fulfill({ response, body: before + (await response.text()) });
          }),
      }),
    );
    await isToldOnce(story, ada, /not as the plugin knows it\..*TaskHelper\.isLiveCall is missing/);
    await takesACall(story, ada);
    assert.equal(ours(story).length, 1);
  },
};

/** While the agent is on a call. */
async function breaksDown(/** @type {Story} */ story, /** @type {Agent} */ ada) {
  await story.step('the core breaks down', async () => {
    // It reads the clock while it holds its machine; a request for the status then fails to borrow it.
    await ada.page.evaluate((mark) => {
      // Whether it has stored the mute by then would be random: a muted agent is muted again.
      const { setItem } = Storage.prototype;
      Storage.prototype.setItem = function (key, value) {
        if (!key.startsWith(mark)) setItem.call(this, key, value);
      };
      const { now } = Date;
      const { Rejoin } = /** @type {any} */ (window);
      let asks = false;
      Date.now = () => {
        if (!asks) {
          asks = true;
          Rejoin.status();
          asks = false;
        }
        return now();
      };
    }, 'rejoin.live.');
    await ada.mutes();
    await ada.page.waitForFunction('document.documentElement.dataset.rejoin === "passive"');
  });
}

export const panic = {
  title: 'The core breaks down during a call, and the agent works on as without the plugin',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    await story.step('the phone rings, the agent accepts', () => ada.accepts());
    await story.step('both are on the call, and the server knows', () => customer.notes('connected'));
    await breaksDown(story, ada);
    await isToldOnce(story, ada, /the core broke down\..*panicked at/);
    await story.step('the call goes on', async () => {
      await ada.mutes();
      await customer.hearsAgent();
      await ada.hearsCustomer();
    });
    await story.step('the customer hangs up', () => customer.hangUp());
    await completes(story, ada);
    await takesACall(story, ada);
    assert.equal(ours(story).length, 1);
    const bundle = JSON.parse(await ada.page.evaluate('Rejoin.supportBundle()'));
    assert.equal(bundle.status.state, 'passive');
    assert.ok(bundle.events.length > 4, 'the last events before are still known');
    ada.plugin = 'ready';
    await story.step('the next page is protected again', () => ada.refreshes().then(() => ada.ready()));
    assert.equal(await note(ada).textContent(), '');
  },
};

export const hangUpAfterPanic = {
  title: 'The core breaks down during a call, and the agent hangs up on purpose',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    await breaksDown(story, ada);
    const { timeline } = customer.mark();
    await story.step('Ada hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, task, timeline);
  },
};

export const signOutAfterPanic = {
  title: 'The core breaks down during a call, and the agent signs out',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    await talk(story, ada, customer);
    await breaksDown(story, ada);
    const { timeline } = customer.mark();
    await story.step('Ada signs out', () => ada.signsOut());
    await story.step('the call ends for the server', () => customer.notes('call-ended', { from: timeline }));
    await story.step('the customer is not left on the line', () =>
      story.twilio.becomes('over', async () => !(await customer.heard()).live),
    );
    const noted = customer.timeline.said.slice(timeline).map(({ note }) => note?.what);
    assert.ok(!noted.includes('agent-lost'), 'the server considers no agent lost');
  },
};

export const refreshAfterPanic = {
  title: 'The core breaks down during a call, the agent refreshes, and the call comes back',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    await breaksDown(story, ada);
    const { transcript } = customer.mark();
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await isTold(story, customer, transcript);
    await ada.ready();
    await isBack(story, ada, customer, task);
  },
};
