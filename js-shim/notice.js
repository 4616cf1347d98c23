// @ts-check
// Notices that do not block: a line in the canvas of one call, beside the call it is about
// (Flex's own notifications lie over the first task and its Accept button), and one in the header, about all calls.
import { language, text } from './strings';

const CANVAS = { margin: '0.75rem 1rem', padding: '0.5rem 0.75rem', borderLeft: '4px solid #0263e0' };
/** The colour is the header's own, light or dark. */
const HEADER = { alignSelf: 'center', margin: '0 0.75rem', paddingLeft: '0.625rem', borderLeft: '3px solid' };

/** @type {import('./types').CreateNotices} */
export const createNotices = (flex, manager) => {
  /** By reservation; without one, for the header. @type {Map<string | undefined, { words: string, lang: string }>} */
  const texts = new Map();
  /** @type {Set<(change: object) => void>} */
  const drawn = new Set();
  // Flex provides React; bundling another copy would break both.
  const { React } = /** @type {any} */ (window);

  /** @param {{ name: string, look: object, task?: import('./types').Task }} props */
  const Notice = ({ name, look, task }) => {
    const [, draw] = React.useState({});
    React.useEffect(() => {
      drawn.add(draw);
      draw({}); // notices since the first rendering
      return () => drawn.delete(draw);
    }, []);
    const { words, lang } = texts.get(task?.sid) ?? {};
    const style = words ? { fontSize: '0.875rem', lineHeight: '1.25rem', ...look } : { margin: 0 };
    return React.createElement('p', { role: 'status', 'data-rejoin': name, lang, style }, words);
  };
  /** @param {any} place @param {string} name @param {object} look @param {object} where */
  const put = (place, name, look, where) =>
    place?.Content?.add?.(React.createElement(Notice, { key: `rejoin-${name}`, name, look }), where);
  if (React?.useState) {
    for (const canvas of [flex.IncomingTaskCanvas, flex.CallCanvas]) {
      put(canvas, 'notice', CANVAS, { sortOrder: -1 });
    }
    put(flex.MainHeader, 'unprotected', HEADER, { sortOrder: -1, align: 'end' });
  }
  return (name, values, reservation) => {
    texts.set(reservation, { words: name ? text(manager, name, values) : '', lang: language(manager) });
    for (const draw of drawn) draw({});
  };
};
