// @ts-check
// Effects of the core → Flex.
import { text } from './strings';

/**
 * @param {import('./types').Flex} flex
 * @param {import('./types').Manager} manager
 * @param {{
 *   dialog: import('./types').RejoinDialog,
 *   emit: (event: import('./types').Event) => void,
 *   notices: ReturnType<typeof import('./notice').createNotices>,
 *   standBy: (reason: string, error: undefined, wanted: boolean) => void,
 * }} shell
 * @returns {(effect: Record<string, any>) => void}
 */
export const createEffects = (flex, manager, { dialog, notices, emit, standBy }) => {
  /** @param {string} sid */
  const reservation = (sid) => manager.workerClient?.reservations?.get(sid);

  /** @param {string} sid @param {() => Promise<unknown> | undefined} work */
  const accept = async (sid, work) => {
    try {
      await work();
    } catch (error) {
      console.warn('Rejoin: could not accept', sid, error);
      emit({ acceptFailed: { reservation: sid } });
    }
  };

  // By SID: Flex hands a plugin proxies, another one each time it asks for the same reservation.
  const neutral = new Set();
  const wrapped = new Set();
  let keeping = false;
  /** @type {unknown} */
  let phone;

  /** @type {Record<string, (args: any) => unknown>} */
  const effects = {
    showDialog: ({ dialog: content }) => dialog.show(content),
    hideDialog: () => dialog.hide(),
    accept: ({ reservation: sid }) => accept(sid, () => flex.Actions.invokeAction('AcceptTask', { sid })),
    acceptPing: ({ reservation: sid }) => accept(sid, () => reservation(sid)?.accept()),
    select: ({ reservation: sid }) => flex.Actions.invokeAction('SelectTask', { sid }),

    // Flex calls updateParticipant on this very object whenever two or fewer are left on the call.
    neutraliseExitFlag: ({ reservation: sid }) => {
      const target = reservation(sid);
      neutral.add(sid);
      if (!target || wrapped.has(sid)) return;
      wrapped.add(sid);
      const original = target.updateParticipant; // another plugin's wrapper, maybe: it is kept
      target.updateParticipant = function updateParticipant(options) {
        const flagged = neutral.has(sid) && options && 'endConferenceOnExit' in options;
        return original.call(this, flagged ? { ...options, endConferenceOnExit: false } : options);
      };
    },
    releaseExitFlag: ({ reservation: sid }) => neutral.delete(sid),
    letGo: () => {
      neutral.clear();
      keeping = false;
    },
    setExitFlag: async ({ reservation: sid, value }) => {
      try {
        await reservation(sid)?.updateParticipant({ endConferenceOnExit: value });
      } catch (error) {
        console.warn('Rejoin: could not set endConferenceOnExit', sid, error);
      }
      emit({ exitFlagSettled: { reservation: sid } });
    },

    // The phone hangs up when the page ends, in a listener that is older than any of ours.
    keepLegs: ({ keep }) => {
      keeping = keep;
      const device = manager.voiceClient;
      if (!keep || phone === device) return;
      phone = device;
      const original = device.disconnectAll;
      device.disconnectAll = function disconnectAll() {
        const event = /** @type {PageTransitionEvent | undefined} */ (window.event);
        const ends = /^(pagehide|unload)$/.test(event?.type ?? '') && !event?.persisted;
        if (!(keeping && ends)) original.call(this);
      };
    },
    joinCall: async ({ reservation: sid }) => {
      try {
        await flex.TaskHelper.getTaskByTaskSid(sid).joinCall();
        emit({ joined: { reservation: sid } });
      } catch (error) {
        console.warn('Rejoin: could not join the call again', sid, error);
        emit({ joinFailed: { reservation: sid } });
      }
    },
    clearExitFlag: ({ reservation: sid, leg }) => {
      const task = flex.TaskHelper.getTaskByTaskSid(sid);
      const participant = task?.conference?.participants.find(({ callSid }) => callSid === leg);
      if (participant?.participantSid) return task.setEndConferenceOnExit(participant.participantSid, false);
      return undefined;
    },
    mute: () => {
      const { activeCall } = manager.store.getState().flex.phone;
      if (activeCall && !activeCall.isMuted()) return flex.Actions.invokeAction('ToggleMute');
      return undefined;
    },

    notify: ({ reservation: sid, notice }) => notices.call(sid, text(manager, notice.kind, notice)),
    tellUnprotected: ({ unprotected }) => notices.header(unprotected ? text(manager, 'unprotected') : ''),
    standBy: ({ reason, wanted }) => standBy(reason, undefined, wanted),
    log: ({ notice }) => console.warn(`Rejoin: ${notice}`),
  };

  return (effect) => {
    for (const [name, args] of Object.entries(effect)) {
      try {
        const done = effects[name](args);
        if (done instanceof Promise) done.catch((error) => console.warn(`Rejoin: ${name} failed`, error));
      } catch (error) {
        console.warn(`Rejoin: ${name} failed`, error);
      }
    }
  };
};
