// Where tests keep what they store: in memory, if there is enough. A server waits for the disk at every commit. On a machine with
// a slow disk the tests would take many times as long, and stories would measure that disk.

import { chmodSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { env } from './run.mjs';

/** Linux has it in memory. */
const MEMORY = '/dev/shm';
/** Bytes that have to be free: all tests together store less than a third of it at a time. */
const ENOUGH = 6 * 2 ** 30;
const PREFIX = 'rejoin-test-';

/** True if this process is not there any more. */
function hasEnded(/** @type {number} */ pid) {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'ESRCH';
  }
}

/** Free bytes there; 0 where there is no such folder. */
function free(/** @type {string} */ folder) {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return 0;
  }
}

/**
 * From now on temporary files of this program and of what it starts are in memory, and are removed when it ends. Where there is
 * too little memory, or `TMPDIR` is set, they are where they always are.
 */
export function keepInMemory() {
  if (process.env.TMPDIR || free(MEMORY) < ENOUGH) return;
  // What a run that was killed has left would stay in memory.
  for (const name of readdirSync(MEMORY).filter((name) => name.startsWith(PREFIX))) {
    if (hasEnded(Number(name.slice(PREFIX.length).split('-')[0])))
      rmSync(path.join(MEMORY, name), { recursive: true, force: true });
  }
  const folder = mkdtempSync(path.join(MEMORY, `${PREFIX}${process.pid}-`));
  // PostgreSQL runs as another user.
  chmodSync(folder, 0o755);
  process.env.TMPDIR = folder;
  env.TMPDIR = folder;
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
}
