// Simulates the whole system by seed: npm run simulate -- --seeds 10000. docs/simulation.md says more.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { root, run } from './lib/run.mjs';
import { giveUp, step } from './lib/say.mjs';

async function main() {
  // As the tests build it, so that nothing is compiled twice: an optimised build takes ten minutes first.
  await step('build the simulation', (heard) =>
    run('cargo', ['build', '--workspace', '--bin', 'simulate'], { heard }),
  );
  const worlds = spawn(path.join(root, 'target/debug/simulate'), process.argv.slice(2), { stdio: 'inherit' });
  worlds.on('exit', (code) => process.exit(code ?? 2));
}

main().catch(giveUp);
