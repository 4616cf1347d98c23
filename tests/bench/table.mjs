// Prints figures as one table.

/** @typedef {import('./server.mjs').Figure} Figure */

export const median = (/** @type {number[]} */ values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return (low + high) / 2;
};

export const ms = (/** @type {number} */ value) => `${value < 100 ? value.toFixed(1) : Math.round(value)} ms`;

function shown(/** @type {number} */ value, /** @type {string} */ unit) {
  if (unit === 'ms') return ms(value);
  const digits = unit === 'MB' || unit === 'kB' ? 1 : 0;
  return `${value.toFixed(Number.isInteger(value) ? 0 : digits)} ${unit === 'round trips' ? '' : unit}`.trimEnd();
}

/** @returns {string} */
export function table(/** @type {Figure[]} */ figures) {
  const lines = [['', 'median', 'lowest', 'highest', '']];
  for (const { what, unit, values, note } of figures) {
    const [middle, low, high] = [median(values), Math.min(...values), Math.max(...values)];
    const range = values.length > 1 ? [shown(low, unit), shown(high, unit)] : ['', ''];
    lines.push([what, shown(middle, unit), ...range, note]);
  }
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines
    .map(([what, ...rest]) => {
      const numbers = rest.slice(0, 3).map((cell, at) => cell.padStart(widths[at + 1]));
      return `${what.padEnd(widths[0])}  ${numbers.join('  ')}  ${rest[3]}`.trimEnd();
    })
    .join('\n');
}
