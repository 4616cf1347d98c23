// Security advisories about the Rust dependencies. Their data is fetched from GitHub, which not every machine reaches: that
// is reported, and is not a failure. A real advisory always fails.

import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { env, run } from './run.mjs';
import { say } from './say.mjs';

/** Timeout for fetching the data, in seconds. */
const FETCHED_WITHIN = 60;

/** Where cargo-deny keeps the data. */
const folder = () => path.join(process.env.CARGO_HOME ?? path.join(homedir(), '.cargo'), 'advisory-dbs');

const hasData = () =>
  existsSync(folder()) && readdirSync(folder()).some((name) => name.startsWith('advisory-db-'));

/** When the stored data was made, if git can tell. */
function madeAt() {
  const [name] = readdirSync(folder()).filter((each) => each.startsWith('advisory-db-'));
  const git = spawnSync('git', ['-C', path.join(folder(), name ?? ''), 'log', '-1', '--format=%cs'], { env });
  return git.status === 0 ? String(git.stdout).trim() : 'an unknown day';
}

/**
 * Checks the dependencies, or says why not.
 * @param {(text: string) => void} heard
 */
export async function advisories(heard) {
  const fetched = await run('cargo-deny', ['fetch', 'db'], { heard, within: FETCHED_WITHIN }).catch(
    () => null,
  );
  if (fetched === null && !hasData()) {
    say(
      `  not checked: the advisories cannot be had from github.com/RustSec/advisory-db within ${FETCHED_WITHIN} s, and none ` +
        `are stored in ${folder()}. Run this again where the network leads there.`,
    );
    return;
  }
  if (fetched === null) say(`  no newer advisories can be had: checked against those of ${madeAt()}`);
  await run('cargo-deny', ['--offline', '--workspace', 'check', '--hide-inclusion-graph', 'advisories'], {
    heard,
  });
}
