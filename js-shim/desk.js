// @ts-check
// What the browser and Flex say about the agent's desk: microphone, sound, activity.

/**
 * @param {import('./types').Manager} manager
 * @param {(event: import('./types').Event) => void} emit
 */
export const watchDesk = (manager, emit) => {
  /** @param {unknown} error */
  const untold = (error) => console.warn('Rejoin: the browser does not tell', error);

  const { mediaDevices, permissions } = navigator;
  const query = permissions?.query({ name: /** @type {PermissionName} */ ('microphone') });
  const look = async () => {
    const [{ state }, devices] = await Promise.all([query, mediaDevices.enumerateDevices()]);
    // A denied microphone may be listed or not.
    const listed = state === 'denied' || devices.some(({ kind }) => kind === 'audioinput');
    emit({ microphoneChanged: { microphone: listed ? state : 'missing' } });
  };
  // Flex rejects calls until it has found the microphone itself: when its phone says that devices have changed, it asks
  // for one. Who asks behind it gets an answer after it.
  const lookBehindFlex = async () => {
    /** @type {any} */
    const { audio } = manager.voiceClient ?? {};
    const told = audio?.once && new Promise((done) => audio.once('deviceChange', done));
    await Promise.race([told, new Promise((done) => setTimeout(done, 1000))]);
    await mediaDevices.getUserMedia({ audio: true }).then(
      (stream) => stream.getTracks().forEach((track) => track.stop()),
      () => {},
    );
    await look();
  };
  const changed = () => void lookBehindFlex().catch(untold);
  mediaDevices?.addEventListener('devicechange', changed);
  // No device has changed then, but Flex has to look again; it makes up such an event itself, too.
  const allowed = () => mediaDevices.dispatchEvent(new Event('devicechange'));
  query?.then((permission) => permission.addEventListener('change', allowed)).catch(untold);
  look().catch(untold);

  const { features, localOverrides } = /** @type {any} */ (manager.store.getState().flex).featureFlags ?? {};
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
