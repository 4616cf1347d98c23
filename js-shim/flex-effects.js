// @ts-check
// Carries out the core's effects in Flex.
import { createConsoleLink } from './console-link';
import { createSound } from './sound';

/** The shortest round trip to a server (ms), of four within 2 s; `null`: it does not answer, or cannot work. */
const roundTrip = async (/** @type {string} */ server) => {
  const signal = AbortSignal.timeout(2000);
  let shortest = null;
  // The first one may open the connection, and any of them may wait for a page that is busy starting.
  for (let times = 0; times < 4; times++) {
    const begun = performance.now();
    const answer = await fetch(`${server}/v1/ready`, { signal, cache: 'no-store' }).catch(() => null);
    if (!answer?.ok) break;
    shortest = Math.min(shortest ?? Infinity, performance.now() - begun);
  }
  return shortest;
};

/** @type {import('./types').CreateEffects} */
export const createEffects = (flex, manager, { flagsToClear, ...shell }) => {
  const reservation = (/** @type {string} */ sid) => manager.workerClient?.reservations?.get(sid);
  const activeCall = () => manager.store.getState().flex.phone.activeCall;

  // By SID: Flex gives a plugin a new proxy each time it asks for the same reservation.
  const [neutral, wrapped] = [new Set(), new Set()];
  const prompt = (/** @type {Event} */ event) => event.preventDefault();
  let keeping = false;
  let phone = /** @type {unknown} */ (undefined);

  const effects = /** @type {Record<string, (args: any) => unknown>} */ ({
    accept: ({ reservation: sid }) => flex.Actions.invokeAction('AcceptTask', { sid }),
    acceptPing: ({ reservation: sid }) => reservation(sid)?.accept(),
    select: ({ reservation: sid }) => flex.Actions.invokeAction('SelectTask', { sid }),
    // Flex calls updateParticipant on this very object whenever two or fewer are left on the call.
    neutraliseExitFlag: ({ reservation: sid }) => {
      const target = reservation(sid);
      neutral.add(sid);
      if (!target || wrapped.has(sid)) return;
      wrapped.add(sid);
      const original = target.updateParticipant; // possibly another plugin's wrapper, which is kept
      target.updateParticipant = function updateParticipant(options) {
        const flagged = neutral.has(sid) && options && 'endConferenceOnExit' in options;
        return original.call(this, flagged ? { ...options, endConferenceOnExit: false } : options);
      };
    },
    releaseExitFlag: ({ reservation: sid }) => neutral.delete(sid),
    letGo: () => {
      neutral.clear();
      keeping = false;
      removeEventListener('beforeunload', prompt);
    },
    setExitFlag: ({ reservation: sid, value }) =>
      reservation(sid)?.updateParticipant({ endConferenceOnExit: value }),
    // Others write the same attributes: read, merge, write.
    markTask: async ({ reservation: sid, mark }) => {
      const task = reservation(sid)?.task;
      await task?.fetchLatestVersion?.();
      await task?.setAttributes({ ...task.attributes, rejoinLeft: mark });
    },
    // The phone hangs up when the page ends, in a listener that was added before ours.
    keepLegs: ({ keep }) => {
      keeping = keep;
      const device = manager.voiceClient;
      if (!keep || phone === device) return;
      phone = device;
      const original = device.disconnectAll;
      device.disconnectAll = function disconnectAll() {
        // Even for a page that may be shown again: with a call it is not, and the leg stands for the next page.
        if (!keeping || !/^(pagehide|unload)$/.test(window.event?.type ?? '')) original.call(this);
      };
    },
    // While Flex joins, it sets flags itself. They are cleared instead, and the core says which ones to clear again.
    joinCall: async ({ reservation: sid }) => {
      const task = flex.TaskHelper.getTaskByTaskSid(sid);
      const set = task.setEndConferenceOnExit;
      task.setEndConferenceOnExit = async (participant) => {
        const again = flagsToClear(sid, participant);
        await set.call(task, participant, false);
        await Promise.allSettled(again.map((leg) => set.call(task, leg, false)));
      };
      await task.joinCall().finally(() => (task.setEndConferenceOnExit = set));
    },
    clearExitFlag: ({ reservation: sid, leg }) => {
      const task = flex.TaskHelper.getTaskByTaskSid(sid);
      const participant = task?.conference?.participants.find(({ callSid }) => callSid === leg);
      return participant?.participantSid && task.setEndConferenceOnExit(participant.participantSid, false);
    },
    // Over the call that was asked: another one may be open by now, or none.
    answerMessage: ({ leg, message }) =>
      activeCall()?.parameters.CallSid === leg && activeCall()?.sendMessage(message),
    mute: () => activeCall()?.isMuted() === false && flex.Actions.invokeAction('ToggleMute'),
    playSound: createSound((blocked) => shell.tell({ soundChanged: { blocked } })),
    measure: async ({ servers }) =>
      shell.tell({ measured: { took: await Promise.all(servers.map(roundTrip)) } }),
    setActivity: ({ activity }) => flex.Actions.invokeAction('SetActivity', { activitySid: activity }),
    promptOnLeave: ({ on }) => (on ? addEventListener : removeEventListener)('beforeunload', prompt),
    notify: ({ reservation: sid, notice }) => shell.notices(notice.kind, notice, sid),
    tellUnprotected: ({ unprotected }) => shell.notices(unprotected && 'unprotected'),
    linkConsole: createConsoleLink(flex, manager),
    standBy: ({ reason, wanted }) => shell.standBy(reason, undefined, wanted),
    misfit: ({ error }) => shell.misfit(error),
    log: ({ notice }) => console.warn(`Rejoin: ${notice}`),
  });

  return async (effect) => {
    const [[name, args]] = Object.entries(effect);
    try {
      await effects[name](args);
      return true;
    } catch (error) {
      console.warn(`Rejoin: ${name} failed`, error);
      return false;
    }
  };
};
