// @ts-check
// window.Rejoin: what a developer or a support engineer may look at. docs/plugin.md describes it.
import { version } from '../package.json';

/**
 * @param {import('./types').Flex} flex
 * @param {() => Record<string, unknown>} status
 * @param {() => { recoveries?: object[], events?: object[] }} record
 */
export const createSurface = (flex, status, record) => {
  const surface = Object.freeze({
    version,
    status,
    recoveries: () => record().recoveries ?? [],
    /** Nothing personal is in it: no numbers, names, attributes or tokens. */
    supportBundle: () => {
      const at = new Date().toISOString();
      const page = { rejoin: version, flexUi: flex.VERSION, browser: navigator.userAgent, at };
      return JSON.stringify({ ...page, status: status(), ...record() }, null, 2);
    },
  });
  Object.defineProperty(window, 'Rejoin', { value: surface, enumerable: true, configurable: true });
};
