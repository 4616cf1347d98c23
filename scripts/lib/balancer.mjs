// What stands before several servers: one address, behind which whichever of them is ready answers.

import net from 'node:net';
import { Advice } from './say.mjs';

const HOST = '127.0.0.1';
/** How often each server is asked, and how long it may take to answer (milliseconds). */
const ASKED_EVERY = 250;
const ANSWERS_WITHIN = 1000;
/** How long all servers may take until they are ready (milliseconds). */
const READY_WITHIN = 30_000;

/** A server, as the balancer sees it. */
class Backend {
  constructor(/** @type {number} */ port) {
    this.port = port;
    this.ready = false;
    /** Those who are connected to it. @type {Set<net.Socket>} */
    this.clients = new Set();
  }

  /** Asks it. Connections to a server that is not ready end: their requests would wait for nothing. */
  async ask() {
    const signal = AbortSignal.timeout(ANSWERS_WITHIN);
    this.ready = await fetch(`http://${HOST}:${this.port}/health/ready`, { signal }).then(
      ({ ok }) => ok,
      () => false,
    );
    if (!this.ready) for (const client of this.clients) client.destroy();
  }
}

/**
 * Leads each connection to the first of the servers that is ready, by `/health/ready`, as long as it is; without one it is
 * closed. Connections are led on as they are: this is no proxy of HTTP.
 * @param {number} port where it listens
 * @param {number[]} ports of the servers
 * @returns {Promise<{ready: () => Promise<void>, stop: () => Promise<void>}>} `ready` waits until all servers are, and is
 *   rejected when one is not after half a minute
 */
export async function startBalancer(port, ports) {
  const backends = ports.map((port) => new Backend(port));
  let over = false;
  /** @type {Set<net.Socket>} */
  const clients = new Set();

  /** The first of these that takes the connection. */
  function lead(/** @type {net.Socket} */ client, /** @type {Backend[]} */ [backend, ...others]) {
    if (!backend) return void client.destroy();
    const server = net.connect(backend.port, HOST);
    const refused = () => lead(client, others);
    server.once('error', refused);
    server.once('connect', () => {
      server.off('error', refused);
      if (client.destroyed) return void server.destroy();
      server.on('error', () => client.destroy());
      backend.clients.add(client);
      client.once('close', () => {
        backend.clients.delete(client);
        server.destroy();
      });
      server.once('close', () => client.destroy());
      client.pipe(server).pipe(client);
    });
  }

  const listener = net.createServer((client) => {
    clients.add(client);
    client.on('error', () => client.destroy());
    client.once('close', () => clients.delete(client));
    lead(
      client,
      backends.filter(({ ready }) => ready),
    );
  });
  await new Promise((done, fail) => {
    listener.once('error', fail);
    listener.listen(port, HOST, () => done(undefined));
  });
  const watched = backends.map(async (backend) => {
    while (!over) {
      await backend.ask();
      await new Promise((done) => setTimeout(done, ASKED_EVERY));
    }
  });
  return {
    ready: async () => {
      const end = Date.now() + READY_WITHIN;
      for (;;) {
        const late = backends.find(({ ready }) => !ready);
        if (!late) return;
        if (Date.now() > end) {
          throw new Advice(
            `The server at port ${late.port} runs, and does not become ready: its log tells why.`,
          );
        }
        await new Promise((done) => setTimeout(done, 20));
      }
    },
    stop: async () => {
      over = true;
      listener.close();
      for (const client of clients) client.destroy();
      await Promise.all(watched);
    },
  };
}
