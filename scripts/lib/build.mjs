import { existsSync } from 'node:fs';
import path from 'node:path';
import { root, run } from './run.mjs';
import { step } from './say.mjs';

/**
 * All of the workspace, with examples: so the dependencies get the features that `cargo test --workspace` asks for, and are
 * compiled once for both.
 */
const AS_TESTED = ['--workspace', '--bins', '--examples'];

/**
 * What the demo needs, without optimisation: it takes less than half the time to compile, and a few calls at a time do not
 * notice.
 */
const FOR_DEMO = ['--bins', '-p', 'rejoin-server', '-p', 'rejoin-twin'].concat(
  ['"*"', ...['conversations', 'protocol', 'recovery', 'twilio', 'twin'].map((name) => `rejoin-${name}`)]
    .map((name) => `package.${name}.opt-level=0`)
    .concat('debug=0')
    .flatMap((setting) => ['--config', `profile.dev.${setting}`]),
);

/** True once this workspace has been compiled for tests: only they need this program. */
const isTested = () => existsSync(path.join(root, 'target/debug/simulate'));

/** Progress as cargo shows it in a terminal: the number of compiled crates. */
const COUNTED = { CARGO_TERM_PROGRESS_WHEN: 'always', CARGO_TERM_PROGRESS_WIDTH: '80' };

/**
 * Builds everything that the demo runs: the programs, the plugin's bundle, the Flex UI as one script.
 * @param {{tools?: Promise<unknown>, packages?: Promise<unknown>, demo?: boolean}} options `tools`, `packages`: their
 *   installation, which cargo does not wait for; `demo`: nothing but the demo is needed
 */
export async function build({ tools, packages, demo = false } = {}) {
  const what = demo && !isTested() ? FOR_DEMO : AS_TESTED;
  // Linking, wasm-opt and webpack use one processor each, so they run in parallel.
  await Promise.all([
    step('build server and twin', (heard) => run('cargo', ['build', ...what], { heard, env: COUNTED })),
    Promise.all([tools, packages]).then(() =>
      step('build the plugin', (heard) => run('node', ['scripts/build-plugin.mjs'], { heard })),
    ),
    Promise.resolve(packages).then(() =>
      step('bundle the Flex UI', (heard) => run('node', ['scripts/flex-host.mjs'], { heard })),
    ),
  ]);
}
