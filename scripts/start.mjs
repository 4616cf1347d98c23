// The demo: the real Flex UI on the twin, with recoveries visible in a browser. `--check` runs it by itself.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { asked } from './lib/asked.mjs';
import { build } from './lib/build.mjs';
import { startDemo } from './lib/demo.mjs';
import { root } from './lib/run.mjs';
import { Advice, giveUp, say, sinceStart } from './lib/say.mjs';
import { chromium, compiler, nodePackages, wasmTools } from './lib/setup.mjs';
import { signalIsTheEnd } from './lib/stop.mjs';

const usage = `npm start -- [--port N] [--live] [--check]
  --port N   port of the page to open (default 4180, or the next free one); the server takes the next free port
  --live     desktops load build/plugin-rejoin.js as it is at that time, instead of what was deployed at the start
  --check    play the demo through by itself in headless Chromium, say what held, and end`;

const options = /** @type {const} */ ({
  port: { type: 'string' },
  live: { type: 'boolean' },
  check: { type: 'boolean' },
  help: { type: 'boolean' },
});

async function main() {
  const values = asked(options, 'npm start', usage);
  if (values.help) return say(usage);
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65536)) {
    throw new Advice(`--port ${values.port}: a port is a number from 1 to 65535.\n${usage}`);
  }

  if (!existsSync(path.join(root, 'target/debug/rejoin'))) {
    say(
      'The first start downloads 1 GB and compiles tools, server and twin: some 5 minutes on two processors.',
    );
  }
  await compiler();
  const browser = values.check ? await chromium() : '';
  await build({ tools: wasmTools(), packages: nodePackages(), demo: true });
  const demo = await startDemo({ port, live: Boolean(values.live), dir: path.join(root, 'target/demo') });

  if (values.check) {
    say(`✓ started after ${sinceStart()}; checking it in Chromium`);
    say();
    const { check } = await import('../tests/e2e/check.mjs');
    const held = await check({ demo, browser, artefacts: path.join(root, 'target/e2e') });
    await demo.stop();
    process.exit(held ? 0 : 1);
  }

  say(`
Rejoin is up after ${sinceStart()}. Open ${demo.pageUrl}

  1. Agent Ada        opens the Flex desktop, signed in. Allow the microphone.
  2. Customer phone   press Call. Then, in Ada's tab, accept the call.
  3. Refresh Ada's tab (F5). Watch the customer phone: what it hears, and what the server does.
     Or close Ada's tab, with Agent Bo open: after 15 s the call reaches Bo.
  4. Customer chat    write a message, accept it in Ada's tab, and close that tab: the chat goes to Bo.
  5. Console          shows the calls as operators and supervisors see them, live.

  Twin    ${demo.twinUrl}    Server  ${demo.serverUrl}
  Logs    ${path.relative(root, demo.dir)}    Ctrl-C stops everything.
`);
  signalIsTheEnd();

  const trouble = await new Promise((broken) => {
    for (const program of [demo.twin, demo.server]) {
      program.onCrash = (how) => broken(`${program.log} tells why: it ended with ${how}.`);
    }
  });
  await demo.stop();
  throw new Advice(`The demo broke off. ${trouble}`);
}

main().catch(giveUp);
