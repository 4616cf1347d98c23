// Simulates the whole system by seed: npm run simulate -- --seeds 10000. docs/simulation.md says more.
import { spawn } from 'node:child_process';

const args = [
  'run',
  '--quiet',
  '--profile',
  'simulate',
  '--package',
  'rejoin-world',
  '--bin',
  'simulate',
  '--',
];
const run = spawn('cargo', [...args, ...process.argv.slice(2)], { stdio: 'inherit' });
run.on('error', (error) => {
  console.error(`cargo could not be started: ${error.message}`);
  process.exitCode = 2;
});
run.on('exit', (code) => (process.exitCode = code ?? 2));
