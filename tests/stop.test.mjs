// However `npm start` is stopped, no process of it is left.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = new URL('..', import.meta.url);

/** A port that was free a moment ago. */
async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = /** @type {net.AddressInfo} */ (probe.address());
  probe.close();
  await once(probe, 'close');
  return port;
}

/** True when the process group is empty. Processes that are not our children do not report their end, so poll briefly. */
async function gone(/** @type {number} */ group) {
  for (const end = Date.now() + 2000; Date.now() < end; ) {
    try {
      process.kill(-group, 0);
    } catch {
      return true;
    }
    await new Promise((done) => setTimeout(done, 20));
  }
  return false;
}

/** Ways to stop it: who gets which signal. npm passes SIGINT and SIGTERM on to its script. */
const ways = /** @type {const} */ ([
  ['Ctrl-C, which the whole process group gets', 'SIGINT', true],
  ['a closed terminal', 'SIGHUP', true],
  ['SIGTERM to npm alone', 'SIGTERM', false],
]);

for (const [title, signal, group] of ways) {
  test(title, { timeout: 120_000 }, async () => {
    const port = await freePort();
    const npm = spawn('npm', ['start', '--', '--port', String(port)], {
      cwd: fileURLToPath(root),
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    const pid = /** @type {number} */ (npm.pid);
    const closed = once(npm, 'close');
    try {
      let said = '';
      npm.stdout.setEncoding('utf8').on('data', (text) => (said += text));
      while (!said.includes('Ctrl-C stops everything')) {
        await Promise.race([
          once(npm.stdout, 'data'),
          closed.then(() => assert.fail(`it ended early:\n${said}`)),
        ]);
      }
      const urls = /Twin +(\S+) +Server +(\S+)/.exec(said)?.slice(1) ?? [];
      assert.equal(urls.length, 2, said);
      for (const url of urls) assert.ok((await fetch(url)).status < 500, `${url} answers`);

      process.kill(group ? -pid : pid, signal);
      const [code] = await closed;
      if (signal !== 'SIGHUP') assert.equal(code, 0, 'npm dies of SIGHUP, and of nothing else');
      for (const url of urls) await assert.rejects(fetch(url), `${url} still answers`);
      assert.ok(await gone(pid), 'no process of the group is left');
      assert.match(said, /Stopped\.\s*$/);
    } finally {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        // As it should be: the group is empty.
      }
      rmSync(new URL(`target/demo-${port}`, root), { recursive: true, force: true });
    }
  });
}
