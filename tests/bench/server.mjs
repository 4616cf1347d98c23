// Figures of the server: built as for installation, and measured by `rejoin-load`.

import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { env, root, run } from '../../scripts/lib/run.mjs';
import { Advice, step } from '../../scripts/lib/say.mjs';
import { onStop } from '../../scripts/lib/stop.mjs';
import { postgres } from '../../scripts/lib/setup.mjs';

/** @typedef {{what: string, unit: string, values: number[], note: string}} Figure */

/**
 * @param {string[]} more options of `rejoin-load`
 * @returns {Promise<Figure[]>}
 */
export async function server(more) {
  await postgres();
  await step('build the server as it is installed (some minutes)', (heard) =>
    run('cargo', ['build', '--profile', 'dist', '-p', 'rejoin-server', '-p', 'rejoin-load', '--bins'], {
      heard,
    }),
  );
  return step('measure the server (some minutes)', (heard) => measure(more, heard));
}

/** @returns {Promise<Figure[]>} */
function measure(/** @type {string[]} */ more, /** @type {(text: string) => void} */ heard) {
  const program = (/** @type {string} */ name) => path.join(root, 'target/dist', name);
  return new Promise((done, fail) => {
    // Durable writes must be durable here: tests do without.
    const child = spawn(program('rejoin-load'), [program('rejoin'), ...more], {
      env: { ...env, FSYNC: 'on' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const closed = new Promise((ended) => child.once('close', ended));
    const forget = onStop(() => {
      child.kill();
      return closed;
    });
    /** @type {Figure[]} */
    const figures = [];
    let errors = '';
    child.stderr.on('data', (bytes) => (errors += bytes));
    createInterface({ input: child.stdout }).on('line', (line) => {
      figures.push(JSON.parse(line));
      heard(`${figures.at(-1)?.what}\n`);
    });
    child.on('error', (error) => fail(new Advice(`rejoin-load could not be started: ${error.message}`)));
    child.on('close', (code) => {
      forget();
      if (code === 0) done(figures);
      else fail(new Advice(`rejoin-load ended with ${code}\n${errors}`));
    });
  });
}
