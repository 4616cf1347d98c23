// @ts-check
// Flex → events of the core. Values are passed on as they are; what they mean the core decides.

import { watchDesk } from './desk';

/** @typedef {import('./types').Task} Task */

/** What nothing works without. */
const NEEDED = {
  Actions: ['addListener', 'invokeAction'],
  TaskHelper: ['isCallTask', 'isLiveCall', 'getTaskByTaskSid'],
  store: ['getState', 'subscribe'],
};
/** Ways to leave a call on purpose, by Flex's action. */
const LEAVES = { HangupCall: 'hang-up', EndConferenceForAll: 'end-conference' };

/** @type {import('./types').WorkerKnown} Flex's plugins may start before the worker is known. */
export const workerKnown = async ({ Actions, TaskHelper }, { store, events }) => {
  /** @type {Record<string, any>} */
  const owners = { Actions, TaskHelper, store };
  for (const [name, methods] of Object.entries(NEEDED)) {
    const lacks = methods.find((method) => typeof owners[name]?.[method] !== 'function');
    if (lacks) throw new Error(`${name}.${lacks} is missing`);
  }
  if (store.getState().flex.worker.worker) return;
  await new Promise((resolve) => events.addListener('pluginsInitialized', resolve));
};

/** @type {import('./types').WatchFlex} */
export const watchFlex = (flex, manager, { emit, ask, elect, failed }) => {
  const state = () => manager.store.getState().flex;
  const phone = () => manager.voiceClient?.state === 'registered';

  /** A listener of ours never throws into Flex. @param {(...args: any[]) => unknown} listener */
  const guarded =
    (listener) =>
    (/** @type {any[]} */ ...args) => {
      try {
        listener(...args);
      } catch (error) {
        failed(error);
      }
    };

  /** @param {Task} task */
  const taskFacts = (task) => {
    const call = state().phone?.activeCall;
    return {
      task: task.taskSid,
      reservation: task.sid,
      status: String(task.status),
      voice: Boolean(flex.TaskHelper.isCallTask(task)),
      workflow: task.workflowSid,
      contactUri: manager.workerClient?.attributes?.contact_uri,
      liveCall: Boolean(call && flex.TaskHelper.isLiveCall(task)),
      ownLeg: call?.parameters?.CallSid,
      muted: Boolean(call?.isMuted?.()),
      joinable: typeof task.joinCall === 'function',
      keepable: typeof manager.voiceClient?.disconnectAll === 'function',
      attributes: task.attributes ?? {},
    };
  };
  /** @param {Task} task */
  const conferenceEvents = (task) => {
    const conference = state().conferences?.states?.get(task.taskSid)?.source ?? task.conference;
    const legs = conference?.participants.map((participant) => ({
      call: participant.callSid,
      kind: String(participant.participantType),
      mine: Boolean(participant.isCurrentWorker),
      joined: participant.status === 'joined',
      sequence: Number(participant.mediaProperties?.sequenceNumber ?? 0),
    }));
    const { sid: reservation } = task;
    return legs ? [{ conferenceChanged: { reservation, conference: conference?.conferenceSid, legs } }] : [];
  };

  /** What was to be seen last, by its text. @type {Map<string, Record<string, any>>} */
  let seen = new Map();
  // The store is the one source that holds tasks from before the plugin, changes without an event, and conferences.
  const look = guarded(() => {
    const { worker, session } = state();
    for (const { taskChanged: facts } of seen.values()) {
      if (facts && !worker.tasks.has(facts.reservation)) emit({ taskChanged: { ...facts, status: 'gone' } });
    }
    const sid = worker.activity?.sid;
    const offline = sid === manager.serviceConfiguration?.taskrouter_offline_activity_sid;
    const tasks = [...worker.tasks.values()];
    const events = [
      { tokenChanged: { token: session?.ssoTokenPayload?.token } },
      { phoneChanged: { registered: phone() } },
      ...(sid ? [{ activityChanged: { sid, offline } }] : []),
      ...tasks.flatMap((task) => [{ taskChanged: taskFacts(task) }, ...conferenceEvents(task)]),
    ];
    const last = seen;
    seen = new Map(events.map((event) => [JSON.stringify(event), event]));
    for (const [text, event] of seen) last.has(text) || emit(event);
  });
  let due = false;
  const lookSoon = () => {
    if (due) return;
    due = true;
    queueMicrotask(() => {
      due = false;
      look();
    });
  };

  /** @type {(action: string, listener: import('./types').Before) => void} */
  const before = (action, listener) => {
    flex.Actions.addListener(/** @type {any} */ (`before${action}`), async (payload, abort) => {
      try {
        const task = payload?.task ?? flex.TaskHelper.getTaskByTaskSid(payload?.sid);
        const { refused, options } = (await listener(task, payload)) || {};
        if (refused) abort();
        if (options) payload.conferenceOptions = Object.assign(payload.conferenceOptions ?? {}, options);
      } catch (error) {
        console.warn('Rejoin: listener failed', error);
      }
    });
  };
  before('AcceptTask', (task, { conferenceOptions }) => {
    const callback = conferenceOptions?.conferenceStatusCallback;
    return task && ask('beforeAccept', { task: taskFacts(task), callback });
  });
  for (const [action, reason] of Object.entries(LEAVES)) {
    before(action, (task) => task && ask('beforeLeave', { reservation: task.sid, reason }));
  }
  before('TransferTask', (task, { options }) => {
    const reason = 'cold-transfer';
    return task && options?.mode === 'COLD' && ask('beforeLeave', { reservation: task.sid, reason });
  });
  before('Logout', () => ask('beforeLeave', { reservation: undefined, reason: 'sign-out' }));
  for (const action of ['WrapupTask', 'CompleteTask']) {
    before(action, (task) => task && ask('beforeComplete', { reservation: task.sid }));
  }
  // A page that may be shown again has hung up like one without us.
  const ends = guarded(({ persisted }) => persisted || emit({ pageHide: {} }));
  addEventListener('pagehide', ends, { capture: true });

  const begin = guarded((sid, acts) => {
    const { worker } = state();
    const tasks = [...worker.tasks.values()].map(taskFacts);
    watchDesk(manager, emit);
    const workerName = worker.attributes?.full_name ?? manager.workerClient?.name ?? '';
    emit({ started: { worker: sid, workerName, phoneRegistered: phone(), tasks, waits: !acts } });
    manager.store.subscribe(lookSoon);
    const { workerClient, voiceClient } = manager;
    workerClient?.on?.('reservationCreated', lookSoon);
    // Flex's own connection is back, and with it all that TaskRouter knows.
    const back = () => {
      look();
      emit({ reconnected: {} });
    };
    workerClient?.on?.('ready', guarded(back));
    for (const event of ['registered', 'unregistered', 'destroyed']) voiceClient?.on?.(event, lookSoon);
    const signedOut = guarded(() => emit({ signedOut: {} }));
    flex.Actions.addListener('afterLogout', signedOut);
    lookSoon();
  });
  let begun = false;
  const start = guarded(() => {
    const sid = manager.workerClient?.sid;
    if (begun || !sid) return; // not an agent's desktop, or Flex is degraded: maybe it is not later
    begun = true;
    elect(sid).then((acts) => begin(sid, acts));
  });
  manager.store.subscribe(start);
  start();
};
