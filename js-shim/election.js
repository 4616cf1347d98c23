// @ts-check
// Of several pages of one worker in this browser one acts: the one that holds the lock, as long as it is there.

/** How long the lock of a page that has just gone may take to be free, in ms. */
const PATIENCE = 300;

/**
 * Does this page act? If not, `elected` is called when the pages before it are gone.
 * @param {string} worker
 * @param {() => void} elected
 * @returns {Promise<boolean>}
 */
export const elect = (worker, elected) =>
  new Promise((resolve) => {
    let waits = false;
    const timer = setTimeout(() => {
      waits = true;
      resolve(false);
    }, PATIENCE);
    const granted = () => {
      clearTimeout(timer);
      if (waits) elected();
      else resolve(true);
    };
    const hold = () => {
      granted();
      return new Promise(() => {}); // until the page is gone
    };
    // Where there are no locks, or none for us, every page acts.
    if (navigator.locks) navigator.locks.request(`rejoin-page-${worker}`, hold).catch(granted);
    else granted();
  });
