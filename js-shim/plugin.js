// @ts-check
// The plugin as Flex loads it: binds the core to Flex and decides nothing. Whatever fails here, Flex goes on.
import { FlexPlugin } from '@twilio/flex-plugin';
import dialog from '../pkg/dialog.json';
import { loadCore } from './core-loader';
import { bindActions } from './flex-actions';
import { createEffects } from './flex-effects';
import { createNotices } from './notice';
import { language, text } from './strings';
import { createSurface } from './surface';

export default class RejoinPlugin extends FlexPlugin {
  constructor() {
    super('RejoinPlugin');
  }

  /** @param {import('./types').Flex} flex @param {import('./types').Manager} manager */
  init(flex, manager) {
    let core = /** @type {import('./types').Core | undefined} */ (undefined);
    let record = () => /** @type {object} */ ({});
    let idle = /** @type {string | undefined} */ (undefined); // why, once it is
    let release = () => {};
    const released = /** @type {Promise<void>} */ (new Promise((resolve) => (release = resolve)));
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
      release();
      if (!wanted) notices('unprotected');
    };
    const misfit = standBy.bind(null, 'this Flex UI is not as the plugin knows it');
    /** @param {unknown} error @param {object} [last] */
    const breakDown = (error, last) => {
      if (core) record = () => last ?? {};
      core = undefined;
      standBy('the core broke down', error);
    };

    const tell = (/** @type {object} */ event) => idle || core?.handle(event);
    const flagsToClear = (/** @type {[string, string]} */ ...of) => core?.flagsToClear(...of) ?? [];
    const perform = createEffects(flex, manager, { flagsToClear, tell, notices, standBy, misfit });

    /** @type {import('./types').Ask} */
    const ask = async (action, payload) =>
      idle || !core ? undefined : Promise.race([core.ask(action, payload), released]);

    const status = () => ({
      ...(core?.status() ?? { state: 'starting' }),
      ...(idle && { state: 'passive', reason: idle }),
    });
    createSurface(flex, status, () => record());

    let failed = (/** @type {unknown} */ error) => standBy('the core could not start', error);
    const start = async () => {
      const wasm = await loadCore(breakDown);
      wasm.onPanic(breakDown);
      record = wasm.record;
      failed = misfit;
      // Flex's plugins may start before the worker is known.
      if (!manager.store.getState().flex.worker.worker) {
        await new Promise((resolve) => manager.events.addListener('pluginsInitialized', resolve));
      }
      const looks = { ...dialog, text: text.bind(null, manager), language: language.bind(null, manager) };
      const carryOut = (/** @type {object} */ effect) => idle || perform(effect);
      const running = (core = new wasm.Core(flex, manager, carryOut, looks));
      if (idle) return;
      const [actions, { farewell }] = [wasm.Core.actions(), running];
      bindActions(flex, manager, { actions, farewell, ask, tell, isIdle: () => Boolean(idle) });
      running.watch();
      document.documentElement.dataset.rejoin = 'ready'; // for diagnosis and tests
    };
    start().catch((error) => failed(error));
    // Flex 2.0 misses a plugin that is ready before its script is, and then waits 10 s for it.
    return new Promise((later) => setTimeout(later));
  }
}
