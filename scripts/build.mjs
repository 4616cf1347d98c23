// `npm run build`: installs what is missing and builds the plugin. `--force` builds it even if nothing has changed.

import { run } from './lib/run.mjs';
import { giveUp, say, step } from './lib/say.mjs';
import { setup } from './lib/setup.mjs';

async function main() {
  await setup();
  const args = ['scripts/build-plugin.mjs', ...process.argv.slice(2)];
  say((await step('build the plugin', (heard) => run('node', args, { heard }))).trimEnd());
}

main().catch(giveUp);
