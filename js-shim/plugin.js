// @ts-check
// The plugin as Flex loads it: binds the core to Flex and takes no decision. Whatever fails here, Flex goes on.
import { FlexPlugin } from '@twilio/flex-plugin';
import { loadCore } from './core-loader';
import { createSound } from './desk';
import { createEffects } from './flex-effects';
import { watchFlex, workerKnown } from './flex-events';
import { createNotices } from './notice';
import { language, text } from './strings';
import { createSurface } from './surface';

export default class RejoinPlugin extends FlexPlugin {
  constructor() {
    super('RejoinPlugin');
  }

  /** @param {import('./types').Flex} flex @param {import('./types').Manager} manager */
  init(flex, manager) {
    /** @type {import('./types').Core | undefined} */
    let core;
    /** What the core remembers. @type {() => object} */
    let record = () => ({});
    /** Why this plugin stays out of it, once it does. @type {string | undefined} */
    let idle;
    let farewell = '';
    let release = (/** @type {import('./types').Answer} */ _answer) => {};
    const released = new Promise((resolve) => (release = resolve));
    const notices = createNotices(flex, manager);

    /** @param {string} reason @param {unknown} [error] @param {boolean} [wanted] */
    const standBy = (reason, error, wanted) => {
      if (idle) return;
      idle = reason;
      document.documentElement.dataset.rejoin = 'passive';
      if (wanted) console.info(`Rejoin: ${reason}.`);
      else console.error(`Rejoin: ${reason}. Flex goes on as without this plugin.`, error ?? '');
      document.querySelector('rejoin-dialog')?.remove();
      perform({ letGo: {} });
      release({});
      if (!wanted) notices('unprotected');
    };
    /** @param {unknown} error @param {object} [last] */
    const breakDown = (error, last) => {
      if (core) record = () => last ?? {};
      core = undefined;
      standBy('the core broke down', error);
    };

    /** @param {import('./types').Event} event */
    const emit = (event) => {
      try {
        if (!idle) core?.handle(event);
      } catch (error) {
        console.warn('Rejoin: event not understood', ...Object.keys(event), error);
      }
    };
    /** @type {import('./types').Ask} */
    const ask = async (name, details) => {
      const answer = !idle && core && (await Promise.race([core.ask(name, details), released]));
      if (idle && farewell && details.task && details.reason) {
        // Nobody else tells the server now what is left on purpose.
        const body = JSON.stringify({ token: token(), marks: [details] });
        const init = { method: 'POST', body, keepalive: true, signal: AbortSignal.timeout(1500) };
        await fetch(farewell, init).catch(() => {});
      }
      return answer || {};
    };

    const perform = createEffects(flex, manager, { sound: createSound(emit), notices, standBy });
    const looks = {
      text: text.bind(null, manager),
      language: language.bind(null, manager),
      // Flex's own theme where it tells, else what lies behind the dialog.
      isDark: () => {
        const light = manager.store.getState().flex.config?.theme?.isLight;
        return light === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : !light;
      },
    };
    const token = () => manager.store.getState().flex.session?.ssoTokenPayload?.token ?? '';
    const status = () => ({
      ...(core?.status() ?? { state: 'starting' }),
      ...(idle && { state: 'passive', reason: idle }),
    });
    createSurface(flex, status, () => record());

    let trouble = 'the core could not start';
    const start = async () => {
      const wasm = await loadCore(breakDown);
      wasm.onPanic(breakDown);
      record = wasm.record;
      trouble = 'this Flex UI is not as the plugin knows it';
      await workerKnown(flex, manager);
      /** @type {any[]} */
      const places = [manager.configuration, manager.serviceConfiguration?.ui_attributes];
      const account = places.map((place) => place?.custom_data?.rejoin);
      const settings = { account, worker: manager.workerClient?.attributes, flexUi: flex.VERSION };
      const carryOut = (/** @type {object} */ effect) => idle || perform(effect);
      const running = (core = new wasm.Core(settings, carryOut, token, looks));
      if (idle) return;
      farewell = running.farewell;
      const failed = (/** @type {unknown} */ error) => standBy(trouble, error);
      watchFlex(flex, manager, { emit, ask, elect: (worker) => running.elect(worker), failed });
      // For whoever has to find out whether the plugin is at work here, tests among them.
      document.documentElement.dataset.rejoin = 'ready';
    };
    start().catch((error) => standBy(trouble, error));
    // Flex 2.0 takes no notice of a plugin that is done before its script is, and then waits 10 s for it.
    return new Promise((later) => setTimeout(later));
  }
}
