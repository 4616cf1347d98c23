// A Firefox for stories, and a sound device for it: without one its AudioContext stands still, and nothing can be measured.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run, tryRun } from './run.mjs';
import { Advice } from './say.mjs';
import { install } from './setup.mjs';
import { onStop } from './stop.mjs';

/** @typedef {{executablePath: string, env: Record<string, string>}} Firefox what it is started with */

/** @returns {Promise<string>} path of the browser */
async function installed() {
  const { FIREFOX } = process.env;
  if (FIREFOX && !existsSync(FIREFOX)) throw new Advice(`FIREFOX is ${FIREFOX}, and nothing is there.`);
  const found = () =>
    [FIREFOX, '/usr/bin/firefox-esr', '/usr/bin/firefox'].find(
      (candidate) => candidate && existsSync(candidate),
    );
  const packages = [];
  if (!found()) packages.push('firefox-esr');
  if (!(await tryRun('pulseaudio', ['--version']))) packages.push('pulseaudio');
  if (packages.length) {
    const advice =
      `${packages.join(' and ')} missing. On Debian: sudo apt-get install ${packages.join(' ')}\n` +
      'A Firefox elsewhere is taken from the environment variable FIREFOX.';
    await install('Firefox and PulseAudio', packages, advice);
  }
  const browser = found();
  if (!browser) {
    throw new Advice('Firefox was installed but is not at /usr/bin/firefox-esr. Set FIREFOX to its path.');
  }
  return browser;
}

/**
 * Calls `play` with a Firefox that has a sound device of its own, which plays to nobody.
 * @template T
 * @param {(firefox: Firefox) => Promise<T>} play
 * @returns {Promise<T>}
 */
export async function withFirefox(play) {
  const executablePath = await installed();
  const folder = mkdtempSync(path.join(tmpdir(), 'rejoin-sound-'));
  // PulseAudio's socket, state and settings are there, and Firefox looks for the socket there.
  const own = { XDG_RUNTIME_DIR: folder, XDG_CONFIG_HOME: folder };
  const modules = ['-L', 'module-native-protocol-unix', '-L', 'module-null-sink'];
  // It has started when this returns.
  await run('pulseaudio', ['-n', '--daemonize=yes', '--exit-idle-time=-1', ...modules], { env: own });
  const end = () => {
    process.kill(Number(readFileSync(path.join(folder, 'pulse/pid'), 'utf8')));
    rmSync(folder, { recursive: true, force: true });
  };
  const ended = onStop(end);
  try {
    const env = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== undefined));
    return await play({ executablePath, env: { .../** @type {Record<string, string>} */ (env), ...own } });
  } finally {
    ended();
    end();
  }
}
