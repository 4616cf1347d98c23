// Outside phones that Twilio dials: the customer of an outbound call, and third parties.

import { Customer } from './people.mjs';

/** @typedef {import('./story.mjs').Story} Story */
/** @typedef {import('./people.mjs').Agent} Agent */

/** Tones that identify people; the twin's phones send the first one by default. */
export const TONE = { agent: 400, customer: 660, third: 880 };
/** Numbers reserved for fiction. */
export const NUMBER = { customer: '+15550100002', third: '+15550100003', deskPhone: '+15550100009' };

export class Phone {
  constructor(/** @type {Story} */ story, /** @type {string} */ number) {
    this.story = story;
    this.number = number;
    this.url = `${story.twilio.url}/__twin/phones/${encodeURIComponent(number)}`;
  }

  /** @param {{answers?: 'answers' | 'rings' | 'busy', hz?: number}} manner */
  async takesCalls(manner) {
    const response = await fetch(this.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(manner),
    });
    if (!response.ok) throw new Error(`the phone is not known: ${response.status}`);
    return this;
  }

  /** Who is at this phone, from the moment that it was dialled. @returns {Promise<Customer>} */
  async person() {
    const { call } = await this.story.twilio.becomes('a phone outside rings', () => this.talk());
    const person = new Customer(this.story.demo, call, Date.now());
    this.story.customers.push(person);
    return person;
  }

  /** Somebody picks it up. */
  async answers() {
    const response = await fetch(`${this.url}/answer`, { method: 'POST' });
    if (!response.ok) throw new Error(`the phone does not ring: ${response.status}`);
  }

  /** The call for which it rings, or that is being talked on. @returns {Promise<{call: string} | undefined>} */
  async talk() {
    const response = await fetch(this.url);
    const last = response.ok ? await response.json() : undefined;
    return last?.live ? last : undefined;
  }
}

/** Flex's own action, of the agent's page. */
export const invoke = (
  /** @type {Agent} */ agent,
  /** @type {string} */ action,
  /** @type {object} */ payload,
) =>
  agent.page.evaluate(
    async ([action, payload, reservation]) => {
      const { Flex } = /** @type {any} */ (window).Twilio;
      const task = reservation && Flex.TaskHelper.getTaskByTaskSid(reservation);
      await Flex.Actions.invokeAction(action, task ? { ...payload, task } : payload);
    },
    /** @type {[string, any, string | undefined]} */ ([
      action,
      Object.fromEntries(Object.entries(payload).filter(([key]) => key !== 'reservation')),
      /** @type {any} */ (payload).reservation,
    ]),
  );

/** Waits until all of these tones are to be heard at once, and nothing else that speaks. */
export async function hears(
  /** @type {Customer} */ person,
  /** @type {number[]} */ tones,
  /** @type {number[]} */ not = [],
) {
  const near = (/** @type {number[]} */ heard, /** @type {number} */ hz) =>
    heard.some((tone) => Math.abs(tone - hz) <= 20);
  /** @type {number[]} */
  let last = [];
  for (const end = Date.now() + 10_000; Date.now() < end; ) {
    last = (await person.heard()).tones;
    if (tones.every((hz) => near(last, hz)) && !not.some((hz) => near(last, hz))) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`should hear ${tones}${not.length ? `, not ${not}` : ''} Hz, and hears ${last}`);
}

/** Waits until the agent's browser plays all of these tones at once. */
export async function agentHears(/** @type {Agent} */ agent, /** @type {number[]} */ tones) {
  const levels = await agent.page.evaluate(async (tones) => {
    const { Flex } = /** @type {any} */ (window).Twilio;
    const stream = Flex.StateHelper.getCurrentPhoneCallState().getRemoteStream();
    const audio = new AudioContext();
    const analyser = audio.createAnalyser();
    analyser.fftSize = 8192;
    analyser.smoothingTimeConstant = 0;
    audio.createMediaStreamSource(stream).connect(analyser);
    const bins = new Float32Array(analyser.frequencyBinCount);
    const width = audio.sampleRate / analyser.fftSize;
    // Each tone on its own, whenever it comes, up to a time limit.
    const best = tones.map(() => -Infinity);
    const until = audio.currentTime + 10;
    do {
      await new Promise((done) => requestAnimationFrame(done));
      analyser.getFloatFrequencyData(bins);
      tones.forEach((hz, i) => {
        const bin = Math.round(hz / width);
        best[i] = Math.max(best[i], ...bins.slice(bin - 3, bin + 4));
      });
    } while (best.some((level) => !(level > -45)) && audio.currentTime < until);
    await audio.close();
    return best;
  }, tones);
  if (levels.some((level) => !(level > -45))) {
    throw new Error(`${agent.name} should hear ${tones} Hz, and hears them at ${levels.map(Math.round)} dB`);
  }
}
