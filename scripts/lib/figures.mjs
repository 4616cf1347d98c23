// The published figures: docs/figures.json as docs/figures.md and docs/figures.html. Nothing is measured here (scripts/figures.mjs does).

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import prettier from 'prettier';
import { root } from './run.mjs';

/**
 * A row of `simulate --ordinary-day`. Times in seconds, within which 50, 90 and 99 % are; empty: there are none.
 * @typedef {{what: string, customers: number, same: string, another: string, hungUp: string, hungUpOn: string,
 *   heard: number[], back: number[]}} Row
 */
/** `table`: as the simulation prints it; `sample`: the same of fewer seeds, which a test plays again. */
/** @typedef {{date: string, seeds: number, table: string[], sample: {seeds: number, table: string[]}}} Day */
/** Each play of a story, in milliseconds from the accident; `flex`: until Flex had started again. */
/** @typedef {{voice: number, heard: number, flex?: number}} Play */
/** @typedef {{date: string, flex: string, stories: Record<string, Play[]>}} Browser */
/** By the name of a figure: its value by database, or on its own (`''`). */
/** @typedef {Record<string, {date: string, values: Record<string, number>}>} Bench */
/** @typedef {{day: Day, browser: Browser, bench: Bench}} Figures */

const FILES = { data: 'docs/figures.json', markdown: 'docs/figures.md', page: 'docs/figures.html' };
const STYLES = ['console.css', 'history.css'].map((name) => `crates/server/src/console/assets/${name}`);

const at = (/** @type {string} */ file) => path.join(root, file);
const text = (/** @type {string} */ file) => readFileSync(at(file), 'utf8');

/** How each part is measured again. */
export const COMMANDS = {
  day: 'npm run figures -- --only day',
  browser: 'npm run figures -- --only browser',
  bench: 'npm run figures -- --only bench',
  render: 'npm run figures -- --render',
};

/** Accidents in the real browser: the name of a story in tests/bench/stories.mjs, what a reader calls it, and what a picture does. */
export const ACCIDENTS = {
  refreshInPlace: { what: 'page refreshed: back in place', short: 'refreshed: in place' },
  refresh: { what: 'page refreshed, leg lost: back through the queue', short: 'refreshed: queue' },
  crash: { what: 'page crashed, Flex opened again: back in place', short: 'crashed: in place' },
  closedTab: { what: 'tab closed for good: the next agent', short: 'closed: next agent' },
};

/**
 * Figures of the server. `is`: its name in `npm run bench`, without the database. `of`: the command, if `npm run bench` does not
 * measure it.
 * @type {Array<{id: string, what: string, is?: string, unit: string, means: string, of?: string}>}
 */
export const BENCH = [
  {
    id: 'webhooks',
    what: 'signed webhooks made durable per second, at most',
    is: 'signed webhooks made durable per second, at most',
    unit: '',
    means:
      'How many of Twilio’s callbacks one server takes, each in the database before Twilio has its answer.',
  },
  {
    id: 'webhook',
    what: 'a webhook at 2,000 a second until it is durable, median',
    is: 'webhook at 2000/s until it is durable, median',
    unit: 'ms',
    means: 'How long Twilio waits for its answer from a busy server.',
  },
  {
    id: 'announcement',
    what: 'what the server adds until the announcement is requested',
    is: 'leave webhook → announcement requested, beside the grace',
    unit: 'ms',
    means:
      'Of the customer’s wait for the first word this much is the server’s; the rest is Twilio’s and the grace period.',
  },
  {
    id: 'start',
    what: 'killed (SIGKILL) → ready',
    is: 'start → ready',
    unit: 'ms',
    means: 'How long no server is there when the process dies and is started again at once.',
  },
  {
    id: 'desktops',
    what: 'memory for 10,000 connected desktops',
    is: 'memory of 10000 desktops that listen',
    unit: 'MB',
    means: 'What it takes to hold a push channel to each of ten thousand agents.',
  },
  {
    id: 'calls',
    what: 'memory with 100,000 open calls',
    is: 'memory with 100000 calls on which nothing happens',
    unit: 'MB',
    means: 'Calls are in the database, not in memory: the server does not grow with them.',
  },
  {
    id: 'storm',
    what: '5,000 agents lost at once: the last customer told after',
    unit: 's',
    means:
      'How long the last customer waits for a word when a large site loses power; requests to Twilio are sent at limited rates.',
    of: 'REJOIN_STORM_CALLS=5000 cargo test -p rejoin-server --test server storm -- --nocapture',
  },
  {
    id: 'history',
    what: 'the console’s history of 30 days with a million recoveries',
    is: 'history, 30 days',
    unit: 'ms',
    means: 'How long a supervisor waits for the view of a month.',
  },
  {
    id: 'documents',
    what: 'the fallback: signed documents per second, one connection',
    is: 'fallback: signed documents per second, one connection',
    unit: '',
    means: 'How many callers the fallback answers while no server does.',
  },
  {
    id: 'worlds',
    what: 'simulated worlds per second and core, the smallest',
    is: 'worlds a second and core: a call of half a minute',
    unit: '',
    means: 'How many of the smallest simulated worlds one core plays in a second.',
  },
];

/** The rows of a table that the simulation printed. @returns {Row[]} */
export function rows(/** @type {string[]} */ table) {
  return table
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))
    .filter(([, customers]) => /^\d+$/.test(customers))
    .map(([what, customers, same, another, hungUp, hungUpOn, heard, back]) => ({
      ...{ what, customers: Number(customers), same, another, hungUp, hungUpOn },
      heard: times(heard),
      back: times(back),
    }));
}

const times = (/** @type {string} */ cell) =>
  cell
    .split('/')
    .map((part) => Number.parseFloat(part))
    .filter((time) => !Number.isNaN(time));

/** @returns {Figures} */
export const stored = () => JSON.parse(text(FILES.data));

/** The files as they must be, by their names. @returns {Promise<Record<string, string>>} */
export async function rendered(/** @type {Figures} */ figures) {
  const { version } = JSON.parse(text('package.json'));
  const parts = sections(figures);
  const options = (await prettier.resolveConfig(at(FILES.markdown))) ?? {};
  const format = (/** @type {string} */ source, /** @type {string} */ parser) =>
    prettier.format(source, { ...options, parser });
  return {
    [FILES.data]: await format(JSON.stringify(figures), 'json'),
    [FILES.markdown]: await format(markdown(parts, version), 'markdown'),
    [FILES.page]: page(parts, version, STYLES.map(text).join('')),
  };
}

/** Writes them. */
export async function write(/** @type {Figures} */ figures) {
  for (const [file, content] of Object.entries(await rendered(figures))) writeFileSync(at(file), content);
}

/**
 * A part of both documents. `means`: sentences about its table.
 * @typedef {{title: string, means: string[], command: string, date: string, heads: string[], rows: string[][],
 *   pictures?: Array<{label: string, svg: string, legend: Array<[string, string]>}>}} Section
 */

const median = (/** @type {number[]} */ values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};
const seconds = (/** @type {number} */ value) => value.toFixed(1);
const three = (/** @type {number[]} */ values) => (values.length ? values.map(seconds).join(' / ') : '–');
const number = (/** @type {number} */ value) => value.toLocaleString('en');
const percent = (/** @type {string} */ share) => Number.parseFloat(share);

/** @returns {Section[]} */
function sections(/** @type {Figures} */ { day, browser, bench }) {
  const all = rows(day.table);
  const sum = all.at(-1);
  if (!sum) throw new Error(`${FILES.data} has no row of the ordinary day`);
  const played = Object.entries(ACCIDENTS).map(([id, names]) => {
    const plays = browser.stories[id] ?? [];
    const of = (/** @type {(play: Play) => number | undefined} */ value) =>
      plays.map(value).filter((value) => value !== undefined);
    return { ...names, voice: of((it) => it.voice), heard: of((it) => it.heard), flex: of((it) => it.flex) };
  });
  const inSeconds = (/** @type {number[]} */ values) =>
    values.length ? seconds(median(values) / 1000) : '–';
  const range = (/** @type {number[]} */ values) =>
    values.length ? `${seconds(Math.min(...values) / 1000)} to ${seconds(Math.max(...values) / 1000)}` : '–';
  const simulated = `npm run simulate -- --seeds ${day.seeds} --ordinary-day`;
  const value = (/** @type {string} */ id, /** @type {string} */ of, /** @type {string} */ unit) => {
    const found = bench[id]?.values[of];
    return found === undefined ? '' : `${number(found)}${unit && ` ${unit}`}`;
  };
  const anyAgent = percent(sum.same) + percent(sum.another);
  const first = played[0];
  return [
    {
      title: 'In one look',
      means: [
        'What becomes of customers whose agent’s browser goes away in a call, in the simulated ordinary day and in a real browser.',
      ],
      command: 'npm run figures',
      date: [day.date, browser.date].sort()[0],
      heads: ['figure', 'value', 'what it means'],
      rows: [
        ['Same agent again', sum.same, 'The customer goes on talking to the agent who was lost.'],
        [
          'Any agent again',
          `${anyAgent.toFixed(2)} %`,
          'That agent or, after 15 s, another one who is told what happened.',
        ],
        [
          'Hung up before',
          sum.hungUp,
          'The customer’s own patience ended before an agent was back; stock Flex hangs up on all of these customers.',
        ],
        ['Hung up on', sum.hungUpOn, 'Rejoin or Flex ended the call of a customer who was still there.'],
        [
          'Time to the same agent',
          `${three(sum.back)} s`,
          'From the loss until both talk again: half, 90 % and 99 % of customers.',
        ],
        [
          'First sound',
          `${three(sum.heard)} s`,
          'From the loss until the customer hears that something happens: half, 90 % and 99 %.',
        ],
        [
          'Refresh in the real Flex UI',
          `${inSeconds(first.voice)} s`,
          `Median of ${first.voice.length} refreshes; Flex’s own start takes ${inSeconds(first.flex)} s of it.`,
        ],
      ],
    },
    {
      title: 'An ordinary day, simulated',
      means: [
        `${number(day.seeds)} calls with one accident each, as frequent among each other as [assumed](simulation.md#an-ordinary-day), through the whole product on virtual time.`,
        'A share is of the customers who lost their agent; times are from the loss, within which 50, 90 and 99 % are.',
      ],
      command: simulated,
      date: day.date,
      heads: [
        'what happened to the agent',
        'customers',
        'same agent again',
        'another agent',
        'hung up',
        'hung up on',
        'first sound after, s',
        'same agent after, s',
      ],
      rows: all.map((row) => [
        ...[row.what, number(row.customers), row.same, row.another, row.hungUp, row.hungUpOn],
        ...[three(row.heard), three(row.back)],
      ]),
      pictures: [
        shares(all),
        spans('First sound after the loss', all, 'heard'),
        spans('The same agent again after the loss', all, 'back'),
      ],
    },
    {
      title: 'In a real browser',
      means: [
        `The Flex UI ${browser.flex} in Chromium, with its Voice SDK and real audio, on the stand-in for Twilio, 80 ms away each way; the machine does much else.`,
        'Times are from the accident: until the customer hears the first sound, and until server and Twilio have agent and customer in one conference. Most of a refresh is Flex’s own start.',
      ],
      command: COMMANDS.browser,
      date: browser.date,
      heads: [
        'accident',
        'plays',
        'first sound, s',
        'agent again, s',
        'lowest to highest',
        'of it until Flex had started, s',
      ],
      rows: played.map(({ what, voice, heard, flex }) => [
        ...[what, String(voice.length), inSeconds(heard), inSeconds(voice), range(voice), inSeconds(flex)],
      ]),
      pictures: [plays(played)],
    },
    {
      title: 'What the server takes',
      means: [
        'Speed and size of the programs, as [benchmarks](benchmark.md) measure them on a busy virtual machine with two processors: compare them with each other, not with other machines.',
      ],
      command: COMMANDS.bench,
      date: BENCH.map(({ id }) => bench[id]?.date ?? '')
        .filter(Boolean)
        .sort()[0],
      heads: ['figure', 'SQLite', 'PostgreSQL', 'what it means', 'measured', 'by'],
      rows: BENCH.filter(({ id }) => bench[id]).map(({ id, what, unit, means, of }) => [
        what,
        value(id, 'SQLite', unit) || value(id, '', unit),
        value(id, 'PostgreSQL', unit) || '–',
        means,
        bench[id].date,
        `\`${of ?? 'npm run bench'}\``,
      ]),
    },
  ];
}

const INTRO =
  'What Rejoin does for customers whose agent’s browser goes away, in figures that anybody can measure again: the command stands beside each. ' +
  'Nothing here was measured with a Twilio account yet; where Twilio is involved, it is the [stand-in](twin.md).';

/** @returns {string} */
function markdown(/** @type {Section[]} */ parts, /** @type {string} */ version) {
  const lines = [
    '# Figures',
    '',
    `${INTRO} [The same with pictures](figures.html). Rejoin ${version}.`,
    '',
    '<!-- Written by `npm run figures` from figures.json. -->',
  ];
  for (const { title, means, command, date, heads, rows } of parts) {
    const isText = (/** @type {number} */ column) =>
      column === 0 || rows.every((row) => !/^[\d–]/.test(row[column]));
    lines.push('', `## ${title}`, '', means.join(' '), '', `\`${command}\`, ${date}:`, '');
    lines.push(`| ${heads.join(' | ')} |`);
    lines.push(`| ${heads.map((_, column) => (isText(column) ? '---' : '---:')).join(' | ')} |`);
    lines.push(...rows.map((row) => `| ${row.join(' | ')} |`));
  }
  return `${lines.join('\n')}\n`;
}

const escaped = (/** @type {string} */ source) =>
  source.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** The little of Markdown that the sentences have: links and code. */
const inline = (/** @type {string} */ source) =>
  escaped(source)
    .replace(/\[([^\]]+)\]\(([^)]+)\)/g, '<a href="$2">$1</a>')
    .replace(/`([^`]+)`/g, '<code>$1</code>');

/** @returns {string} */
function page(/** @type {Section[]} */ parts, /** @type {string} */ version, /** @type {string} */ style) {
  const sections = parts.map(({ title, means, command, date, heads, rows, pictures = [] }, at) => {
    const isShort = (/** @type {number} */ column) => rows.every((row) => row[column].length < 20);
    const cell = (/** @type {string} */ text, /** @type {number} */ column) =>
      `<td role="cell"${isShort(column) ? ' class="short"' : ''} data-label="${escaped(heads[column])}"><div>${inline(text)}</div></td>`;
    const figures = pictures.map(
      ({ label, svg, legend }) =>
        `<figure><figcaption>${escaped(label)}</figcaption>${svg}<ul class="legend">${legend
          .map(([kind, name]) => `<li><span class="key ${kind}"></span>${escaped(name)}</li>`)
          .join('')}</ul></figure>`,
    );
    return `<section aria-labelledby="part-${at}">
<h2 id="part-${at}">${escaped(title)}</h2>
<p>${means.map(inline).join(' ')}</p>
<p><code>${escaped(command)}</code>, ${escaped(date)}</p>
${figures.length ? `<div class="sections history pictures">${figures.join('\n')}</div>\n` : ''}<div class="history"><table role="table">
<caption>${escaped(title)}</caption>
<thead role="rowgroup"><tr role="row">${heads.map((head) => `<th role="columnheader" scope="col">${escaped(head)}</th>`).join('')}</tr></thead>
<tbody role="rowgroup">
${rows.map((row) => `<tr role="row">${row.map(cell).join('')}</tr>`).join('\n')}
</tbody>
</table></div>
</section>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Figures – Rejoin</title>
<style>
${style}main > section {
  margin-bottom: 1rem;
}
.history.pictures {
  margin-bottom: 1rem;
}
.short {
  white-space: nowrap;
}
</style>
</head>
<body>
<header><p class="brand">Rejoin ${escaped(version)}</p></header>
<main>
<h1>Figures</h1>
<p>${inline(INTRO)}</p>
${sections.join('\n')}
</main>
</body>
</html>
`;
}

/** Sizes in a picture, in its own units: its width, where names end, the height of a row, of what is above and below. */
const [WIDE, LEFT, RIGHT, ROW, TOP, BOTTOM] = [400, 150, 22, 20, 6, 20];
const n = (/** @type {number} */ value) => value.toFixed(1);

/** A picture of rows with a scale below. @returns {string} */
function drawn(
  /** @type {string} */ label,
  /** @type {string[]} */ names,
  /** @type {Array<[number, string]>} */ scale,
  /** @type {(x: (share: number) => number, row: (at: number) => number) => string} */ content,
) {
  const high = TOP + names.length * ROW + BOTTOM;
  const x = (/** @type {number} */ share) => LEFT + share * (WIDE - LEFT - RIGHT);
  const row = (/** @type {number} */ at) => TOP + at * ROW + ROW / 2;
  const lines = scale.map(
    ([share, name]) =>
      `<line class="level" x1="${n(x(share))}" y1="${TOP}" x2="${n(x(share))}" y2="${n(high - BOTTOM)}"/>` +
      `<text x="${n(x(share))}" y="${n(high - 6)}" text-anchor="middle">${escaped(name)}</text>`,
  );
  const texts = names.map(
    (name, at) => `<text x="${LEFT - 6}" y="${n(row(at) + 4)}" text-anchor="end">${escaped(name)}</text>`,
  );
  return (
    `<svg class="chart" role="img" aria-label="${escaped(label)}: a picture of the table below." viewBox="0 0 ${WIDE} ${high}">` +
    `${lines.join('')}${texts.join('')}${content(x, row)}</svg>`
  );
}

/** What became of the customers, by accident. */
function shares(/** @type {Row[]} */ all) {
  const label = 'What became of the customers';
  const kinds = /** @type {const} */ (['same', 'another', 'hungUp', 'hungUpOn']);
  const classes = ['same', 'any', 'unneeded', 'lost'];
  /** @type {Array<[number, string]>} */
  const scale = [0, 0.5, 1].map((share) => [share, `${share * 100} %`]);
  const svg = drawn(
    label,
    all.map(({ what }) => what),
    scale,
    (x, row) =>
      all
        .flatMap((it, at) => {
          let from = 0;
          return kinds.map((kind, part) => {
            const share = percent(it[kind]) / 100;
            const bar =
              share > 0
                ? `<rect class="${classes[part]}" x="${n(x(from))}" y="${n(row(at) - 7)}" width="${n(x(share) - x(0))}" height="14"/>`
                : '';
            from += share;
            return bar;
          });
        })
        .join(''),
  );
  const names = ['same agent again', 'another agent', 'hung up', 'hung up on'];
  /** @type {Array<[string, string]>} */
  const legend = classes.map((kind, at) => [kind, names[at]]);
  return { label, svg, legend };
}

/** The scale of a picture of times: five of its steps, or fewer, are all of it. @returns {{most: number, scale: Array<[number, string]>}} */
function scaled(/** @type {number} */ highest) {
  const step = [0.5, 1, 2, 5, 10, 20, 50, 100].find((step) => step * 6 >= highest) ?? highest;
  const most = Math.max(step, Math.ceil(highest / step) * step);
  /** @type {Array<[number, string]>} */
  const scale = [];
  for (let at = 0; at <= most; at += step) scale.push([at / most, `${at} s`]);
  return { most, scale };
}

/** Within which times 50, 90 and 99 % are, by accident. */
function spans(/** @type {string} */ label, /** @type {Row[]} */ all, /** @type {'heard' | 'back'} */ of) {
  const { most, scale } = scaled(Math.max(...all.flatMap((row) => row[of])));
  const svg = drawn(
    label,
    all.map(({ what }) => what),
    scale,
    (x, row) =>
      all
        .map((it, at) => {
          const [half, nearly, last] = it[of];
          if (half === undefined) return '';
          const y = row(at);
          return (
            line(x(half / most), x(last / most), y) +
            `<rect class="unneeded" x="${n(x(last / most) - 1.5)}" y="${n(y - 6)}" width="3" height="12"/>` +
            `<rect class="any" x="${n(x(nearly / most) - 4)}" y="${n(y - 4)}" width="8" height="8"/>` +
            `<circle class="same" cx="${n(x(half / most))}" cy="${n(y)}" r="4"/>`
          );
        })
        .join(''),
  );
  /** @type {Array<[string, string]>} */
  const legend = [
    ['same', 'half (circle)'],
    ['any', '90 % (square)'],
    ['unneeded', '99 % (bar)'],
  ];
  return { label, svg, legend };
}

const line = (/** @type {number} */ from, /** @type {number} */ to, /** @type {number} */ y) =>
  `<line class="level" x1="${n(from)}" y1="${n(y)}" x2="${n(to)}" y2="${n(y)}"/>`;

/** Each play in the browser. */
function plays(/** @type {Array<{short: string, voice: number[], heard: number[]}>} */ played) {
  const label = 'First sound, and an agent again, after the accident';
  const { most, scale } = scaled(Math.max(1, ...played.flatMap(({ voice }) => voice)) / 1000);
  const svg = drawn(
    label,
    played.map(({ short }) => short),
    scale,
    (x, row) =>
      played
        .flatMap(({ voice, heard }, at) => {
          const y = row(at);
          const place = (/** @type {number} */ ms) => n(x(ms / 1000 / most));
          return [
            ...heard.map(
              (ms) =>
                `<rect class="any" x="${n(Number(place(ms)) - 3)}" y="${n(y - 3)}" width="6" height="6"/>`,
            ),
            ...voice.map((ms) => `<circle class="same" cx="${place(ms)}" cy="${n(y)}" r="3.5"/>`),
          ];
        })
        .join(''),
  );
  /** @type {Array<[string, string]>} */
  const legend = [
    ['any', 'first sound (square), of each play'],
    ['same', 'an agent again (circle)'],
  ];
  return { label, svg, legend };
}
