// Duration of a recovery, from the logs of the twin and the server: both run on this machine and share its clock.

import { Story } from '../e2e/story.mjs';
import { desktop, watchPage } from './page.mjs';

/** One way, between server and Twilio: what the twin is started with. */
export const LATENCY = 80;

/** @typedef {{figures: Record<string, number>, which: string[]}} Recovered ms and numbers; the requests in their order */

/** Lines of the twin's log. @returns {Promise<Array<{at: number, text: string}>>} */
const lines = async (/** @type {Story} */ story) =>
  (await story.twilio.log()).map((line) => {
    const [at, ...text] = line.split(' ');
    return { at: Number(at), text: text.join(' ') };
  });

/** `POST Tasks/{sid}`, of a request with all that stands before and after it. */
const short = (/** @type {string} */ text) =>
  text
    .replace(/ is (answered|refused).*/, '')
    .replace(/^(\w+) .*\/(?:AC|WS)[0-9a-f]{32}\//, '$1 ')
    .replace(/\.json$|\?.*/, '')
    .replace(/\/[A-Z]{2}[0-9a-f]{32}/g, '');

/**
 * A customer calls, Ada refreshes the page, the call comes back.
 * @param {{demo: import('../e2e/people.mjs').Demo, browsers: import('../e2e/browsers.mjs').Browsers, folder: string}} where
 * @param {boolean} inPlace true when the old leg still stands; otherwise it ends with the page
 * @returns {Promise<Recovered>}
 */
export async function recover({ demo, browsers, folder }, inPlace) {
  const story = new Story('Benchmark', demo, browsers, folder);
  try {
    const ada = await story.agent('ada');
    await ada.page.addInitScript(watchPage);
    const dialled = Date.now();
    const customer = await story.customer();
    await ada.accepts();
    await customer.notes('connected');
    const [{ taskSid }] = await ada.tasks();
    await story.twilio.becomes('everybody joined', () => story.twilio.conference(taskSid));
    await story.twilio.assume({ dtlsCloseEndsLeg: !inPlace });

    const refreshed = Date.now();
    await ada.refreshes();
    const ended = await customer.notes('ended', { within: 60_000 });
    if (ended.note.outcome !== 'rejoined') throw new Error(`the recovery ended with ${ended.note.outcome}`);
    await ada.ready();

    const log = (await lines(story)).filter(({ at }) => at >= refreshed);
    const first = (/** @type {RegExp} */ what) => {
      const line = log.find(({ text }) => what.test(text));
      if (!line) throw new Error(`not in the twin's log: ${what}`);
      return line.at;
    };
    const agentLeg = (/** @type {string} */ text) =>
      / joins CF/.test(text) && !text.startsWith(customer.call);
    const joined = log.findLast(({ at, text }) => agentLeg(text) && at <= ended.at);
    if (!joined) throw new Error('the agent never joined again');
    const { ready, dialog, flex } = await desktop(ada);
    /** @type {Record<string, number>} */
    const figures = { back: joined.at - refreshed, ready, dialog, flex };
    if (!inPlace) {
      const left = first(/ leaves CF.*participant_hung_up/);
      figures.announcing =
        first(/^POST .*\/Conferences\/CF[0-9a-f]{32}(\/Participants\/CA[0-9a-f]{32})?(\.json)? is/) -
        left -
        2 * LATENCY;
      const back = await customer.notes('agent-back');
      figures.queued = first(new RegExp(`^${customer.call} waits in the queue`)) - back.at;
    }
    await ada.hangsUp();
    await story.twilio.becomes('the end', async () => !(await customer.heard()).live);
    const asked = (await lines(story)).filter(
      ({ at, text }) => at >= dialled && / is (answered|refused)/.test(text),
    );
    figures.tokens = asked.filter(({ text }) => /Tokens/i.test(text)).length;
    figures.requests = asked.length - figures.tokens;
    const which = asked.filter(({ text }) => !/Tokens/i.test(text)).map(({ text }) => short(text));
    return { figures, which };
  } catch (error) {
    await story.keepEvidence(error);
    throw error;
  } finally {
    await story.end();
  }
}
