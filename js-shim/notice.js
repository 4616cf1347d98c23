// @ts-check
// Notices that do not block: a line in the canvas of one call or conversation, beside what it is about (Flex's own
// notifications lie over the first task and its Accept button), and two in the header, about all calls and about messages.
import { createLive } from './live';
import { language, text } from './strings';

const CANVAS = { margin: '0.75rem 1rem', padding: '0.5rem 0.75rem', borderLeft: '4px solid #0263e0' };
/** The colour is the header's own, light or dark. */
const HEADER = { alignSelf: 'center', margin: '0 0.75rem', paddingLeft: '0.625rem', borderLeft: '3px solid' };

/** @type {import('./types').CreateNotices} */
export const createNotices = (flex, manager) => {
  /** By SID, or by name of a notice in the header. @type {Map<string, { words: string, lang: string }>} */
  const texts = new Map();
  const { add, draw } = createLive((create, { name, task, sid }) => {
    const { words, lang } = texts.get(name === 'notice' ? (task?.sid ?? sid) : name) ?? {};
    const look = { fontSize: '0.875rem', lineHeight: '1.25rem', ...(name === 'notice' ? CANVAS : HEADER) };
    const style = words ? look : { margin: 0 };
    return create('p', { role: 'status', 'data-rejoin': name, lang, style }, words);
  });
  for (const canvas of [flex.IncomingTaskCanvas, flex.CallCanvas, flex.MessagingCanvas])
    add(canvas, 'notice', { sortOrder: -1 });
  for (const name of ['unprotected', 'header']) add(flex.MainHeader, name, { sortOrder: -1, align: 'end' });
  return (name, values, about = 'unprotected') => {
    texts.set(about, { words: name ? text(manager, name, values) : '', lang: language(manager) });
    draw();
  };
};
