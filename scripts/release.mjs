// `npm run release`: checks that this is a release, builds it, and writes it to build/release: the server as one static
// program, the plugin's bundle, bills of materials, the changelog's section, and checksums. `--dry-run` only checks.
// `--snapshot` builds whatever is there, with the notes of what is not released.

import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { asked } from './lib/asked.mjs';
import {
  TREE,
  UNITS,
  archive,
  bill,
  buildCommand,
  checksums,
  crates,
  judge,
  licences,
  packages,
  strange,
  tooLarge,
} from './lib/release.mjs';
import { root, run } from './lib/run.mjs';
import { Advice, giveUp, say, step } from './lib/say.mjs';
import { musl } from './lib/setup.mjs';
import { kb } from './lib/sizes.mjs';

const usage = `npm run release [-- --dry-run | --snapshot]
  --dry-run    only check whether this is a release
  --snapshot   build whatever is there, with the notes of what is not released`;

const options = /** @type {const} */ ({
  'dry-run': { type: 'boolean', default: false },
  snapshot: { type: 'boolean', default: false },
});

const file = (/** @type {string[]} */ ...parts) => path.join(root, ...parts);
const PLUGIN = 'plugin-rejoin';
const WASM = 'wasm32-unknown-unknown';

/** Paths of this machine in messages and symbols would make every machine's program another one. */
function independent(/** @type {number} */ seconds) {
  const crateSources = path.join(process.env.CARGO_HOME ?? path.join(homedir(), '.cargo'), 'registry', 'src');
  const maps = [`${crateSources}=crates`, `${root}=rejoin`];
  return {
    SOURCE_DATE_EPOCH: String(seconds),
    CARGO_ENCODED_RUSTFLAGS: maps.map((map) => `--remap-path-prefix=${map}`).join('\x1f'),
    TARGET_CFLAGS: maps.map((map) => `-ffile-prefix-map=${map}`).join(' '),
  };
}

/** The crates of a program; what only compiles it, and macros, are not in it. */
async function tree(/** @type {string} */ crate, /** @type {string} */ target) {
  const edges = ['--edges', 'normal,no-proc-macro'];
  const printed = await run('cargo', [
    'tree',
    '--locked',
    '-p',
    crate,
    '--target',
    target,
    ...edges,
    ...TREE,
  ]);
  return crates(printed, readFileSync(file('Cargo.lock'), 'utf8'));
}

/** Folders of the sources of all crates, by name@version. */
async function sources() {
  const { packages: all } = JSON.parse(await run('cargo', ['metadata', '--locked', '--format-version', '1']));
  return new Map(
    all.map((/** @type {Record<string, string>} */ { name, version, manifest_path: manifest }) => [
      `${name}@${version}`,
      path.dirname(manifest),
    ]),
  );
}

async function main() {
  const values = asked(options, 'npm run release', usage);
  const status = await run('git', ['status', '--porcelain']);
  const { version, notes, complaints } = judge({ folder: root, status, snapshot: Boolean(values.snapshot) });
  if (complaints.length) throw new Advice(`This is not a release:\n  ${complaints.join('\n  ')}`);
  const seconds = Number(process.env.SOURCE_DATE_EPOCH ?? (await run('git', ['log', '-1', '--format=%ct'])));
  const { command, target, program } = buildCommand(readFileSync(file('deploy/Dockerfile'), 'utf8'));
  if (values['dry-run']) {
    say(`Version ${version} can be released. Without --dry-run this would run`);
    say(`  npm run build\n  ${command}\nand write the result to build/release.`);
    return;
  }

  await musl(target);
  await step('build the plugin', (heard) => run('node', ['scripts/build.mjs'], { heard }));
  const map = JSON.parse(readFileSync(file('build', `${PLUGIN}.js.map`), 'utf8'));
  const named = strange(map.sources);
  if (named) throw new Advice(named);
  await step('build the server, static (some minutes)', (heard) =>
    run('sh', ['-c', `exec ${command}`], { heard, env: independent(seconds) }),
  );
  const binary = path.resolve(root, process.env.CARGO_TARGET_DIR ?? 'target', program);
  const complaint = tooLarge(statSync(binary).size);
  if (complaint) throw new Advice(complaint);

  const folder = file('build/release');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const write = (/** @type {string} */ name, /** @type {string | Buffer} */ content) =>
    writeFileSync(path.join(folder, name), content);
  const take = (/** @type {string} */ name, /** @type {string} */ from, executable = false) => ({
    name,
    content: readFileSync(from),
    executable,
  });
  const [serverItself, ...serverParts] = await tree('rejoin-server', target);
  // What a registry has, it has a checksum of.
  const ofOthers = serverParts.filter(({ sha256 }) => sha256);
  const server = `rejoin-${version}-${target}`;
  write(
    `${server}.tar.gz`,
    archive(
      [
        take(`${server}/rejoin`, binary, true),
        ...UNITS.map((unit) => take(`${server}/${unit}`, file(`deploy/${unit}`))),
        take(`${server}/rejoin.default.toml`, file('rejoin.default.toml')),
        take(`${server}/LICENSE`, file('LICENSE')),
        { name: `${server}/THIRD-PARTY.txt`, content: Buffer.from(licences(ofOthers, await sources())) },
      ],
      seconds,
    ),
  );
  const plugin = `${PLUGIN}-${version}`;
  const bundle = [`${PLUGIN}.js`, `${PLUGIN}.js.map`, `${PLUGIN}.js.LICENSE.txt`];
  write(
    `${plugin}.tar.gz`,
    archive(
      bundle.map((name) => take(`${plugin}/${name}`, file('build', name))),
      seconds,
    ),
  );

  const asJson = (/** @type {object} */ content) => `${JSON.stringify(content, null, 2)}\n`;
  write(`${server}.cdx.json`, asJson(bill(serverItself, serverParts, { seconds })));
  const [core, ...coreParts] = await tree('rejoin-plugin', WASM);
  const scripts = packages(map.sources, JSON.parse(readFileSync(file('package-lock.json'), 'utf8')));
  const used = { ...core, uses: [...core.uses, ...scripts.map(({ purl }) => purl)] };
  write(`${plugin}.cdx.json`, asJson(bill(used, [...coreParts, ...scripts], { seconds, type: 'library' })));

  write('NOTES.md', `${notes}\n`);
  write('SHA256SUMS', checksums(folder));
  say(`\nbuild/release has version ${version}:`);
  say(`  the server: ${kb(statSync(binary).size)}, ${serverParts.length} crates`);
  say(`  the plugin: ${coreParts.length} crates, ${scripts.length} packages`);
  say(checksums(folder).trimEnd());
}

main().catch(giveUp);
