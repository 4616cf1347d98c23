// @ts-check
// Notices live sound that the browser refuses to play before a click.
/** @type {import('./types').CreateSound} */
export const createSound = (tell) => {
  const refused = /** @type {Set<HTMLMediaElement>} */ (new Set());
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
