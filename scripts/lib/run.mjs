import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Advice } from './say.mjs';
import { isStopping, onStop } from './stop.mjs';

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const tools = path.join(root, '.tools');

/**
 * Environment of everything that is run: our tools come first on the path.
 * @type {NodeJS.ProcessEnv}
 */
export const env = {
  ...process.env,
  PATH: [path.join(tools, 'bin'), path.join(root, 'node_modules/.bin'), process.env.PATH].join(
    path.delimiter,
  ),
};

/** How long what a program has left behind may hold its output open, in milliseconds, after the program itself has ended. */
const LEFT_BEHIND = 2000;

/**
 * Runs a program to its end and gives back what it printed. A failure shows all of it. A signal ends the program and
 * what it has started in turn, such as the compilers of a build: they are a process group of their own. What it leaves
 * behind, as a test does that breaks off, is killed soon after it.
 * @param {string} program
 * @param {string[]} args
 * @param {{heard?: (text: string) => void, env?: Record<string, string | undefined>, within?: number}} [options]
 *   `within`: seconds after which it is killed, and has failed
 * @returns {Promise<string>}
 */
export function run(program, args, options = {}) {
  return new Promise((done, fail) => {
    const child = spawn(program, args, {
      cwd: root,
      env: { ...env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const closed = new Promise((ended) => child.once('close', ended));
    const stop = () => {
      endGroup(child.pid, 'SIGTERM');
      return closed;
    };
    const forget = onStop(stop);
    const orphaned = () => endGroup(child.pid, 'SIGKILL');
    process.once('exit', orphaned);
    let isLate = false;
    const tooLate = () => {
      isLate = true;
      orphaned();
    };
    const late = options.within ? setTimeout(tooLate, options.within * 1000) : undefined;
    /** @type {NodeJS.Timeout | undefined} */
    let abandoned;
    child.once('exit', () => {
      abandoned = setTimeout(() => {
        orphaned();
        // What is in a process group of its own has them open even now.
        child.stdout.destroy();
        child.stderr.destroy();
      }, LEFT_BEHIND);
    });
    void closed.then(() => {
      clearTimeout(late);
      clearTimeout(abandoned);
      forget();
      process.off('exit', orphaned);
    });
    let output = '';
    const take = (/** @type {Buffer} */ bytes) => {
      output += bytes;
      options.heard?.(String(bytes));
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', (error) => fail(new Advice(`${program} could not be started: ${error.message}`)));
    child.on('close', (code, signal) => {
      // Everything is being stopped, including whatever waits for it.
      if (isStopping()) return;
      if (code === 0) return done(output);
      // Without lines that a terminal would have overwritten, such as progress.
      const lasting = output.replace(/[^\r\n]*\r(?!\n)/g, '');
      const why = isLate
        ? `was killed: it had not ended within ${options.within} s`
        : `ended with ${signal ?? code}`;
      fail(new Advice(`${lasting}\n${program} ${args.join(' ')} ${why}`));
    });
  });
}

function endGroup(/** @type {number | undefined} */ pid, /** @type {NodeJS.Signals} */ signal) {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It has already ended.
  }
}

/** The same, but `null` when it is missing or fails. */
export const tryRun = (/** @type {string} */ program, /** @type {string[]} */ args) =>
  run(program, args).catch(() => null);
