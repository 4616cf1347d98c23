// @ts-check

/**
 * Live sound that the browser refuses to play: before a click, most browsers play nothing in a page that does not have
 * the microphone yet.
 * @param {(blocked: boolean) => void} tell
 * @returns {() => void} plays it
 */
export const createSound = (tell) => {
  /** @type {Set<HTMLMediaElement>} */
  const refused = new Set();
  const { play } = HTMLMediaElement.prototype;
  HTMLMediaElement.prototype.play = function playOrTell() {
    const playing = play.call(this);
    const told = playing?.then(
      () => refused.delete(this) && !refused.size && tell(false),
      (error) => {
        if (error.name !== 'NotAllowedError' || !this.srcObject) return;
        refused.add(this);
        tell(true);
      },
    );
    told?.catch(() => {});
    return playing;
  };
  return () => refused.forEach((element) => element.play().catch(() => {}));
};
