// Twilio's official helper library works with the twin as with Twilio; and its signatures agree with those of our
// server and the twin.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import twilio from 'twilio';
import { startDemo } from '../../scripts/lib/demo.mjs';
import { root } from '../../scripts/lib/run.mjs';

/** @type {Awaited<ReturnType<typeof startDemo>>} */
let demo;
/** @type {import('twilio').Twilio} */
let client;

/** Sends the library's requests for Twilio's hosts to the twin; nothing else is changed. */
class TwinClient extends twilio.RequestClient {
  request(/** @type {any} */ options) {
    return super.request({ ...options, uri: options.uri.replace(/^https:\/\//, `${demo.twinUrl}/__tw/`) });
  }
}

before(async () => {
  demo = await startDemo({ dir: path.join(root, 'target/strangers'), latencyMs: 0 });
  const { accountSid, TWILIO_AUTH_TOKEN } = demo.auth;
  client = twilio(accountSid, TWILIO_AUTH_TOKEN, { httpClient: new TwinClient() });
});

after(() => demo.stop());

const workspace = () => client.taskrouter.v1.workspaces(demo.auth.workspaceSid);
const workflowSid = `WW${'1'.padStart(32, '0')}`;
const workerSid = `WK${'ada'.padStart(32, '0')}`;

async function dial() {
  const response = await fetch(`${demo.twinUrl}/__twin/customer/dial`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  assert.equal(response.status, 200);
  return /** @type {any} */ (await response.json()).call;
}

test('a task is created, fetched, updated under If-Match, and listed with its reservations', async () => {
  const created = await workspace().tasks.create({
    workflowSid,
    attributes: JSON.stringify({ colour: 'blue' }),
    routingTarget: workerSid,
    ignoreCapacity: 'true',
    timeout: 60,
    priority: 5,
  });
  assert.match(created.sid, /^WT[0-9a-f]{32}$/);
  const fetched = await workspace().tasks(created.sid).fetch();
  assert.deepEqual(JSON.parse(fetched.attributes), { colour: 'blue' });
  assert.equal(fetched.priority, 5);

  const updated = await workspace().tasks(created.sid).update({ attributes: '{"colour":"red"}' });
  assert.deepEqual(JSON.parse(updated.attributes), { colour: 'red' });
  const stale = workspace().tasks(created.sid).update({ ifMatch: '0', attributes: '{}' });
  await assert.rejects(stale, (/** @type {any} */ error) => error.status === 412);

  const reservations = await workspace().tasks(created.sid).reservations.list();
  assert.equal(reservations.length, 1);
  assert.equal(reservations[0].workerSid, workerSid);
  assert.equal(reservations[0].reservationStatus, 'pending');

  const canceled = await workspace()
    .tasks(created.sid)
    .update({ assignmentStatus: 'canceled', reason: 'test' });
  assert.equal(canceled.assignmentStatus, 'canceled');

  const events = await workspace().events.list({ taskSid: created.sid, minutes: 60, pageSize: 1000 });
  const log = events.map(({ eventType, resourceSid }) => [eventType, resourceSid]);
  assert.deepEqual(log[0], ['task.created', created.sid]);
  assert.ok(
    log.some(([type, sid]) => type === 'reservation.created' && sid === reservations[0].sid),
    JSON.stringify(log),
  );
  assert.ok(events.every(({ eventDateMs }) => Math.abs(Number(eventDateMs) - Date.now()) < 60_000));
  const ends = await workspace().events.list({ taskSid: created.sid, eventType: 'task.canceled' });
  assert.equal(ends.length, 1);
});

test('lists are read page by page, with their filters', async () => {
  const mark = { workflowSid, taskChannel: 'default', priority: 77 };
  const made = [];
  for (let n = 0; n < 5; n += 1) {
    const attributes = JSON.stringify({ paged: true, n });
    made.push((await workspace().tasks.create({ ...mark, attributes, routingTarget: workerSid })).sid);
  }
  const filter = { priority: 77, evaluateTaskAttributes: 'n >= 1' };
  const found = await workspace().tasks.list({ ...filter, pageSize: 2 });
  assert.deepEqual(
    found.map(({ sid }) => sid),
    made.slice(1),
  );
  const page = await workspace().tasks.page({ ...filter, pageSize: 3 });
  assert.equal(page.instances.length, 3);
  const next = await page.nextPage();
  assert.deepEqual(
    next?.instances.map(({ sid }) => sid),
    made.slice(4),
  );
  assert.equal(await next?.nextPage(), undefined);
  assert.deepEqual(
    (await next?.previousPage())?.instances.map(({ sid }) => sid),
    made.slice(1, 4),
  );
  await Promise.all(made.map((sid) => workspace().tasks(sid).remove()));
});

test('what breaks the contract is refused with a code', async () => {
  const call = client.calls(`CA${'1'.repeat(32)}`);
  const refused = (/** @type {Promise<unknown>} */ request, /** @type {number} */ code) =>
    assert.rejects(request, (/** @type {any} */ error) => error.status === 400 && error.code === code);
  await refused(call.update({ url: 'nowhere' }), 21205);
  await refused(call.update({ twiml: '<Response>' }), 12100);
  await refused(workspace().tasks.create({ workflowSid, timeout: 0 }), 20001);
  await refused(workspace().workers.list({ activitySid: 'Available' }), 20001);
});

test('what is not there is a 404 in Twilio’s form', async () => {
  const missing = workspace()
    .tasks(`WT${'f'.repeat(32)}`)
    .fetch();
  await assert.rejects(missing, (/** @type {any} */ error) => error.status === 404 && error.code === 20404);
});

test('bad credentials are refused', async () => {
  const stranger = twilio(demo.auth.accountSid, 'wrong', { httpClient: new TwinClient() });
  await assert.rejects(
    stranger.calls(`CA${'1'.repeat(32)}`).fetch(),
    (/** @type {any} */ error) => error.status === 401,
  );
});

test('a call is sent elsewhere, a conference joined, a participant updated; each TwiML fetch is signed', async () => {
  const room = 'a room';
  const fetches = /** @type {Array<{url: string, params: Record<string, string>, signature: string}>} */ ([]);
  const twiml = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { port } = /** @type {import('node:net').AddressInfo} */ (twiml.address());
    fetches.push({
      url: `http://127.0.0.1:${port}${request.url}`,
      params: Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString())),
      signature: String(request.headers['x-twilio-signature']),
    });
    response.setHeader('content-type', 'text/xml');
    response.end(
      `<Response><Dial><Conference endConferenceOnExit="true">${room}</Conference></Dial></Response>`,
    );
    twiml.emit('answered');
  });
  twiml.listen(0, '127.0.0.1');
  await once(twiml, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (twiml.address());

  const callSid = await dial();
  const answered = once(twiml, 'answered');
  const call = await client
    .calls(callSid)
    .update({ url: `http://127.0.0.1:${port}/room?a=1&b=it's`, method: 'POST' });
  assert.equal(call.status, 'in-progress');
  await answered;

  const [fetched] = fetches;
  assert.equal(fetched.params.CallSid, callSid);
  const { TWILIO_AUTH_TOKEN } = demo.auth;
  assert.ok(twilio.validateRequest(TWILIO_AUTH_TOKEN, fetched.signature, fetched.url, fetched.params));
  assert.ok(!twilio.validateRequest('another', fetched.signature, fetched.url, fetched.params));

  const find = async () => (await client.conferences.list({ friendlyName: room, limit: 5 }))[0];
  let conference = await find();
  const end = Date.now() + 10_000;
  while (!conference && Date.now() < end) conference = await find(); // made when the document has been read
  assert.ok(conference, 'the call is in a conference');
  const participant = await client
    .conferences(conference.sid)
    .participants(callSid)
    .update({ endConferenceOnExit: false });
  assert.equal(participant.endConferenceOnExit, false);
  assert.equal((await client.conferences(conference.sid).participants.list()).length, 1);

  await client.calls(callSid).update({ status: 'completed' });
  assert.equal((await client.calls(callSid).fetch()).status, 'completed');
  twiml.close();
});

test('our server takes a webhook that the library has signed, and no other', async () => {
  const url = `${demo.serverUrl}/webhooks/conference`;
  const params = {
    AccountSid: demo.auth.accountSid,
    ConferenceSid: `CF${'9'.repeat(32)}`,
    FriendlyName: `WT${'9'.repeat(32)}`,
    SequenceNumber: '1',
    StatusCallbackEvent: 'conference-start',
    Timestamp: 'Thu, 1 Jun 2017 20:48:32 +0000',
  };
  const signature = twilio.getExpectedTwilioSignature(demo.auth.TWILIO_AUTH_TOKEN, url, params);
  const send = (/** @type {string} */ signed) =>
    fetch(url, {
      method: 'POST',
      headers: { 'x-twilio-signature': signed },
      body: new URLSearchParams(params),
    });
  assert.equal((await send(signature)).status, 204);
  assert.equal((await send(signature.replace(/^./, (c) => (c === 'A' ? 'B' : 'A')))).status, 403);
});
