// Simulates the whole system by seed: npm run simulate -- --seeds 10000. docs/simulation.md says more.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { root, run } from './lib/run.mjs';
import { giveUp, step } from './lib/say.mjs';

/** From this number of worlds on an optimised build pays off, which takes ten minutes the first time. */
const MANY = 5_000;

/** The value of an option, written with a blank or with an equals sign. */
function value(args, name) {
  const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
  return at < 0 ? undefined : (args[at].split('=')[1] ?? args[at + 1]);
}

async function main() {
  const args = process.argv.slice(2);
  const isMany = Number(value(args, '--seeds') ?? 0) >= MANY || value(args, '--minutes') !== undefined;
  // A few are played as the tests build it, so that nothing is compiled twice: without the examples, the dependencies would
  // get other features.
  const [what, command, folder] = isMany
    ? [
        'build the simulation, optimised',
        ['-p', 'rejoin-world', '--profile', 'simulate', '--bins'],
        'simulate',
      ]
    : ['build the simulation', ['--workspace', '--bins', '--examples'], 'debug'];
  await step(what, (heard) => run('cargo', ['build', ...command], { heard }));
  const worlds = spawn(path.join(root, 'target', folder, 'simulate'), args, { stdio: 'inherit' });
  worlds.on('exit', (code) => process.exit(code ?? 2));
}

main().catch(giveUp);
