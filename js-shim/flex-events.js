// @ts-check
// Flex → events of the core. Values are passed on as they are; what they mean the core decides.

import { watchDesk } from './desk';

/** @typedef {import('./types').Task} Task */

/** @type {import('./types').WorkerKnown} Flex's plugins may start before the worker is known. */
export const workerKnown = async ({ Actions, TaskHelper }, { store, events }) => {
  const needed = {
    'Actions.addListener': Actions?.addListener,
    'Actions.invokeAction': Actions?.invokeAction,
    'TaskHelper.isCallTask': TaskHelper?.isCallTask,
    'TaskHelper.isLiveCall': TaskHelper?.isLiveCall,
    'TaskHelper.getTaskByTaskSid': TaskHelper?.getTaskByTaskSid,
    'store.getState': store?.getState,
    'store.subscribe': store?.subscribe,
  };
  const lacks = Object.entries(needed).find(([, method]) => typeof method !== 'function');
  if (lacks) throw new Error(`${lacks[0]} is missing`);
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
      queue: task.queueSid,
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
  /** @type {Promise<void> | undefined} */
  let due;
  const lookSoon = () => {
    due ??= Promise.resolve().then(() => {
      due = undefined;
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
  /** @type {(reason: string, question?: string) => import('./types').Before} */
  const leave =
    (reason, question = 'beforeLeave') =>
    (task) =>
      task && ask(question, { task: task.taskSid, reservation: task.sid, reason });
  before('HangupCall', leave('hang-up'));
  before('EndConferenceForAll', leave('end-conference'));
  const transfer = leave('cold-transfer');
  before('TransferTask', (task, payload) => payload.options?.mode === 'COLD' && transfer(task, payload));
  before('Logout', () => ask('beforeLeave', { reason: 'sign-out' }));
  for (const action of ['WrapupTask', 'CompleteTask']) before(action, leave('complete', 'beforeComplete'));
  // A page that may be shown again has hung up like one without us.
  addEventListener('pagehide', ({ persisted }) => persisted || emit({ pageHide: {} }), { capture: true });

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
    workerClient?.on?.('ready', () => (look(), emit({ reconnected: {} })));
    for (const event of ['registered', 'unregistered', 'destroyed']) voiceClient?.on?.(event, lookSoon);
    flex.Actions.addListener('afterLogout', () => emit({ signedOut: {} }));
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
