// Twin and server, or several servers on one PostgreSQL, in the process group of the caller, with new secrets for each start.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { nameServers, sendInteractions } from './account.mjs';
import { startBalancer } from './balancer.mjs';
import { newest } from './flex.mjs';
import { startPostgres } from './postgres.mjs';
import { root, run } from './run.mjs';
import { Advice } from './say.mjs';
import { isStopping, onStop } from './stop.mjs';

const sid = (/** @type {string} */ prefix, n = 1) => prefix + n.toString(16).padStart(32, '0');
const HOST = '127.0.0.1';
const PORT = 4180;
/**
 * The system may give a port from this one on to any outgoing connection: Linux from 32768, other systems from a higher one
 * (`net.ipv4.ip_local_port_range`, https://docs.kernel.org/networking/ip-sysctl.html). A program that is to listen there
 * later may find its port taken.
 */
const GIVEN_OUT = 32_768;
/** From 1024 on, the ports that no browser opens, nor Node's `fetch` (https://fetch.spec.whatwg.org/#port-blocking). */
const BLOCKED = new Set([
  ...[1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669],
  ...[6679, 6697, 10_080],
]);
/** How long a program may take to stop before it is killed (milliseconds). */
const PATIENCE = 5000;

/** This port. @returns {Promise<number>} rejected when it is taken */
const tryPort = (/** @type {number} */ port) =>
  new Promise((done, fail) => {
    const probe = net.createServer();
    probe.once('error', fail);
    probe.listen(port, HOST, () => probe.close(() => done(port)));
  });

/**
 * The first free port from the wanted one on. Nobody gets it who does not ask for it: a program that is started later, or
 * anew, finds it still free.
 */
export async function freePort(wanted = PORT) {
  for (let port = wanted < GIVEN_OUT ? wanted : PORT; port < GIVEN_OUT; port += 1) {
    const free = BLOCKED.has(port) ? undefined : await tryPort(port).catch(() => undefined);
    if (free) return free;
  }
  throw new Advice(`No port from ${wanted} to ${GIVEN_OUT - 1} is free on ${HOST}: the demo cannot listen.`);
}

/** A program whose output goes to a file, and that is up when it prints that it listens. */
class Program {
  constructor(
    /** @type {string} */ name,
    /** @type {string[]} */ args,
    /** @type {object} */ env,
    /** @type {string} */ dir,
    label = name,
  ) {
    this.name = name;
    this.args = args;
    this.env = env;
    /** Variables that it has for now, over its own. @type {Record<string, string>} */
    this.settings = {};
    this.log = path.join(dir, `${label}.log`);
    this.stopping = false;
    /** @type {import('node:child_process').ChildProcess | null} */
    this.child = null;
    /** @type {Promise<string>} */
    this.ended = Promise.resolve('never started');
    /** Called when it ends by itself. */
    this.onCrash = (/** @type {string} */ _how) => {};
  }

  start() {
    this.stopping = false;
    const { name, args, env, settings } = this;
    const level = process.env.RUST_LOG ?? 'info';
    const child = spawn(path.join(root, 'target/debug', name), args, {
      env: { ...process.env, NO_COLOR: '1', RUST_LOG: level, REJOIN_LOG: level, ...env, ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    // If this program crashes, it kills what it has started.
    const orphaned = () => child.kill('SIGKILL');
    process.once('exit', orphaned);
    const forget = onStop(() => this.stop());
    const log = createWriteStream(this.log, { flags: 'a' });
    this.ended = new Promise((done) => {
      child.once('error', (error) => done(error.message));
      child.once('close', (code, signal) => done(String(signal ?? code)));
    });
    void this.ended.then((how) => {
      process.off('exit', orphaned);
      forget();
      log.end();
      if (!this.stopping && !isStopping()) this.onCrash(how);
    });
    return new Promise((done, fail) => {
      let output = '';
      const take = (/** @type {Buffer} */ bytes) => {
        log.write(bytes);
        output += bytes;
        if (/listening on/.test(output)) done(undefined);
      };
      child.stdout?.on('data', take);
      child.stderr?.on('data', take);
      void this.ended.then((how) => {
        if (!isStopping()) fail(new Advice(`${name} ended with ${how}. It said:\n${output}`));
      });
    });
  }

  /** `SIGSTOP`: it stands still, and its connections stay. `SIGCONT`: it goes on. */
  signal(/** @type {NodeJS.Signals} */ signal) {
    this.child?.kill(signal);
  }

  /** Has these variables over its own, and no others: is started anew if it has others now. */
  async has(/** @type {Record<string, string>} */ settings) {
    if (isDeepStrictEqual(settings, this.settings)) return;
    await this.stop();
    this.settings = settings;
    await this.start();
  }

  /** Stops it, and waits until it has ended. */
  async stop(/** @type {NodeJS.Signals} */ signal = 'SIGTERM') {
    this.stopping = true;
    const { child } = this;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
    await this.ended;
    clearTimeout(late);
  }
}

/**
 * Sets the twin's account up and deploys the plugin, by the commands of an administrator. What they say is in `set-up.log`.
 * @param {string} dir where `rejoin.toml` is written
 * @param {Record<string, string>} environment
 * @param {boolean} withPlugin
 */
async function setUp(dir, environment, withPlugin) {
  const rejoin = path.join(root, 'target/debug/rejoin');
  const files = [
    '--settings',
    path.join(dir, 'rejoin.toml'),
    '--record',
    path.join(dir, 'rejoin.provision.json'),
  ];
  const commands = [['provision', '--yes', '--workflow', 'Assign to Anyone', '--conversations', ...files]];
  if (withPlugin) commands.push(['deploy', '--yes', '--bundle', path.join(root, 'build/plugin-rejoin.js')]);
  let said = '';
  for (const command of commands)
    said += await run(rejoin, command, { env: { ...environment, NO_COLOR: '1' } });
  writeFileSync(path.join(dir, 'set-up.log'), said);
}

/**
 * Starts all of it, and sets the account up.
 *
 * Several servers are on one PostgreSQL, in a temporary folder. Each has an address of its own, which desktops know; Twilio
 * knows one for all of them, behind which a balancer leads to the first that is ready. The addresses to which a page has
 * the events of its calls sent are the servers' own: what Twilio sends there is lost with the server.
 * @param {{port?: number, dir: string, latencyMs?: number, live?: boolean, extraPlugins?: string[],
 *   flex?: import('./flex.mjs').Flex, settings?: Record<string, string>, servers?: number}} options `dir` holds the
 *   database and the logs, and is emptied. A demo that is not at the usual port has a directory beside it: another one may
 *   run there. `live`: desktops load the bundle as it is built at that time, instead of the deployed one.
 *   `extraPlugins` are files of plugins that Flex loads beside ours, `settings` the servers' by their variables, `servers`
 *   their number.
 */
export async function startDemo({
  port: wanted,
  dir: usual,
  latencyMs = 80,
  live = false,
  extraPlugins = [],
  flex = newest,
  settings = {},
  servers: many = 1,
}) {
  if (wanted && BLOCKED.has(wanted)) {
    throw new Advice(`Browsers do not open port ${wanted}. Give another one: npm start -- --port N`);
  }
  const twinPort = wanted
    ? await tryPort(wanted).catch((error) => {
        const why = error.code === 'EADDRINUSE' ? 'is taken' : `cannot be used (${error.code})`;
        throw new Advice(`Port ${wanted} ${why}. Give another one: npm start -- --port N`);
      })
    : await freePort();
  /** @type {number[]} */
  const ports = [];
  while (ports.length < many) ports.push(await freePort((ports.at(-1) ?? twinPort) + 1));
  const [first, last] = [ports[0], ports[ports.length - 1]];
  const publicPort = many > 1 ? await freePort(last + 1) : first;
  const dir = twinPort === PORT ? usual : `${usual}-${twinPort}`;
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const twinUrl = `http://${HOST}:${twinPort}`;
  const serverUrl = `http://${HOST}:${publicPort}`;
  const serverUrls = ports.map((port) => `http://${HOST}:${port}`);
  const secrets = {
    TWILIO_AUTH_TOKEN: randomBytes(16).toString('hex'),
    REJOIN_OPERATOR_TOKEN: randomBytes(16).toString('hex'),
  };
  // All of it is on this machine: the user's proxy must not be used.
  const here = { NO_PROXY: '*', no_proxy: '*' };
  const account = {
    TWILIO_ACCOUNT_SID: sid('AC'),
    TWILIO_API_BASE: `${twinUrl}/__tw`,
    REJOIN_PUBLIC_URL: serverUrl,
  };
  const bundle = path.join(root, 'build/plugin-rejoin.js');
  const twin = new Program(
    'rejoin-twin',
    [
      // Setting the account up takes dozens of requests: latency begins after it.
      ...['--listen', `${HOST}:${twinPort}`, '--server-url', serverUrl, '--latency-ms', '0'],
      ...['--bare', '--flex-host', flex.folder, ...(live ? ['--plugin', bundle] : [])],
      ...extraPlugins.flatMap((file) => ['--extra-plugin', file]),
    ],
    { ...secrets, ...here },
    dir,
  );
  const postgres = many > 1 ? await startPostgres() : undefined;
  const balancer = many > 1 ? await startBalancer(publicPort, ports) : undefined;
  const servers = ports.map(
    (port, at) =>
      new Program(
        'rejoin',
        ['serve', '--config', path.join(dir, 'rejoin.toml')],
        {
          ...secrets,
          ...here,
          ...account,
          // As short as it can be, so that nobody waits a minute to see it.
          REJOIN_CONVERSATION_GOODBYE_MS: '15000',
          REJOIN_CONVERSATION_PUSH_CLOSED_MS: '15000',
          REJOIN_CONVERSATION_POLLING_STOPPED_MS: '15000',
          // The twin's workflow for outbound calls matches no agent.
          REJOIN_OUTBOUND_WORKFLOW_SID: sid('WW'),
          REJOIN_LISTEN: `${HOST}:${port}`,
          // Two agents in one browser need two origins, because Flex keeps its token in localStorage.
          REJOIN_ALLOWED_ORIGINS: `${twinUrl},http://localhost:${twinPort}`,
          DATABASE_URL: postgres?.url ?? `sqlite:${path.join(dir, 'rejoin.sqlite')}`,
          ...(many > 1 && { REJOIN_OTHER_PUBLIC_URLS: serverUrls.join(',') }),
          ...settings,
        },
        dir,
        at ? `rejoin-${at + 1}` : 'rejoin',
      ),
  );
  const [server] = servers;
  await twin.start();
  await setUp(dir, { ...secrets, ...here, ...account }, !live);
  const headers = { 'Content-Type': 'application/json' };
  const set = await fetch(`${twinUrl}/__twin/latency`, { method: 'POST', headers, body: String(latencyMs) });
  if (!set.ok) throw new Advice(`The twin does not take its latency: ${await set.text()}`);
  const credentials = { ...account, ...secrets };
  if (many > 1) await nameServers(twinUrl, credentials, serverUrls);
  await sendInteractions(twinUrl, credentials, serverUrl);
  // One after another: the first makes the tables.
  for (const server of servers) await server.start();
  await balancer?.ready();
  return {
    twin,
    /** The first one. */
    server,
    servers,
    /** Where the logs are. */
    dir,
    twinUrl,
    /** Where Twilio finds them. */
    serverUrl,
    /** The servers' own addresses, in the order in which desktops know them. */
    serverUrls,
    /** The page to open: two agents need two origins, and Ada's is this one. */
    pageUrl: `http://localhost:${twinPort}/`,
    auth: { accountSid: sid('AC'), workspaceSid: sid('WS'), ...secrets },
    stop: async () => {
      await Promise.all([...servers, twin].map((program) => program.stop()));
      await balancer?.stop();
      await postgres?.stop();
    },
  };
}
