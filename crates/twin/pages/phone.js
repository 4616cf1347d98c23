// The customer's phone. `?tone` in the address: never ask for the microphone.
import { dial } from './phone-call.js';
import { add, hearing, noted, remark } from './timeline.js';

const part = (id) => document.getElementById(id);
const [status, clock, callButton, hangUpButton, voice, level, transcript, timeline, player, story] = [
  'status',
  'clock',
  'call',
  'hang-up',
  'voice',
  'level',
  'transcript',
  'timeline',
  'remote',
  'console',
].map(part);
const bar = level.firstElementChild;
const tone = new URLSearchParams(location.search).has('tone');

/** The call that is up: `{sid, level, close, began, loudest, sources, timer}`. */
let current = null;
/** The call that the timeline is about, until a little after its end. */
let followed = null;

const speaks = (name) => (voice.textContent = name);
const deaf = () => {
  status.textContent = 'No audio gets through. The browser has to run on the same machine as the demo.';
};

callButton.addEventListener('click', async () => {
  callButton.disabled = true;
  if (followed) forget(followed);
  status.textContent = 'Calling…';
  remark(transcript, 'Nothing yet.');
  remark(timeline, 'Nothing yet. It begins when an agent is on the call.');
  story.hidden = true;
  try {
    const call = await dial({ tone, player, speaks, deaf });
    current = { ...call, began: Date.now(), loudest: 0, sources: [], timer: setInterval(tick, 250) };
  } catch (error) {
    status.textContent = `The call did not go through: ${error.message}`;
    callButton.disabled = false;
    return;
  }
  document.body.dataset.call = current.sid;
  status.textContent = 'On the line';
  hangUpButton.disabled = false;
  hangUpButton.focus();
  follow(current);
  requestAnimationFrame(draw);
});

hangUpButton.addEventListener('click', () => {
  hangUpButton.disabled = true;
  fetch(`/__twin/customer/${current.sid}/hangup`, { method: 'POST' })
    .then((reply) => {
      if (!reply.ok) throw new Error();
    })
    .catch(() => over('The line was lost'));
});

// Closing the page hangs up.
addEventListener('pagehide', () => {
  if (current) navigator.sendBeacon(`/__twin/customer/${current.sid}/hangup`);
});

function follow(call) {
  const heard = new EventSource(`/__twin/customer/${call.sid}/events`);
  call.sources.push(heard);
  // After an interruption the stream repeats everything.
  heard.addEventListener('open', () => remark(transcript, 'Nothing yet.'));
  heard.addEventListener('message', ({ data }) => {
    const event = JSON.parse(data);
    if (event.live === false) return over('The call has ended');
    const { text, kind } = hearing(event.heard);
    add(transcript, event.at, text, kind);
  });
  recovery(call);
}

/** The server's timeline. It outlives the call a little, so that the call's end is shown. */
function recovery(call) {
  if (call.forgotten) return;
  followed = call;
  const notes = new EventSource(`/__twin/timeline/${call.sid}`);
  call.notes = notes;
  notes.addEventListener('open', () => {
    remark(timeline, 'Nothing yet. It begins when an agent is on the call.');
  });
  notes.addEventListener('message', ({ data }) => {
    const { at, note } = JSON.parse(data);
    const [text, kind] = noted(note);
    add(timeline, at - call.began, text, kind);
    // Before the server knows the call its console has nothing about it.
    story.href = `/console?call=${call.sid}`;
    story.hidden = false;
  });
  notes.addEventListener('error', () => {
    // The browser retries by itself unless it was refused: the server is not up, or does not know the call yet.
    if (notes.readyState !== EventSource.CLOSED) return;
    if (timeline.querySelector('.empty'))
      remark(timeline, 'The rejoin server does not answer. Trying again…');
    if (current === call) setTimeout(() => recovery(call), 2000);
  });
}

function forget(call) {
  call.forgotten = true;
  call.notes?.close();
}

function over(text) {
  if (!current) return;
  const call = current;
  current = null;
  clearInterval(call.timer);
  call.sources.forEach((source) => source.close());
  // The last notes are still in flight.
  setTimeout(forget, 5000, call);
  call.close();
  delete document.body.dataset.call;
  status.textContent = text;
  const focused = [hangUpButton, document.body].includes(document.activeElement);
  hangUpButton.disabled = true;
  callButton.disabled = false;
  // A reader of one of the lists keeps the focus.
  if (focused) callButton.focus();
  show(0);
}

function tick() {
  const seconds = Math.floor((Date.now() - current.began) / 1000);
  clock.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  // The loudest since the last update: screen readers get one update a second.
  level.setAttribute('aria-valuenow', String(Math.round(current.loudest * 100)));
  current.loudest = 0;
}

function draw() {
  if (!current) return;
  const now = current.level();
  current.loudest = Math.max(current.loudest, now);
  show(now);
  requestAnimationFrame(draw);
}

function show(value) {
  bar.style.transform = `scaleX(${value.toFixed(3)})`;
}
