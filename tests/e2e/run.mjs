// The stories of each Flex UI, in lanes: each lane plays one after another on a demo of its own.

import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { startDemo } from '../../scripts/lib/demo.mjs';
import { newest } from '../../scripts/lib/flex.mjs';
import { root } from '../../scripts/lib/run.mjs';
import { Advice } from '../../scripts/lib/say.mjs';
import * as away from './away.mjs';
import * as callMessages from './call-messages.mjs';
import * as chatDrafts from './chat-drafts.mjs';
import * as chatMessages from './chat-messages.mjs';
import * as chatsBesideCall from './chats-beside-call.mjs';
import * as chatsHandedOn from './chats-handed-on.mjs';
import * as chatsIdle from './chats-idle.mjs';
import * as chatsParked from './chats-parked.mjs';
import * as chatsTransferred from './chats-transferred.mjs';
import * as chats from './chats.mjs';
import * as operatorsConsole from './console.mjs';
import * as desk from './desk.mjs';
import { deskPhones } from './desk-phone.mjs';
import * as events from './events.mjs';
import * as external from './external.mjs';
import * as failOpen from './fail-open.mjs';
import * as inPlace from './in-place.mjs';
import * as network from './network.mjs';
import { onFirefox } from './firefox.mjs';
import { stories as onOldest } from './oldest.mjs';
import * as onHold from './on-hold.mjs';
import * as outage from './outage.mjs';
import * as outbound from './outbound.mjs';
import * as lost from './lost.mjs';
import * as pages from './pages.mjs';
import { quick as QUICK } from './quick.mjs';
import * as queues from './queues.mjs';
import * as servers from './servers.mjs';
import * as sideBySide from './side-by-side.mjs';
import * as signOut from './sign-out.mjs';
import * as silence from './silence.mjs';
import * as sockets from './sockets.mjs';
import * as stories from './stories.mjs';
import * as supervisors from './supervisors.mjs';
import { tell } from './story.mjs';
import * as transfers from './transfers.mjs';

/** @typedef {import('../../scripts/lib/flex.mjs').Flex} Flex */

/**
 * A desktop on a busy machine takes longer than any that an agent sits at. What a story says of an agent who is back in
 * place must not become what it would say of one who was too slow, which is right then, too.
 */
const UNHURRIED = {
  REJOIN_IN_PLACE_WITHIN_MS: '14000',
  // Stories change how long Flex takes to set an agent offline, which a server reads every ten minutes.
  REJOIN_CONVERSATION_OFFLINE_AFTER_MS: '30000',
};

/** A story waits most of its time, for sound that is played, or for what happens only after seconds. The third lane plays only chats. */
const LANES = Math.min(3, availableParallelism() + 1);

/** The stories without a call. */
const CHATS = [
  chatDrafts,
  chatMessages,
  chats,
  chatsHandedOn,
  chatsIdle,
  chatsParked,
  chatsTransferred,
].flatMap((module) => Object.values(module));

/** @returns {import('./story.mjs').Told[]} */
const storiesOn = (/** @type {Flex} */ flex) =>
  flex === newest
    ? // Some steps are shared, too.
      Object.values({
        ...away,
        ...callMessages,
        ...chatDrafts,
        ...chatMessages,
        ...chats,
        ...chatsBesideCall,
        ...chatsHandedOn,
        ...chatsIdle,
        ...chatsParked,
        ...chatsTransferred,
        ...operatorsConsole,
        ...desk,
        ...events,
        ...failOpen,
        ...inPlace,
        ...onHold,
        ...outage,
        ...outbound,
        ...external,
        ...lost,
        ...network,
        ...pages,
        ...queues,
        ...servers,
        ...sideBySide,
        ...signOut,
        ...silence,
        ...sockets,
        ...stories,
        ...supervisors,
        ...transfers,
      })
        .filter((story) => typeof story === 'object')
        .concat(deskPhones)
    : onOldest;

/**
 * @param {{browser: string, shell?: string, firefox?: import('../../scripts/lib/firefox.mjs').Firefox, only?: string, quick?: boolean, lanes?: number, flexes: Flex[]}} options
 *   `shell`: the headless shell of the browser; `firefox`: the agents have it, instead of Chromium; `only`: a part of the titles to play; `quick`: one story for each main
 *   path; `lanes`: the number of stories that are played side by side
 * @returns {Promise<import('./story.mjs').Outcome>}
 */
export async function runAll({ browser, shell, firefox, only = '', quick = false, lanes = LANES, flexes }) {
  const plays = flexes.map((flex) => {
    const all = (firefox ? onFirefox : storiesOn(flex)).filter((story) => !quick || QUICK.includes(story));
    return { flex, all, chosen: all.filter(({ title }) => title.toLowerCase().includes(only.toLowerCase())) };
  });
  if (!plays.some(({ chosen }) => chosen.length)) {
    const titles = new Set(plays.flatMap(({ all }) => all.map(({ title }) => title)));
    throw new Advice(`--story ${only}: there are\n  ${[...titles].join('\n  ')}`);
  }
  /** @type {import('./story.mjs').Outcome} */
  const outcome = { passed: 0, missed: [], again: [] };
  for (const { flex, chosen } of plays.filter(({ chosen }) => chosen.length)) {
    const where = firefox ? '-firefox' : flex === newest ? '' : `-${flex.name}`;
    const artefacts = path.join(root, `target/e2e${where}`);
    // Stories that take several servers have demos of their own.
    for (const servers of new Set(chosen.map((story) => story.servers ?? 1))) {
      const stories = chosen.filter((story) => (story.servers ?? 1) === servers);
      const isChat = (/** @type {import('./story.mjs').Told} */ story) =>
        CHATS.includes(/** @type {any} */ (story));
      // The third lane is for chats.
      const many = Math.min(stories.some(isChat) ? lanes : Math.min(lanes, 2), stories.length);
      const on = servers > 1 ? `, on ${servers} servers` : '';
      const how = many > 1 ? `, ${many} stories side by side` : '';
      console.log(
        `\nEnd to end: the real Flex UI ${flex.version}, in ${firefox ? 'Firefox' : 'Chromium'}${on}${how}\n`,
      );
      /** @type {import('./people.mjs').Demo[]} */
      const demos = [];
      /** @type {string[]} */
      const folders = [];
      try {
        // One after another: each looks for ports that are free.
        while (demos.length < many) {
          const data = mkdtempSync(path.join(tmpdir(), 'rejoin-data-'));
          folders.push(data);
          const kept = servers === 1 && { DATABASE_URL: `sqlite:${path.join(data, 'rejoin.sqlite')}` };
          const settings = { ...UNHURRIED, ...kept };
          demos.push(await startDemo({ dir: path.join(artefacts, 'demo'), flex, settings, servers }));
        }
        const { passed, missed, again } = await tell(stories, {
          demos,
          browser,
          shell,
          firefox,
          artefacts,
          isChat,
        });
        outcome.passed += passed;
        outcome.missed.push(...missed);
        outcome.again.push(...again);
      } finally {
        await Promise.all(demos.map((demo) => demo.stop()));
        for (const folder of folders) rmSync(folder, { recursive: true, force: true });
      }
    }
  }
  return outcome;
}
