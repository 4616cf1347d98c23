// What the documents name is there.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { newest, oldest } from '../scripts/lib/flex.mjs';
import { root } from '../scripts/lib/run.mjs';

const read = (/** @type {string} */ file) => readFileSync(path.join(root, file), 'utf8');

test('every test that proves a case exists', () => {
  const sources = ['tests', 'src', 'crates']
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true }).map((file) => `${folder}/${file}`),
    )
    .filter((file) => /\.(rs|mjs)$/.test(file));
  const all = sources.map(read).join('\n');
  const rows = read('docs/cases.md')
    .split('\n')
    .filter((line) => /^\| *\d+ *\|/.test(line))
    .map((line) => line.split('|').slice(1, -1));
  assert.deepEqual(
    rows.map(([number]) => Number(number)),
    Array.from({ length: 26 }, (_, index) => index + 1),
  );
  const missing = rows.flatMap(([number, , , proof]) =>
    [
      ...[...proof.matchAll(/`(\w+)`/g)].filter(([, name]) => !new RegExp(`fn ${name}\\b`).test(all)),
      ...[...proof.matchAll(/“(.+?)”(?= |;|,|$)/g)].filter(
        ([, title]) => !['"', "'", '`'].some((quote) => all.includes(quote + title + quote)),
      ),
    ].map(([, name]) => `${number.trim()}: ${name}`),
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
