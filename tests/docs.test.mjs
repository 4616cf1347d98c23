// The tests and versions that the documents name exist.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { newest, oldest } from '../scripts/lib/flex.mjs';
import { root } from '../scripts/lib/run.mjs';

const read = (/** @type {string} */ file) => readFileSync(path.join(root, file), 'utf8');

const sources = () =>
  ['tests', 'src', 'crates']
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true }).map((file) => `${folder}/${file}`),
    )
    .filter((file) => /\.(rs|mjs)$/.test(file))
    .map(read)
    .join('\n');

test('every way down the ladder has a test that exists', () => {
  const all = sources();
  const [, table] = read('docs/recovery.md').match(/### Down the ladder\n([^#]+)\n#/) ?? [];
  const names = [...(table ?? '').matchAll(/`([a-z_]{20,})`/g)].map(([, name]) => name);
  assert.ok(names.length > 5, 'the table is not found');
  assert.deepEqual(
    names.filter((name) => !all.includes(`fn ${name}(`)),
    [],
  );
});

/** Titles in “quotes” that no test has. @returns {string[]} */
const missingTitles = (/** @type {string} */ all, /** @type {string} */ text) =>
  [...text.matchAll(/“(.+?)”(?= |;|,|$)/g)]
    .map(([, title]) => title)
    .filter((title) => !['"', "'", '`'].some((quote) => all.includes(quote + title + quote)));

test('every story that the cases of conversations name exists', () => {
  const [, cases] = read('docs/conversations.md').match(/## Cases and their tests\n([^]+?)\n## /) ?? [];
  assert.ok(cases?.includes('“'), 'the table is not found');
  assert.deepEqual(missingTitles(sources(), cases), []);
});

test('every test that proves a case exists', () => {
  const all = sources();
  const rows = read('docs/cases.md')
    .split('\n')
    .filter((line) => /^\| *\d+ *\|/.test(line))
    .map((line) => line.split('|').slice(1, -1));
  assert.deepEqual(
    rows.map(([number]) => Number(number)),
    Array.from({ length: 30 }, (_, index) => index + 1),
  );
  const missing = rows.flatMap(([number, , , proof]) =>
    [
      ...[...proof.matchAll(/`(\w+)`/g)]
        .map(([, name]) => name)
        .filter((name) => !new RegExp(`fn ${name}\\b`).test(all)),
      ...missingTitles(all, proof),
    ].map((name) => `${number.trim()}: ${name}`),
  );
  assert.deepEqual(missing, []);
});

test('the Flex UIs that are tested are the ones that are named', () => {
  for (const file of ['README.md', 'docs/plugin.md']) {
    for (const { version } of [newest, oldest]) {
      assert.ok(read(file).includes(version), `${file} does not name Flex UI ${version}`);
    }
  }
  const { peerDependencies } = JSON.parse(read('package.json'));
  assert.ok(read('src/agent/config.rs').includes(`"${peerDependencies['@twilio/flex-ui']}"`), 'the core');
});

test('every plan that the findings name is kept', () => {
  const named = [...read('docs/findings.md').matchAll(/`([a-z]+(?:-[a-z]+){2,})`/g)].map(([, name]) => name);
  assert.ok(named.length > 80, 'the tables are not found');
  assert.deepEqual(
    named.filter((name) => !existsSync(path.join(root, `crates/world/tests/stories/${name}.json`))),
    [],
  );
});

test('every link leads somewhere', () => {
  const documents = [
    ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'],
    ...readdirSync(path.join(root, 'docs'))
      .filter((file) => file.endsWith('.md'))
      .map((file) => `docs/${file}`),
  ];
  /** As GitHub names the headings of a document. */
  const anchors = (/** @type {string} */ text) =>
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    );
  const broken = documents.flatMap((file) =>
    [...read(file).matchAll(/\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"/g)]
      .map(([, link, picture]) => link ?? picture)
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [target, anchor] = link.split('#');
        const to = target ? path.join(path.dirname(file), target) : file;
        if (!existsSync(path.join(root, to))) return true;
        return anchor !== undefined && !anchors(read(to)).includes(anchor);
      })
      .map((link) => `${file}: ${link}`),
  );
  assert.deepEqual(broken, []);
});

test('the privacy page names every table, and everything that the browser keeps', () => {
  const page = read('docs/privacy.md');
  const named = (/** @type {string} */ heading) =>
    [...(page.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '').matchAll(/^\| `([^`]+)`/gm)].map(
      ([, name]) => name,
    );
  const tables = ['sqlite', 'postgres'].flatMap((database) => {
    const folder = `crates/server/migrations/${database}`;
    const all = readdirSync(path.join(root, folder)).map((file) => read(`${folder}/${file}`));
    return [...all.join('\n').matchAll(/^create table (?:if not exists )?(\w+)/gim)].map(([, name]) => name);
  });
  assert.deepEqual(named('On the server').sort(), [...new Set(tables)].sort());

  const storage = 'src/shell/storage.rs';
  const keys = [storage, 'src/shell/shelf.rs']
    .flatMap((file) => [...read(file).matchAll(/^const \w+: &str = "(rejoin\.[\w.]+)";/gm)])
    .map(([, key]) => key);
  assert.deepEqual(
    named("In the agent's browser")
      .map((key) => key.replace(/(WK….)?(WR|WK|CH)?…$/, ''))
      .sort(),
    keys.sort(),
  );
  // Nothing else is kept, and nowhere else.
  const kept = ['src', 'js-shim']
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true }).map((file) => `${folder}/${file}`),
    )
    .filter((file) => /\.(rs|js)$/.test(file))
    .filter((file) => /localStorage|sessionStorage|indexedDB|\.cookie|caches\.open/.test(read(file)));
  assert.deepEqual(kept, [storage]);
});
