import { run } from './run.mjs';
import { step } from './say.mjs';

/** Everything that the demo runs: the programs, the plugin's bundle, the Flex UI as one script. */
export async function build() {
  // Linking and wasm-opt use one processor each, so they run in parallel.
  await Promise.all([
    step('build the plugin', (heard) => run('node', ['scripts/build-plugin.mjs'], { heard })),
    step('bundle the Flex UI', (heard) => run('node', ['scripts/flex-host.mjs'], { heard })),
    // All of the workspace, and with examples: so the dependencies get the features that `cargo test --workspace` asks for,
    // and are compiled once for both.
    step('build server and twin', (heard) =>
      run('cargo', ['build', '--workspace', '--bins', '--examples'], { heard }),
    ),
  ]);
}
