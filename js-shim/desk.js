// @ts-check
// What the browser and Flex say about the agent's desk: microphone, sound, activity.

/**
 * @param {import('./types').Manager} manager
 * @param {(event: import('./types').Event) => void} emit
 */
export const watchDesk = (manager, emit) => {
  const flex = () => manager.store.getState().flex;
  /** @param {unknown} error */
  const untold = (error) => console.warn('Rejoin: the browser does not tell', error);

  // A denied microphone may be listed or not.
  const { mediaDevices, permissions } = navigator;
  const query = permissions?.query({ name: /** @type {PermissionName} */ ('microphone') });
  const look = async () => {
    const [{ state }, devices] = await Promise.all([query, mediaDevices.enumerateDevices()]);
    const listed = state === 'denied' || devices.some(({ kind }) => kind === 'audioinput');
    emit({ microphoneChanged: { microphone: listed ? state : 'missing' } });
  };
  const lookAgain = () => void look().catch(untold);
  query?.then((permission) => permission.addEventListener('change', lookAgain)).catch(untold);
  mediaDevices?.addEventListener('devicechange', lookAgain);
  lookAgain();

  /** @type {string | undefined} */
  let last;
  const activity = () => {
    const sid = flex().worker?.activity?.sid;
    if (!sid || sid === last) return;
    last = sid;
    const offline = manager.serviceConfiguration?.taskrouter_offline_activity_sid;
    emit({ activityChanged: { sid, offline: sid === offline } });
  };
  manager.store.subscribe(activity);
  activity();
  const { features, localOverrides } = /** @type {any} */ (flex()).featureFlags ?? {};
  if ({ ...features, ...localOverrides }['flex-multi-tab-support']?.enabled) emit({ flexPrompts: {} });
};

/**
 * Live sound that the browser would not play: until a click, most browsers play nothing in a page that has not got the
 * microphone yet.
 * @param {(event: import('./types').Event) => void} emit
 * @returns {import('./types').Sound}
 */
export const createSound = (emit) => {
  /** @type {Set<HTMLMediaElement>} */
  const refused = new Set();
  const { play } = HTMLMediaElement.prototype;
  HTMLMediaElement.prototype.play = function playOrTell() {
    const playing = play.call(this);
    const told = playing?.then(
      () => refused.delete(this) && !refused.size && emit({ soundChanged: { blocked: false } }),
      (error) => {
        if (error.name !== 'NotAllowedError' || !this.srcObject) return;
        refused.add(this);
        emit({ soundChanged: { blocked: true } });
      },
    );
    told?.catch(() => {});
    return playing;
  };
  return { play: () => refused.forEach((element) => element.play().catch(() => {})) };
};
