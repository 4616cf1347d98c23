// The server's question over the signalling of a call, with the real Flex and its Voice SDK.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { endsAsEver, talk } from './steps.mjs';

/** @typedef {import('./story.mjs').Story} Story */

/** Where Twilio posts the messages of the page. */
async function listener() {
  /** @type {string[]} */
  const heard = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    heard.push(JSON.parse(body).Content);
    response.writeHead(204).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { heard, url: `http://127.0.0.1:${port}/messages`, close: () => server.close() };
}

export const questionOverTheCall = {
  title: 'Asked over the signalling of its call, the page answers there and registers the call again',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    /** @type {any[]} */
    const registrations = [];
    ada.page.on('request', (request) => {
      if (request.method() === 'POST' && request.url().endsWith('/v1/calls'))
        registrations.push(request.postDataJSON());
    });
    const customer = await story.step('a customer calls', () => story.customer());
    const task = await talk(story, ada, customer);
    const { timeline } = customer.mark();
    const { participants } = await story.twilio.conference(task.taskSid);
    const { callSid } = participants.find((/** @type {any} */ it) => it.kind === 'agent' && it.joined);
    assert.deepEqual(
      registrations.map(({ workerLeg, answersMessages }) => ({ workerLeg, answersMessages })),
      [{ workerLeg: callSid, answersMessages: true }],
      'the page registers once, and says that it answers',
    );
    const { heard, url, close } = await listener();
    try {
      await story.step('somebody subscribes to the messages of the leg', () =>
        story.twilio.subscribes(callSid, url),
      );
      await story.step('another plugin listens, too', () =>
        ada.page.evaluate(`window.theirs = [];
          Twilio.Flex.Manager.getInstance().store.getState().flex.phone.activeCall
            .on('messageReceived', ({ content }) => theirs.push(content));`),
      );
      await story.step('a message of others, a question, and the same question again', async () => {
        for (const content of [{ theirs: 1 }, { rejoinAsks: 'q1' }, { rejoinAsks: 'q1' }])
          await story.twilio.sends(callSid, content);
      });
      await story.step('two answers arrive', () =>
        story.twilio.becomes('answered', async () => heard.length >= 2),
      );
      await story.step('the call is registered again', () =>
        story.twilio.becomes('registered', async () => registrations.length >= 2),
      );
      assert.deepEqual(heard, Array(2).fill('{"rejoinAnswers":"q1"}'), 'one answer for each question');
      const own = registrations.every(({ workerLeg }) => workerLeg === callSid);
      assert.ok(own, 'the same leg, again');
      assert.equal(await ada.page.evaluate('theirs.length'), 3, 'the other plugin hears everything');
      assert.equal(await ada.dialog().count(), 0, 'no dialog');
    } finally {
      close();
    }
    await story.step('Ada hangs up', () => ada.hangsUp());
    await endsAsEver(story, ada, customer, task, timeline);
  },
};
