// The tests that failed, out of the long output of a part: Cargo's, and the one of Node's runner (TAP).

/** `why`: where it failed and the message, in a few lines. @typedef {{test: string, why: string[]}} Failure */

/** Maximum number of lines of a message: the output above has all of it. */
const LINES = 5;

/** @returns {Failure[]} in the order in which they are first named; empty where a failure is none of a test's */
export function failures(/** @type {string} */ output) {
  const lines = output.split(/\r?\n/);
  /** @type {Map<string, string[]>} */
  const found = new Map();
  lines.forEach((line, at) => {
    const rust = /^test (.+?)(?: - should panic)? \.\.\. FAILED$/.exec(line);
    if (rust) found.set(rust[1], found.get(rust[1]) ?? []);
    // One that hangs until its program is killed, or breaks off, has no other line.
    const hangs = /^test (.+?) has been running for over 60 seconds$/.exec(line);
    if (hangs && !lines.some((other) => other.startsWith(`test ${hangs[1]} ...`))) {
      found.set(hangs[1], ['It had not ended when its program did.']);
    }
    const told = /^---- (.+?)(?: - should panic)? (?:stdout|output) ----$/.exec(line);
    if (told) found.set(told[1], panic(lines.slice(at + 1)));
    const node = /^\s*not ok \d+ - (.*)$/.exec(line);
    if (node) {
      const details = block(lines.slice(at + 1));
      // A test fails with each part of it; the parts are listed.
      if (details.failureType !== 'subtestsFailed') {
        found.set(node[1], [details.location, ...(details.error ?? '').split('\n')].filter(Boolean));
      }
    }
  });
  return [...found].map(([test, why]) => ({ test, why: why.slice(0, LINES) }));
}

/** Where a Rust test panicked, and with which message. */
function panic(/** @type {string[]} */ after) {
  const end = after.findIndex((line) => /^(---- .* ----|failures:)$/.test(line));
  const mine = end < 0 ? after : after.slice(0, end);
  const at = mine.findIndex((line) => line.includes('panicked at '));
  if (at < 0) return mine.filter((line) => line.trim());
  const message = mine.slice(at + 1);
  const over = message.findIndex((line) => /^(stack backtrace:|note: |Stack:|\s*$)/.test(line));
  const place = mine[at].replace(/^.*panicked at /, '').replace(/:$/, '');
  return [place, ...(over < 0 ? message : message.slice(0, over))];
}

/** The fields of the block of YAML below a line of TAP. */
function block(/** @type {string[]} */ after) {
  /** @type {Record<string, string>} */
  const fields = {};
  let name = '';
  for (const line of after) {
    if (line.trim() === '...') break;
    const field = /^\s*([a-z_A-Z]+): (.*)$/.exec(line);
    if (field) fields[(name = field[1])] = field[2] === '|-' ? '' : field[2].replace(/^'(.*)'$/, '$1');
    else if (name && line.trim()) fields[name] += `${fields[name] && '\n'}${line.trim()}`;
  }
  return fields;
}

/** What to print at the end of a run about the parts that failed: long after their output. @returns {string} */
export function summary(/** @type {Array<{name: string, failures: Failure[]}>} */ parts) {
  return parts
    .flatMap(({ name, failures }) => [
      `  ${name}`,
      ...failures.flatMap(({ test, why }) => [`    ${test}`, ...why.map((line) => `      ${line}`)]),
      ...(failures.length ? [] : ['    none of its tests: see the output of the part']),
    ])
    .join('\n');
}
