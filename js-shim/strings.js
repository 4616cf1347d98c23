// @ts-check
// The texts. languages/ has a file for each language; the build merges them.
import all from '../pkg/languages.json';

/** @type {Record<string, Record<string, string>>} */
const languages = all;
/**
 * The language that Flex is set to, or the browser's where Flex does not say; English if there is no file for it.
 * @param {import('./types').Manager} manager
 * @returns {string} such as `de` for `de-AT`
 */
export const language = (manager) => {
  const [code] = (manager.localization?.localeTag ?? navigator.language).toLowerCase().split('-');
  return languages[code] ? code : 'en';
};

/**
 * The text for `name`, with each `{{value}}` filled in. An unknown agent's name is "another agent". The account's own
 * texts, in `manager.strings`, come first; English replaces what a language lacks.
 * @type {(manager: import('./types').Manager, name: string, values?: Record<string, any>) => string}
 */
export const text = (manager, name, values) => {
  const places = [/** @type {any} */ (manager.strings), languages[language(manager)], languages.en];
  /** @type {(key: string) => string} */
  const words = (key) => places.map((place) => place?.[key]).find((found) => found != null);
  /** @type {Record<string, string>} */
  const unknown = { name: words('RejoinAnotherAgent') };
  const template = words(`Rejoin${name[0].toUpperCase()}${name.slice(1)}`);
  return template.replace(/{{(\w+)}}/g, (_, part) => String(values?.[part] ?? unknown[part] ?? ''));
};
