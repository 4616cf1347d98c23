// What the built plugin finds in a page that is not Flex: what it touches of Flex, and what Flex brings along for its plugins.
// @ts-nocheck What it puts into a page has no types.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** What Flex brings along for its plugins. */
export const react = ['react', 'react-dom']
  .map((name) => readFileSync(require.resolve(`${name}/umd/${name}.production.min.js`), 'utf8'))
  .join('\n');

export const bundle = readFileSync(new URL('../build/plugin-rejoin.js', import.meta.url));

/** A SID of this kind. */
export const sid = (prefix, number) => prefix + String(number).padStart(32, '0');

/** What the page finds in place of Flex. Runs in the browser. */
export const flexStub = ({ server, tasks, dark, rejoin = { server }, worker = {}, lacks = [] }) => {
  const state = { worker: { worker: {}, attributes: { full_name: 'Ada' }, tasks: new Map() } };
  Object.assign(state, {
    conferences: { states: new Map() },
    phone: {},
    config: { theme: { isLight: !dark } },
  });
  state.session = { ssoTokenPayload: { token: 'token-of-ada' } };
  for (const task of tasks) {
    task.setEndConferenceOnExit = async (participant, value) =>
      calls.push(['participant', participant, value]);
    // As Flex does it, up to the old leg's removal.
    task.joinCall = async () => {
      calls.push(['joinCall', task.sid]);
      await task.setEndConferenceOnExit('the old leg', false);
      await task.setEndConferenceOnExit('the new leg', true);
      calls.push(['removal', task.sid]);
    };
    state.worker.tasks.set(task.sid, task);
  }
  const subscribers = [];
  const [listeners, replaced] = [{}, {}];
  const calls = [];
  const reservations = new Map(
    tasks.map((task) => [
      task.sid,
      { updateParticipant: async (options) => calls.push(['flag', task.sid, options]) },
    ]),
  );
  const emitter = () => ({
    handlers: {},
    on(name, f) {
      (this.handlers[name] ??= []).push(f);
    },
  });
  const manager = {
    configuration: {},
    serviceConfiguration: { ui_attributes: { custom_data: { rejoin } } },
    store: { getState: () => ({ flex: state }), subscribe: (f) => subscribers.push(f) },
    strings: { RejoinClose: 'Got it' },
    events: { addListener() {} },
    workerClient: {
      ...emitter(),
      sid: 'WK' + '0'.repeat(29) + 'ada',
      // Flex gives plugins a new proxy each time.
      reservations: { get: (sid) => reservations.has(sid) && new Proxy(reservations.get(sid), {}) },
      attributes: { contact_uri: 'client:ada', ...worker },
    },
    voiceClient: {
      ...emitter(),
      state: 'registered',
      disconnectAll: () => localStorage.setItem('phone', 'hung up'),
    },
  };
  // As the Voice SDK does, before any plugin is loaded. The next page is told what it did.
  window.addEventListener('pagehide', () => {
    localStorage.setItem('phone', 'silent');
    manager.voiceClient.disconnectAll();
  });
  const Flex = {
    Actions: {
      addListener: (name, f) => (listeners[name] ??= []).push(f),
      replaceAction: (name, f) => (replaced[name] = f),
      invokeAction: async (name, payload) => {
        let aborted = false;
        const full = { ...payload, task: state.worker.tasks.get(payload.sid) };
        for (const f of listeners[`before${name}`] ?? []) await f(full, () => (aborted = true));
        const { sid, activitySid } = payload;
        const done = [aborted ? `aborted ${name}` : name, sid, full.conferenceOptions];
        calls.push(activitySid ? [...done, activitySid] : done);
        for (const f of aborted ? [] : (listeners[`after${name}`] ?? [])) f(full);
      },
    },
    TaskHelper: {
      isCallTask: (task) => task.channelType === 'voice',
      isLiveCall: (task) => task.status === 'accepted',
      getTaskByTaskSid: (sid) => state.worker.tasks.get(sid),
    },
    MainHeader: {
      Content: {
        add: (element) => {
          const header = document.createElement('header');
          header.style = 'display: flex; justify-content: flex-end; padding: 1rem; color: inherit';
          document.body.prepend(header);
          window.ReactDOM.render(element, header);
        },
      },
    },
    SideLink: ({ icon, showLabel, children, ...button }) =>
      window.React.createElement('button', button, showLabel && children),
    SideNav: {
      Content: {
        add: (element) => {
          const nav = document.body.appendChild(document.createElement('nav'));
          window.ReactDOM.render(window.React.cloneElement(element, { showLabel: true }), nav);
          return () => nav.remove();
        },
      },
    },
    VERSION: '2.17.1',
    Notifications: { registerNotification() {}, showNotification() {} },
    NotificationType: {},
    Plugins: { init: (Plugin) => new Plugin().init(Flex, manager) },
    Manager: { getInstance: () => manager },
  };
  for (const path of lacks) {
    const parts = path.split('.');
    const last = parts.pop();
    delete parts.reduce((owner, part) => owner[part] ?? { manager, state }[part], Flex)[last];
  }
  window.Twilio = { Flex };
  window.flex = {
    state,
    calls,
    manager,
    changed: () => subscribers.forEach((f) => f()),
    invoke: Flex.Actions.invokeAction,
    /** Sends a message: its index, and what Flex itself was given to send. */
    send: async (payload) => {
      const sent = [];
      const original = async (given) => sent.push({ ...given }) + 4;
      return [await (replaced.SendMessage?.(payload, original) ?? original(payload)), sent];
    },
    reservations,
  };
};
