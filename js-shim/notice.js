// @ts-check
// A line in the canvas of one call: beside the call it is about, and in nobody's way. (Flex's own notifications lie
// over the first task and its Accept button.)

/**
 * @param {import('./types').Flex} flex
 * @returns {(reservation: string, text: string) => void}
 */
export const createNotices = (flex) => {
  /** @type {Map<string, string>} */
  const texts = new Map();
  // Flex brings React along; bundling another one would break both.
  const { React } = /** @type {any} */ (window);
  if (!React) return () => {};
  /** @param {{ task?: import('./types').Task }} props */
  const has = ({ task }) => texts.has(task?.sid ?? '');
  /** @param {{ task?: import('./types').Task }} props */
  const Notice = ({ task }) =>
    React.createElement(
      'p',
      {
        role: 'status',
        'data-rejoin': 'notice',
        style: {
          margin: '0.75rem 1rem',
          padding: '0.5rem 0.75rem',
          borderLeft: '4px solid #0263e0',
          fontSize: '0.875rem',
        },
      },
      texts.get(task?.sid ?? ''),
    );
  for (const canvas of [flex.IncomingTaskCanvas, flex.CallCanvas]) {
    canvas?.Content?.add(React.createElement(Notice, { key: 'rejoin-notice' }), { sortOrder: -1, if: has });
  }
  return (reservation, text) => texts.set(reservation, text);
};
