// @ts-check
// The texts. languages/ has a file for each language; the build merges them.
import all from '../pkg/languages.json';

const languages = /** @type {Record<string, Record<string, string>>} */ (all);

// Flex's language, or the browser's where Flex does not say; English if there is no file for it. `de` for `de-AT`.
export const language = (/** @type {import('./types').Manager} */ manager) => {
  const [code] = (manager.localization?.localeTag ?? navigator.language).toLowerCase().split('-');
  return languages[code] ? code : 'en';
};

// The account's own texts, in `manager.strings`, come first; English replaces what a language lacks.
/** @type {import('./types').Text} */
export const text = (manager, name, values) => {
  const places = [/** @type {any} */ (manager.strings), languages[language(manager)], languages.en];
  /** @type {(key: string) => string} */
  const words = (key) => places.map((place) => place?.[key]).find((found) => found != null);
  const unknown = /** @type {Record<string, string>} */ ({ name: words('RejoinAnotherAgent') });
  const template = words(`Rejoin${name[0].toUpperCase()}${name.slice(1)}`);
  return template.replace(/{{(\w+)}}/g, (_, part) => String(values?.[part] ?? unknown[part] ?? ''));
};
