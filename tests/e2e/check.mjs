// What `npm start -- --check` runs: the end-to-end stories, one for each rung and each end.

import { refreshInPlace } from './in-place.mjs';
import { agentHangsUp, closedTab, customerHangsUp, refresh } from './stories.mjs';
import { tell } from './story.mjs';

/**
 * @param {{demo: import('./people.mjs').Demo, browser: string, artefacts: string}} options
 * @returns {Promise<boolean>} true when every story passed
 */
export async function check({ demo, browser, artefacts }) {
  const stories = [refreshInPlace, refresh, closedTab, agentHangsUp, customerHangsUp];
  const { passed, missed } = await tell(stories, { demos: [demo], browser, artefacts });
  const failed = missed.length;
  console.log(`${passed} passed, ${failed} failed`);
  if (closedTab.recoveredIn !== undefined) {
    console.log(`with the next agent ${closedTab.recoveredIn} ms after the loss`);
  }
  if (refresh.recoveredIn !== undefined)
    console.log(`recovered through the queue in ${refresh.recoveredIn} ms`);
  // From the desktop being ready to the agent being in the conference.
  if (refreshInPlace.recoveredIn !== undefined) console.log(`recovered in ${refreshInPlace.recoveredIn} ms`);
  return failed === 0;
}
