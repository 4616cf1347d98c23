// A slow and lossy network between the browser of one agent and everybody else: what TCP makes of it, which is that each byte
// comes, in order, and some much later. The media of calls do not pass it.

import net from 'node:net';
import { Transform, pipeline } from 'node:stream';

const HOST = '127.0.0.1';

/**
 * A network, in one direction: `delayMs` until a byte is there, at most `bytesPerMs`. A part of the data, each `lost`th, is lost
 * and sent again after `againMs`, and what follows waits for it.
 * @typedef {{delayMs: number, bytesPerMs: number, lost: number, againMs: number}} Slowness
 */

/** What a mobile phone has at the edge of its cell. Flex takes longer to load than a server waits by default. @type {Slowness} */
export const EDGE_OF_THE_CELL = { delayMs: 250, bytesPerMs: 60, lost: 40, againMs: 1000 };

/** One direction of a connection. */
class Slowly extends Transform {
  /** What is under way, in order. @type {Array<{part: Buffer, at: number}>} */
  #parts = [];
  /** How many were sent. */
  #sent = 0;
  /** When the last one is sent, and when it is there. */
  #sentAt = 0;
  #thereAt = 0;
  /** Called when nothing is under way any more. @type {(() => void) | undefined} */
  #ended = undefined;

  constructor(/** @type {Slowness} */ slowness) {
    super();
    this.slowness = slowness;
  }

  /** @type {Transform['_transform']} */
  _transform(part, _, sent) {
    const { delayMs, bytesPerMs, lost, againMs } = this.slowness;
    const now = performance.now();
    this.#sent += 1;
    this.#sentAt = Math.max(now, this.#sentAt) + part.length / bytesPerMs;
    const again = this.#sent % lost ? 0 : againMs;
    this.#thereAt = Math.max(this.#thereAt, this.#sentAt + delayMs + again);
    this.#parts.push({ part, at: this.#thereAt });
    if (this.#parts.length === 1) this.#arrive();
    // The next part is taken when this one is on its way.
    setTimeout(sent, this.#sentAt - now);
  }

  /** @type {Transform['_flush']} */
  _flush(done) {
    this.#ended = done;
    if (!this.#parts.length) done();
  }

  /** Passes on what has come. One timer for all: two of the same time may fire in any order. */
  #arrive() {
    while (this.#parts.length && this.#parts[0].at <= performance.now()) this.push(this.#parts.shift()?.part);
    if (this.#parts.length)
      setTimeout(() => this.#arrive(), Math.ceil(this.#parts[0].at - performance.now()));
    else this.#ended?.();
  }
}

/**
 * Puts this network before these ports of this machine.
 * @param {number[]} ports
 * @param {Slowness} slowness
 * @returns {Promise<{args: string[], stop: () => void}>} `args`: of a Chromium that has this network. `stop` cuts it off
 */
export async function slowNetwork(ports, slowness) {
  /** @type {Set<net.Socket>} */
  const sockets = new Set();
  /** @type {net.Server[]} */
  const entrances = [];
  const rules = [];
  for (const port of ports) {
    // What the end of one direction finds still under way in the other one arrives.
    const entrance = net.createServer({ allowHalfOpen: true }, (browser) => {
      const server = net.connect({ port, host: HOST, allowHalfOpen: true });
      for (const socket of [browser, server]) {
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
      }
      const broken = (/** @type {Error | null | undefined} */ error) => {
        if (!error) return;
        browser.destroy();
        server.destroy();
      };
      pipeline(browser, new Slowly(slowness), server, broken);
      pipeline(server, new Slowly(slowness), browser, broken);
    });
    await new Promise((done, fail) => {
      entrance.once('error', fail);
      entrance.listen(0, HOST, () => done(undefined));
    });
    entrances.push(entrance);
    const to = /** @type {net.AddressInfo} */ (entrance.address()).port;
    rules.push(...['localhost', HOST].map((host) => `MAP ${host}:${port} ${HOST}:${to}`));
  }
  return {
    args: [`--host-resolver-rules=${rules.join(',')}`],
    stop() {
      for (const entrance of entrances) entrance.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
