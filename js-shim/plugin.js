// @ts-check
// The plugin as Flex loads it: binds the core to Flex and takes no decision. Whatever fails here, Flex goes on.
import { FlexPlugin } from '@twilio/flex-plugin';
import { loadCore } from './core-loader';
import { createDialog } from './dialog';
import { createEffects } from './flex-effects';
import { watchFlex } from './flex-events';

/** How long Flex waits for the core's answer at most, in ms: a little more than the core takes. */
const PATIENCE = 2000;

/** Flex's plugins may start before the worker is known, whose attributes are part of the configuration. */
const workerKnown = (/** @type {import('./types').Manager} */ manager) =>
  manager.store.getState().flex.worker?.worker ||
  new Promise((resolve) => manager.events.addListener('pluginsInitialized', resolve));

export default class RejoinPlugin extends FlexPlugin {
  constructor() {
    super('RejoinPlugin');
  }

  /**
   * @param {import('./types').Flex} flex
   * @param {import('./types').Manager} manager
   */
  init(flex, manager) {
    let passive = false;
    let questions = 0;
    /** @type {Map<number, (answer: import('./types').Answer) => void>} */
    const open = new Map();
    /** @type {import('./types').Core | undefined} */
    let core;
    /** @type {ReturnType<typeof createEffects> | undefined} */
    let effects;

    /** @param {string} what @param {unknown} [error] */
    const giveUp = (what, error) => {
      if (passive) return;
      passive = true;
      document.documentElement.dataset.rejoin = 'passive';
      console.error(`Rejoin: ${what}. Flex goes on as without this plugin.`, error ?? '');
      dialog.hide();
      effects?.({ keepLegs: { keep: false } });
      for (const answer of open.values()) answer({});
      open.clear();
    };

    /** @param {import('./types').Event} event */
    const emit = (event) => {
      if (passive || !core) return;
      try {
        core.handle(event);
      } catch (error) {
        // A panic has been reported by now; anything else concerns this event alone.
        if (!passive) console.warn('Rejoin: event not understood', error);
      }
    };

    /** @type {import('./types').Ask} */
    const ask = (name, details) => {
      if (passive || !core) return Promise.resolve({});
      const request = (questions += 1);
      return new Promise((resolve) => {
        /** @param {import('./types').Answer} answer */
        const answer = (answer) => {
          open.delete(request);
          resolve(answer);
        };
        open.set(request, answer);
        setTimeout(answer, PATIENCE, {});
        emit({ [name]: { request, ...details } });
      });
    };

    const dialog = createDialog(manager, () => emit({ dialogButton: {} }));
    effects = createEffects(flex, manager, {
      dialog,
      emit,
      answer: (id, answer) => open.get(id)?.(answer),
      standBy: giveUp,
    });
    const token = () => manager.store.getState().flex.session?.ssoTokenPayload?.token ?? '';

    loadCore()
      .then(async (wasm) => {
        wasm.onPanic((/** @type {string} */ message) => giveUp('the core broke down', message));
        await workerKnown(manager);
        /** @type {any[]} */
        const places = [manager.configuration, manager.serviceConfiguration?.ui_attributes];
        const account = places.map((place) => place?.custom_data?.rejoin);
        const settings = { account, worker: manager.workerClient?.attributes };
        const running = (core = new wasm.Core(settings, effects, token));
        if (passive) return;
        watchFlex(flex, manager, { emit, ask, elect: (worker) => running.elect(worker) });
        // For whoever has to find out whether the plugin is at work here, tests among them.
        document.documentElement.dataset.rejoin = 'ready';
      })
      .catch((error) => giveUp('the core could not start', error));
    // Flex 2.0 takes no notice of a plugin that is done before its script is, and then waits 10 s for it.
    return new Promise((later) => setTimeout(later));
  }
}
