// Awaitable server-sent events: earlier ones count, too.

export class Stream {
  constructor(/** @type {string} */ url) {
    this.url = url;
    /** @type {any[]} */
    this.said = [];
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    this.stop = new AbortController();
    this.reading = this.read().catch((error) => {
      if (!this.stop.signal.aborted) this.broken = error;
      for (const listener of this.listeners) listener();
    });
  }

  async read() {
    // The server may be killed on purpose: the stream is then reopened, and repeated events are deduplicated.
    while (!this.stop.signal.aborted) {
      const response = await fetch(this.url, { signal: this.stop.signal }).catch(() => null);
      if (response?.ok && response.body) await this.take(response.body).catch(() => {});
      await new Promise((done) => setTimeout(done, 100));
    }
  }

  async take(/** @type {ReadableStream<BufferSource>} */ body) {
    let text = '';
    let index = 0;
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
        const data = /^data: ?(.*)$/m.exec(text.slice(0, end))?.[1];
        if (data === undefined) continue;
        if (index++ < this.said.length) continue;
        this.said.push(JSON.parse(data));
        for (const listener of this.listeners) listener();
      }
    }
  }

  /**
   * The first thing said, from `from` on, that fits.
   * @param {string} what for the message when it does not come
   * @param {(said: any) => boolean} fits
   * @param {{within?: number, from?: number}} [options]
   * @returns {Promise<any>}
   */
  until(what, fits, { within = 40_000, from = 0 } = {}) {
    return new Promise((done, fail) => {
      const look = () => {
        const found = this.said.slice(from).find(fits);
        if (found === undefined && !this.broken) return;
        this.listeners.delete(look);
        clearTimeout(late);
        if (found === undefined) fail(this.broken);
        else done(found);
      };
      const late = setTimeout(() => {
        this.listeners.delete(look);
        const last = this.said.slice(-12).map((said) => JSON.stringify(said));
        fail(new Error(`no ${what} within ${within / 1000} s. Last said:\n  ${last.join('\n  ')}`));
      }, within);
      this.listeners.add(look);
      look();
    });
  }

  close() {
    this.stop.abort();
  }
}
