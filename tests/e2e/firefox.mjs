// What `npm test -- --browser firefox` plays, with the agents in Firefox: what depends on the browser. Nothing that needs Chromium's
// own protocol, such as the crash of a renderer, or the body of a request, which WebDriver BiDi does not give.

import { draftInNewTab, draftRefreshed } from './chat-drafts.mjs';
import { activityInPlace, mutedThroughQueue } from './desk.mjs';
import { externalRefresh } from './external.mjs';
import {
  isBackInPlace,
  refreshHeld,
  refreshInPlace,
  refreshMuted,
  refreshOfThree,
  refreshTwice,
  secondTab,
} from './in-place.mjs';
import { dials, outboundRefresh } from './outbound.mjs';
import { leftMeanwhile, refreshedMeanwhile } from './outage.mjs';
import { callInAWaitingTab, twoBrowsers } from './pages.mjs';
import { duringACall } from './sign-out.mjs';
import { cutFromTheServer } from './silence.mjs';
import { agentHangsUp, closedTab, customerHangsUp, refresh, serverKilled } from './stories.mjs';
import { coldTransfer } from './transfers.mjs';

/** @typedef {import('./story.mjs').Story} Story */

/** Chromium delivers the Voice SDK's hang-up as the page goes, and the phone stops ringing. */
const refreshRinging = {
  title:
    'An agent refreshes while an outbound call rings, the customer answers, and the agent is back on the call',
  async play(/** @type {Story} */ story) {
    const ada = await story.step('Ada signs in to Flex', () => story.agent('ada'));
    const { phone, customer } = await dials(story, ada, 'rings');
    await story.step('Ada refreshes the page', () => ada.refreshes());
    await story.step('the customer answers', () => phone.answers());
    await ada.ready();
    const task = await story.step('Ada has the call', () =>
      story.twilio.becomes('accepted', async () =>
        (await ada.tasks()).find(({ status }) => status === 'accepted'),
      ),
    );
    await isBackInPlace(story, ada, customer, task);
  },
};

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
  refreshRinging,
  leftMeanwhile,
  refreshedMeanwhile,
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
