// @ts-check
// window.Rejoin: diagnosis for developers and support engineers. docs/plugin.md describes it.
import { version } from '../package.json';

/** @type {import('./types').CreateSurface} */
export const createSurface = (flex, status, record) => {
  const surface = Object.freeze({
    version,
    status,
    recoveries: () => record().recoveries ?? [],
    /** Contains no personal data: no numbers, names, attributes or tokens. */
    supportBundle: () => {
      const at = new Date().toISOString();
      const page = { rejoin: version, flexUi: flex.VERSION, browser: navigator.userAgent, at };
      return JSON.stringify({ ...page, status: status(), ...record() }, null, 2);
    },
  });
  Object.defineProperty(window, 'Rejoin', { value: surface, enumerable: true, configurable: true });
};
