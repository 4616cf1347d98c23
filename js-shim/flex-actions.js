// @ts-check
// Before Flex acts the core is asked. What an action means for a call the core knows, and says beforehand.

/** @type {import('./types').BindActions} */
export const bindActions = (flex, manager, { actions, farewell, ask, isIdle }) => {
  // Once there is no core, nobody else tells the server what is left on purpose.
  const sayGoodbye = async (/** @type {string} */ reason, /** @type {any} */ payload) => {
    const { session, worker } = manager.store.getState().flex;
    const named = payload?.task ?? flex.TaskHelper.getTaskByTaskSid(payload?.sid);
    const left = named ? [named] : [...worker.tasks.values()]; // who signs out names none
    const marks = left.map(({ taskSid: task, sid: reservation }) => ({ task, reservation, reason }));
    if (!marks.length) return;
    const token = session?.ssoTokenPayload?.token;
    const init = { method: 'POST', body: JSON.stringify({ token, marks }), keepalive: true };
    await fetch(farewell, { ...init, signal: AbortSignal.timeout(1500) }).catch(() => {});
  };

  for (const [action, reason, mode] of actions) {
    flex.Actions.addListener(/** @type {any} */ (`before${action}`), async (payload, abort) => {
      try {
        const { refused, options } = (await ask(action, payload)) ?? {};
        if (refused) abort();
        if (options) payload.conferenceOptions = Object.assign(payload.conferenceOptions ?? {}, options);
        const leaves = reason && (!mode || mode === payload?.options?.mode);
        if (leaves && isIdle()) await sayGoodbye(reason, payload);
      } catch (error) {
        console.warn(`Rejoin: before ${action}`, error);
      }
    });
  }
};
