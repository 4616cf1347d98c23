// Mutation tests of the recovery core: npm run mutants. Each mutant changes one expression of the code that judges, plans and
// asks; a test should fail then. What survives the core's quick tests is tried by all of its tests, and what survives these by
// simulated worlds. The result is printed and written to target/mutants/result.json; docs/mutants.md judges the survivors.
//
// `--worlds N` plays N worlds (2000), `--shard k/n` tries a part of the mutants (k from 0 to n - 1).

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { root, run } from './lib/run.mjs';
import { giveUp, say, step } from './lib/say.mjs';
import { compiler, mutationTools } from './lib/setup.mjs';

const folder = path.join(root, 'target/mutants');
const tree = path.join(folder, 'tree');
const build = { CARGO_TARGET_DIR: path.join(folder, 'build') };
/** Hundreds of tests fail on purpose: how is of no interest. */
const BRIEFLY = { PROPTEST_MAX_SHRINK_ITERS: '0', RUST_BACKTRACE: '0' };
/** The worlds are compiled for every survivor: a link of minutes would not pay off. */
const QUICKLY = {
  CARGO_PROFILE_SIMULATE_LTO: 'off',
  CARGO_PROFILE_SIMULATE_CODEGEN_UNITS: '16',
  CARGO_PROFILE_SIMULATE_DEBUG: '0',
  CARGO_PROFILE_SIMULATE_INCREMENTAL: 'true',
};

/**
 * A mutant, by its name in the list of cargo-mutants.
 * @typedef {{name: string, file: string, caughtBy: 'tests' | 'all tests' | 'worlds' | 'compiler' | 'time' | null}} Result
 */

/** The files of the repository as they are, without what is built. */
function copyTree() {
  rmSync(tree, { recursive: true, force: true });
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  });
  for (const file of String(listed)
    .split('\0')
    .filter((name) => name && existsSync(path.join(root, name)))) {
    mkdirSync(path.dirname(path.join(tree, file)), { recursive: true });
    cpSync(path.join(root, file), path.join(tree, file));
  }
}

/** @returns {Promise<Array<{name: string, file: string, summary: string, diff: string}>>} */
async function quickly(/** @type {string[]} */ options) {
  const args = [
    'mutants',
    '--package',
    'rejoin-recovery',
    '--output',
    folder,
    '--no-shuffle',
    '--jobs',
    '2',
    '--colors',
    'never',
    ...options,
  ];
  rmSync(path.join(folder, 'mutants.out'), { recursive: true, force: true });
  await step('try each mutant by the quick tests of the core', (heard) =>
    // It fails when a mutant survives, which is no failure here.
    run('cargo', args, { heard, env: BRIEFLY }).catch((error) => {
      if (!existsSync(path.join(folder, 'mutants.out/outcomes.json'))) throw error;
    }),
  );
  const { outcomes } = JSON.parse(readFileSync(path.join(folder, 'mutants.out/outcomes.json'), 'utf8'));
  return outcomes
    .filter((/** @type {any} */ it) => it.scenario !== 'Baseline')
    .map((/** @type {any} */ it) => ({
      name: it.scenario.Mutant.name,
      file: it.scenario.Mutant.file,
      summary: it.summary,
      diff: path.join(folder, 'mutants.out', it.diff_path),
    }));
}

const passes = (/** @type {Promise<unknown>} */ done) =>
  done.then(
    () => true,
    () => false,
  );

/** What catches a mutant that survives the quick tests; `null`: nothing. */
async function slowly(/** @type {string} */ file, /** @type {string} */ diff, /** @type {string} */ worlds) {
  const at = path.join(tree, file);
  const original = readFileSync(at);
  try {
    execFileSync('patch', ['--silent', at, diff]);
    const tests = ['test', '--manifest-path', path.join(tree, 'Cargo.toml'), '-p', 'rejoin-recovery'];
    if (!(await passes(run('cargo', tests, { env: { ...build, ...BRIEFLY }, within: 900 }))))
      return 'all tests';
    const compiled = ['build', '--manifest-path', path.join(tree, 'Cargo.toml'), '-p', 'rejoin-world'];
    await run('cargo', [...compiled, '--profile', 'simulate', '--bin', 'simulate'], {
      env: { ...build, ...QUICKLY },
    });
    const simulate = path.join(build.CARGO_TARGET_DIR, 'simulate/simulate');
    return (await passes(run(simulate, ['--seeds', worlds], { within: 900 }))) ? null : 'worlds';
  } finally {
    writeFileSync(at, original);
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      worlds: { type: 'string', default: '2000' },
      shard: { type: 'string' },
    },
  });
  await compiler();
  await mutationTools();
  const tried = await quickly(values.shard ? ['--shard', values.shard] : []);
  copyTree();
  /** @type {Result[]} */
  const results = [];
  for (const { name, file, summary, diff } of tried) {
    const by = /** @type {const} */ ({ CaughtMutant: 'tests', Unviable: 'compiler', Timeout: 'time' });
    const caughtBy =
      summary in by
        ? by[/** @type {keyof typeof by} */ (summary)]
        : await step(name, () => slowly(file, diff, values.worlds));
    results.push({ name, file, caughtBy });
  }
  writeFileSync(
    path.join(folder, values.shard ? `result-${values.shard.replace('/', '-of-')}.json` : 'result.json'),
    `${JSON.stringify(results, null, 2)}\n`,
  );
  report(results.filter(({ caughtBy }) => caughtBy !== 'compiler'));
}

function report(/** @type {Result[]} */ results) {
  const count = (/** @type {Result['caughtBy']} */ by) =>
    results.filter(({ caughtBy }) => caughtBy === by).length;
  const own = results.length - count('worlds') - count(null);
  say();
  say(
    `${results.length} mutants that compile; caught by the core's own tests: ${own}; by worlds: ${count('worlds')}.`,
  );
  for (const { name } of results.filter(({ caughtBy }) => caughtBy === 'worlds'))
    say(`  by worlds only: ${name}`);
  for (const { name } of results.filter(({ caughtBy }) => caughtBy === null)) say(`  survives: ${name}`);
}

main().catch(giveUp);
