// What `npm test -- --browser firefox` plays, with the agents in Firefox: what depends on the browser. Nothing that needs Chromium's
// own protocol, such as the crash of a renderer, or the body of a request, which WebDriver BiDi does not give.

import { draftInNewTab, draftRefreshed } from './chat-drafts.mjs';
import { activityInPlace, mutedThroughQueue } from './desk.mjs';
import { externalRefresh } from './external.mjs';
import {
  refreshHeld,
  refreshInPlace,
  refreshMuted,
  refreshOfThree,
  refreshTwice,
  secondTab,
} from './in-place.mjs';
import { outboundRefresh } from './outbound.mjs';
import { leftMeanwhile, refreshedMeanwhile } from './outage.mjs';
import { browserClosed, callInAWaitingTab, twoBrowsers } from './pages.mjs';
import { duringACall } from './sign-out.mjs';
import { cutFromTheServer } from './silence.mjs';
import { agentHangsUp, closedTab, customerHangsUp, refresh, serverKilled } from './stories.mjs';
import { coldTransfer } from './transfers.mjs';

export const onFirefox = [
  closedTab,
  refresh,
  refreshInPlace,
  refreshTwice,
  refreshMuted,
  refreshHeld,
  refreshOfThree,
  secondTab,
  mutedThroughQueue,
  activityInPlace,
  externalRefresh,
  outboundRefresh,
  leftMeanwhile,
  refreshedMeanwhile,
  browserClosed,
  callInAWaitingTab,
  twoBrowsers,
  duringACall,
  cutFromTheServer,
  serverKilled,
  agentHangsUp,
  customerHangsUp,
  coldTransfer,
  draftRefreshed,
  draftInNewTab,
];
