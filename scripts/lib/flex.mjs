// The Flex UIs that the plugin is tested with: the one that it is built with, and the oldest that it supports.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './run.mjs';

const { devDependencies, peerDependencies } = JSON.parse(
  readFileSync(path.join(root, 'package.json'), 'utf8'),
);
const NAME = '@twilio/flex-ui';

/** @typedef {{name: string, version: string, folder: string}} Flex `folder` holds it as one script, `flex-host.js` */

/** @type {Flex} */
export const newest = {
  name: 'newest',
  version: devDependencies[NAME],
  folder: path.join(root, 'target/flex-host'),
};

/** @type {Flex} */
export const oldest = {
  name: 'oldest',
  version: /^>=([\d.]+)/.exec(peerDependencies[NAME])?.[1] ?? '',
  folder: path.join(root, 'target/flex-host-oldest'),
};

/** Of the package of the oldest one, as the registry states it (`npm view @twilio/flex-ui@… dist.integrity`). */
export const OLDEST_INTEGRITY =
  'sha512-h1MKQvsc1KETlSLLdK3EH5Bq/TUkacpmf1DejNLK0X12z9GUXhXTjnFPC55eShdamsDzOBzz83rgihbxu6NQ5g==';
