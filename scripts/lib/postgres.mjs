// A PostgreSQL of its own, in a temporary folder, for as long as this program runs.

import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Advice } from './say.mjs';

const DEBIAN = '/usr/lib/postgresql';
const SCRIPT = fileURLToPath(new URL('postgres.sh', import.meta.url));

/** The folder of PostgreSQL's programs: in the path, or where Debian puts them, the highest version first. */
export function postgresPrograms() {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  return [
    ...(process.env.PATH ?? '').split(path.delimiter),
    ...versions.map((version) => path.join(DEBIAN, version, 'bin')),
  ].find((folder) =>
    ['initdb', 'pg_basebackup', 'postgres'].every((program) => existsSync(path.join(folder, program))),
  );
}

/** Debian's user for it, by id. A socket needs no other. */
function owner() {
  for (const user of ['postgres', 'nobody']) {
    try {
      return Number(execFileSync('id', ['-u', user], { stdio: ['ignore', 'pipe', 'ignore'] }));
    } catch {
      // There is no such user.
    }
  }
  return 65534;
}

/**
 * Starts it. It ends with this program, however that ends: it runs until its input does.
 * @returns {Promise<{url: string, stop: () => Promise<void>}>} `url` as in `DATABASE_URL`, of an empty database
 */
export async function startPostgres() {
  const BIN = postgresPrograms();
  if (!BIN) throw new Advice('PostgreSQL is missing. On Debian: sudo apt-get install postgresql');
  const folder = mkdtempSync(path.join(os.tmpdir(), 'pg'));
  const OWNER = owner();
  if (process.getuid?.() === 0) chownSync(folder, OWNER, OWNER);
  const guard = spawn('sh', [SCRIPT], {
    env: { ...process.env, BIN, FOLDER: folder, OWNER: String(OWNER) },
    stdio: ['pipe', 'ignore', 'pipe'],
    // Ctrl-C stops the servers first.
    detached: true,
  });
  /** @type {Promise<void>} */
  const ended = new Promise((done) => guard.once('close', () => done()));
  await new Promise((done, fail) => {
    let log = '';
    guard.once('error', fail);
    guard.stderr.on('data', (/** @type {Buffer} */ bytes) => {
      // Read to its end: a full pipe would stop PostgreSQL where it stands.
      if (log.includes('ready to accept')) return;
      log += bytes;
      if (log.includes('ready to accept')) done(undefined);
    });
    void ended.then(() => fail(new Advice(`PostgreSQL did not start. It said:\n${log}`)));
  });
  return {
    url: `postgres://rejoin@localhost/postgres?host=${folder}&sslmode=disable`,
    stop: () => {
      guard.stdin.end();
      return ended;
    },
  };
}
