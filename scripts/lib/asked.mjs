// The options of a command that npm runs.

import { parseArgs } from 'node:util';
import { Advice } from './say.mjs';

/**
 * Reads the options. npm takes those before `--` for itself, and the command would run without them: this is refused.
 * @template {import('node:util').ParseArgsConfig['options'] & {}} T
 * @param {T} options
 * @param {string} command such as `npm start`
 * @param {string} usage
 */
export function asked(options, command, usage) {
  for (const name of Object.keys(options)) {
    if (process.env[`npm_config_${name.replaceAll('-', '_')}`]) {
      throw new Advice(`npm has taken --${name} for itself. Put -- before it: ${command} -- --${name} …`);
    }
  }
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    throw new Advice(`${error instanceof Error ? error.message : error}\n\n${usage}`);
  }
}
