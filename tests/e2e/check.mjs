// What `npm start -- --check` plays: the same stories as the end-to-end test.

import { agentHangsUp, closedTab, customerHangsUp, refresh } from './stories.mjs';
import { tell } from './story.mjs';

/**
 * @param {{demo: import('./people.mjs').Demo, browser: string, artefacts: string}} options
 * @returns {Promise<boolean>} did all of it hold?
 */
export async function check(options) {
  const { passed, failed } = await tell([refresh, closedTab, agentHangsUp, customerHangsUp], options);
  console.log(`${passed} passed, ${failed} failed`);
  if (refresh.recoveredIn !== undefined) console.log(`recovered in ${refresh.recoveredIn} ms`);
  return failed === 0;
}
