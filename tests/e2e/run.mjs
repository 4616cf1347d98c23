// All stories, on a demo of their own.

import path from 'node:path';
import { startDemo } from '../../scripts/lib/demo.mjs';
import { root } from '../../scripts/lib/run.mjs';
import { Advice } from '../../scripts/lib/say.mjs';
import * as inPlace from './in-place.mjs';
import * as stories from './stories.mjs';
import { tell } from './story.mjs';

/**
 * @param {{browser: string, only?: string}} options `only`: a part of the titles to play
 * @returns {Promise<{passed: number, failed: number}>}
 */
export async function runAll({ browser, only = '' }) {
  const artefacts = path.join(root, 'target/e2e');
  const all = Object.values({ ...inPlace, ...stories });
  const chosen = all.filter(({ title }) => title.toLowerCase().includes(only.toLowerCase()));
  if (!chosen.length) {
    throw new Advice(`--story ${only}: there are\n  ${all.map(({ title }) => title).join('\n  ')}`);
  }
  const demo = await startDemo({ dir: path.join(artefacts, 'demo') });
  try {
    return await tell(chosen, { demo, browser, artefacts });
  } finally {
    await demo.stop();
  }
}
