// @ts-check
// Asks the core before Flex acts. The core knows what each action means for a call, and lists the actions beforehand.
/** @type {import('./types').BindActions} */
export const bindActions = (flex, manager, { actions, farewell, ask, tell, isIdle }) => {
  // Without a core nothing else tells the server that the agent leaves on purpose.
  const sayGoodbye = async (/** @type {string} */ reason, /** @type {any} */ payload) => {
    const { session, worker } = manager.store.getState().flex;
    const named = payload?.task ?? flex.TaskHelper.getTaskByTaskSid(payload?.sid);
    const left = named ? [named] : [...worker.tasks.values()]; // a sign-out names no task
    const marks = left.map(({ taskSid: task, sid: reservation }) => ({ task, reservation, reason }));
    if (!marks.length) return;
    const token = session?.ssoTokenPayload?.token;
    const [body, signal] = [JSON.stringify({ token, marks }), AbortSignal.timeout(1500)];
    await fetch(farewell, { method: 'POST', body, signal, keepalive: true }).catch(() => {});
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

  // After every listener of others, which may change or refuse the message. Flex itself says neither success nor failure.
  flex.Actions.replaceAction?.('SendMessage', async (payload, original) => {
    const { refused, id } = (await ask('SendMessage', payload).catch(() => undefined)) ?? {};
    if (refused) return undefined;
    if (id) payload.messageAttributes = { ...payload.messageAttributes, rejoin: id };
    let index;
    try {
      return (index = await original(payload));
    } finally {
      if (id) tell({ sent: { id, stored: Number.isInteger(index) } });
    }
  });
};
