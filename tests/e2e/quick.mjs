// What `npm test -- --quick` plays: one story for each main path.

import { refreshInPlace } from './in-place.mjs';
import { outboundCustomerHangsUp } from './outbound.mjs';
import { agentHangsUp, closedTab, refresh, serverKilled } from './stories.mjs';

/** Longest first, so that lanes end together. */
export const quick = [
  closedTab,
  serverKilled,
  refresh,
  refreshInPlace,
  outboundCustomerHangsUp,
  agentHangsUp,
];
