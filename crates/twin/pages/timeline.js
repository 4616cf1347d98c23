// Lists that grow while a call goes on.

/** Minutes and seconds with one decimal. */
export function clock(ms) {
  const tenths = Math.max(0, Math.round(ms / 100));
  const [minutes, seconds] = [Math.floor(tenths / 600), (tenths % 600) / 10];
  return `${minutes}:${seconds.toFixed(1).padStart(4, '0')}`;
}

/** Adds a line, and keeps the end in sight for those who are at the end. */
export function add(list, ms, text, kind) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 8;
  const line = document.createElement('li');
  line.className = kind;
  const time = document.createElement('time');
  time.textContent = clock(ms);
  const words = document.createElement('span');
  words.className = 'text';
  words.textContent = text;
  line.append(time, words);
  list.querySelector('.empty')?.remove();
  list.append(line);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

/** Shows a remark instead of lines. */
export function remark(list, text) {
  const line = document.createElement('li');
  line.className = 'empty';
  line.textContent = text;
  list.replaceChildren(line);
}

/** What a leg hears, as text and colour. */
export function hearing(heard) {
  const names = { agent: 'Agent', silence: 'Silence' };
  const text = heard
    .split(' + ')
    .map((part) => names[part] ?? part.charAt(0).toUpperCase() + part.slice(1))
    .join(' + ');
  const kind = /announcement/.test(heard)
    ? 'announcement'
    : /agent/.test(heard)
      ? 'agent'
      : heard === 'silence'
        ? 'silence'
        : 'audio';
  return { text, kind };
}

const OUTCOMES = {
  rejoined: ['The agent is back on the call', 'good'],
  'handed-over': ['Another agent has the call now', 'good'],
  covered: ['Another agent was on the call all the time', 'good'],
  'customer-left': ['The customer has hung up', 'warn'],
  graceful: ['It was a hang-up on purpose after all', ''],
  failed: ['The recovery has failed', 'bad'],
};

/** A note of the server, as text and colour. */
export function noted(note) {
  switch (note.what) {
    case 'connected':
      return ['Customer and agent are on the call.', 'good'];
    case 'page-gone':
      return ['The agent’s page is gone; the leg still stands, with nobody at it.', 'bad'];
    case 'page-silent':
      return ['The agent’s page answers nothing; the customer is told, and the leg still stands.', 'bad'];
    case 'page-answered':
      return ['The agent’s page has answered after all; the customer is with the agent.', 'good'];
    case 'joining-in-place':
      return ['The agent’s desktop is back and joins the same conference again.', 'active'];
    case 'not-in-place':
      return ['That did not work; the call comes back through the queue.', 'bad'];
    case 'agent-lost':
      return ['The agent is gone from the call, and not on purpose.', 'bad'];
    case 'agent-left':
      return ['The agent has left on purpose.', ''];
    case 'conference-lost':
      return ['The conference has ended with the agent’s leg; the customer is still on the line.', 'bad'];
    case 'holding-the-line':
      return ['The customer is told what happened; the agent is called back.', 'active'];
    case 'agent-back':
      return ['The agent’s desktop is back.', 'active'];
    case 'agent-not-back':
      return ['The agent was not back in time.', 'warn'];
    case 'agent-back-late':
      return [`The agent’s desktop is back, ${(note.after / 1000).toFixed(1)}\u00a0s too late.`, 'warn'];
    case 'requeueing':
      return note.same_agent
        ? ['The customer is sent to the queue, for the same agent.', 'active']
        : ['The customer is sent to the front of the queue, for any agent.', 'active'];
    case 'queued':
      return ['The customer is in the queue.', 'active'];
    case 'exit-flag-undone':
      return ['Flex had asked to end the call whenever the agent leaves; that is undone.', ''];
    case 'ended': {
      const [text, kind] = OUTCOMES[note.outcome] ?? [`The recovery has ended: ${note.outcome}`, ''];
      return [`${text}, ${(note.after / 1000).toFixed(1)}\u00a0s after the loss.`, kind];
    }
    case 'call-ended':
      return ['The call has ended.', ''];
    case 'trouble':
      return [note.text, 'bad'];
    default:
      // A newer server may send more than this page knows.
      return [String(note.what).replaceAll('-', ' '), ''];
  }
}
