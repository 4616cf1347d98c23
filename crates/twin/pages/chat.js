// The customer's chat. A refresh of this page goes on with the same conversation.
const part = (id) => document.getElementById(id);
const [state, messages, scroll, form, text, send, again] = [
  'state',
  'messages',
  'scroll',
  'form',
  'text',
  'send',
  'again',
].map(part);
const KEPT = 'conversation';

let conversation = sessionStorage.getItem(KEPT);
let source = null;

const post = async (path, body) => {
  const reply = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!reply.ok) throw new Error((await reply.json().catch(() => ({}))).error ?? reply.statusText);
  return reply;
};

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const body = text.value.trim();
  if (!body) return;
  send.disabled = true;
  try {
    if (conversation) await post(`/__twin/chats/${conversation}/messages`, { body });
    else {
      ({ conversation } = await (await post('/__twin/chats', { name: 'Customer', body })).json());
      sessionStorage.setItem(KEPT, conversation);
      follow();
    }
    text.value = '';
  } catch (error) {
    state.textContent = `The message was not sent: ${error.message}`;
  }
  send.disabled = false;
  text.focus();
});

// As in other chats: Enter sends, Shift and Enter begin a line.
text.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});

again.addEventListener('click', () => {
  source?.close();
  sessionStorage.removeItem(KEPT);
  location.reload();
});

function follow() {
  document.body.dataset.conversation = conversation;
  again.hidden = false;
  source = new EventSource(`/__twin/chats/${conversation}/events`);
  // After an interruption the stream repeats everything.
  source.addEventListener('open', () => messages.replaceChildren());
  source.addEventListener('message', ({ data }) => {
    const event = JSON.parse(data);
    if (event.message) show(event.message);
    else describe(event);
  });
  source.addEventListener('error', () => {
    if (source.readyState === EventSource.CLOSED) state.textContent = 'This chat is no longer known here.';
  });
}

function describe({ status, attended }) {
  const open = status !== 'closed';
  text.disabled = send.disabled = !open;
  if (!open) state.textContent = 'The chat has ended.';
  else if (attended) state.textContent = 'You are chatting with an agent.';
  else if (status === 'inactive') state.textContent = 'Nobody is here now. Write, and you are asked again.';
  else state.textContent = 'An agent will be with you soon.';
}

function show({ from, name, body, at }) {
  const item = document.createElement('li');
  item.className = from;
  const who = document.createElement('span');
  who.className = 'who';
  who.textContent = name || 'Notice';
  const time = document.createElement('time');
  time.dateTime = at;
  time.textContent = new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  const said = document.createElement('p');
  said.textContent = body;
  who.append(' ', time);
  item.append(who, said);
  messages.append(item);
  scroll.scrollTop = scroll.scrollHeight;
}

if (conversation) follow();
