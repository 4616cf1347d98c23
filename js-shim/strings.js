// @ts-check
// What people read. languages/ has a file for each language that an agent's words exist in.
import de from './languages/de.json';
import en from './languages/en.json';
import es from './languages/es.json';
import fr from './languages/fr.json';
import ja from './languages/ja.json';
import pt from './languages/pt.json';

/** @typedef {Record<string, string>} Words */

/** @type {Record<string, Words>} */
const languages = { de, en, es, fr, ja, pt };
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
 * The words for `name`, with each `{{value}}` filled in. A name that nobody knows is "another agent". The account's own
 * words, in `manager.strings`, come first; English stands for what a language lacks.
 * @param {import('./types').Manager} manager
 * @param {string} name
 * @param {object} [values]
 * @returns {string}
 */
export const text = (manager, name, values) => {
  const places = [/** @type {any} */ (manager.strings), languages[language(manager)], en];
  /** @param {string} key @returns {string} */
  const words = (key) => places.map((place) => place?.[key]).find((found) => found != null);
  const known = Object.entries(values ?? {}).filter(([, value]) => value != null);
  const filled = new Map([['name', words('RejoinAnotherAgent')], ...known]);
  const template = words(`Rejoin${name[0].toUpperCase()}${name.slice(1)}`);
  return template.replace(/{{(\w+)}}/g, (_, part) => String(filled.get(part) ?? ''));
};
