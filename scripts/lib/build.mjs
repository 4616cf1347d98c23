import { run } from './run.mjs';
import { step } from './say.mjs';

/** Everything that the demo runs: the programs, the plugin's bundle, the Flex UI as one script. */
export async function build() {
  await step('build the plugin', (heard) => run('node', ['scripts/build-plugin.mjs'], { heard }));
  await step('bundle the Flex UI', (heard) => run('node', ['scripts/flex-host.mjs'], { heard }));
  await step('build server and twin', (heard) =>
    run('cargo', ['build', '-p', 'rejoin-server', '-p', 'rejoin-twin'], { heard }),
  );
}
