// The shim stays thin: anything beyond binding belongs in the core.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../scripts/lib/run.mjs';

/** Lines of all its scripts together. */
const LIMIT = 422;

test(`the shim has at most ${LIMIT} lines`, () => {
  const folder = path.join(root, 'js-shim');
  const scripts = readdirSync(folder, { recursive: true }).filter((file) => String(file).endsWith('.js'));
  const lines = scripts.map(
    (file) => readFileSync(path.join(folder, String(file)), 'utf8').split('\n').length - 1,
  );
  const sum = lines.reduce((all, some) => all + some, 0);
  assert.ok(scripts.includes('plugin.js'), 'it is looked at');
  assert.ok(sum <= LIMIT, `${sum} lines: ${scripts.map((file, at) => `${file} ${lines[at]}`).join(', ')}`);
});
