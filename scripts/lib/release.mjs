// What a release consists of, as functions of files: versions, notes, archives, checksums, and the bill of materials.

import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

/** The units for systemd in `deploy/`, which the server's archive has. */
export const UNITS = ['rejoin.service', 'rejoin-fallback.service', 'rejoin-monitor.service'];

/** Maximum size of what the image contains, in bytes: the program, and 0.3 MB for certificates. */
export const IMAGE_LIMIT = 30e6;
const CERTIFICATES = 0.3e6;

/**
 * The versions that a release has to agree on, by the file that states them.
 * @param {string} folder the repository
 * @returns {Record<string, string | undefined>}
 */
export function versions(folder) {
  const read = (/** @type {string} */ file) => readFileSync(path.join(folder, file), 'utf8');
  const workspace = /^\[workspace\.package\]\n(?:(?!\[).*\n)*?version = "(.+?)"/m.exec(read('Cargo.toml'));
  const lock = JSON.parse(read('package-lock.json'));
  return {
    'Cargo.toml': workspace?.[1],
    'Cargo.lock': /\[\[package\]\]\nname = "rejoin-server"\nversion = "(.+?)"/.exec(read('Cargo.lock'))?.[1],
    'package.json': JSON.parse(read('package.json')).version,
    'package-lock.json': lock.version === lock.packages[''].version ? lock.version : undefined,
  };
}

/**
 * The section of a version in the changelog, without its heading; `undefined`: there is none, or it is empty.
 * @param {string} changelog
 * @param {string} version
 * @returns {string | undefined}
 */
export function notes(changelog, version) {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((each) => each.startsWith(`[${version}]`));
  return section?.slice(section.indexOf('\n') + 1).trim() || undefined;
}

/**
 * What is in the way of a release, one sentence each.
 * @param {{folder: string, status: string, snapshot?: boolean}} of `status`: the output of `git status --porcelain`;
 *   `snapshot`: of whatever is there, with the notes of what is not released
 * @returns {{version: string, notes: string, complaints: string[]}}
 */
export function judge({ folder, status, snapshot = false }) {
  const all = versions(folder);
  const version = all['package.json'] ?? '';
  const complaints = Object.entries(all)
    .filter(([, other]) => other !== version)
    .map(([file, other]) => `${file} has version ${other ?? '(none)'}, package.json has ${version}.`);
  const section = snapshot ? 'Unreleased' : version;
  const text = notes(readFileSync(path.join(folder, 'CHANGELOG.md'), 'utf8'), section);
  if (!text) complaints.push(`CHANGELOG.md has no section "## [${section}]", or nothing in it.`);
  if (!snapshot && status.trim()) {
    complaints.push(`The tree is not clean: commit, or remove, what git status shows.\n${status.trimEnd()}`);
  }
  return { version: snapshot ? `${version}-snapshot` : version, notes: text ?? '', complaints };
}

/**
 * The command that compiles the server for the image: a RUN line of the Dockerfile's build stage.
 * @param {string} dockerfile
 */
export function buildCommand(dockerfile) {
  const [, stage = ''] = dockerfile.split(/^FROM /m);
  const command = /^RUN (cargo build .*)$/m.exec(stage)?.[1];
  if (!command) throw new Error('deploy/Dockerfile has no line "RUN cargo build …" in its build stage');
  const target = /--target (\S+)/.exec(command)?.[1] ?? '';
  const profile = /--profile (\S+)/.exec(command)?.[1] ?? '';
  return { command, target, program: path.join(target, profile, 'rejoin') };
}

/** A sentence about a program that is too large for the image. @returns {string | undefined} */
export function tooLarge(/** @type {number} */ bytes) {
  if (bytes + CERTIFICATES <= IMAGE_LIMIT) return undefined;
  const mb = (/** @type {number} */ size) => `${(size / 1e6).toFixed(1)} MB`;
  return `The program has ${mb(bytes)}: with certificates the image would exceed ${mb(IMAGE_LIMIT)}.`;
}

/**
 * An archive whose bytes depend on nothing but this: sorted, with one time, no owner. POSIX ustar, gzip.
 * @param {{name: string, content: Buffer, executable?: boolean}[]} files
 * @param {number} seconds time of all files since the Unix epoch
 */
export function archive(files, seconds) {
  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1));
  const blocks = sorted.flatMap(({ name, content, executable }) => {
    const head = Buffer.alloc(512);
    const octal = (/** @type {number} */ value, /** @type {number} */ length) =>
      `${value.toString(8).padStart(length - 1, '0')}\0`;
    if (Buffer.byteLength(name) > 100) throw new Error(`${name} is too long for an archive`);
    head.write(name, 0);
    head.write(octal(executable ? 0o755 : 0o644, 8), 100);
    head.write(octal(0, 8), 108);
    head.write(octal(0, 8), 116);
    head.write(octal(content.length, 12), 124);
    head.write(octal(seconds, 12), 136);
    head.write(' '.repeat(8), 148); // its own sum is taken over spaces
    head.write('0', 156);
    head.write('ustar\x0000', 257);
    head.write(
      `${octal(
        head.reduce((sum, byte) => sum + byte, 0),
        7,
      )} `,
      148,
    );
    return [head, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]), { level: 9 });
}

const sha256 = (/** @type {Buffer} */ bytes) => createHash('sha256').update(bytes).digest('hex');

/** The lines of SHA256SUMS for the files of a folder, as `sha256sum --check` reads them. */
export function checksums(/** @type {string} */ folder) {
  return readdirSync(folder)
    .filter((name) => name !== 'SHA256SUMS')
    .sort()
    .map((name) => `${sha256(readFileSync(path.join(folder, name)))}  ${name}\n`)
    .join('');
}

/** @typedef {{name: string, version: string, licence: string, purl: string, sha256?: string, uses: string[]}} Component */

/** Format of `cargo tree` that {@link crates} reads. */
export const TREE = ['--prefix', 'depth', '--format', '\t{p}\t{l}'];

/**
 * The crates that are compiled into a program, with what each uses.
 * @param {string} tree what `cargo tree` printed, in the format {@link TREE}
 * @param {string} lock Cargo.lock
 * @returns {Component[]} the first one is the program itself
 */
export function crates(tree, lock) {
  const sums = new Map(
    [...lock.matchAll(/name = "(.+?)"\nversion = "(.+?)"\nsource = .*\nchecksum = "(.+?)"/g)].map(
      ([, name, version, sum]) => [`${name}@${version}`, sum],
    ),
  );
  /** @type {Map<string, Component>} */
  const found = new Map();
  /** @type {Component[]} */
  const above = [];
  for (const line of tree.split('\n').filter(Boolean)) {
    const [depth, what, licence] = line.split('\t');
    const [name, version] = what.split(' ');
    const key = `${name}@${version.slice(1)}`;
    const component = found.get(key) ?? {
      name,
      version: version.slice(1),
      // Crates of before 2021 may separate with a slash.
      licence: licence.replace(/ \(\*\)$/, '').replaceAll('/', ' OR '),
      purl: `pkg:cargo/${key.replaceAll('+', '%2B')}`,
      sha256: sums.get(key),
      uses: [],
    };
    found.set(key, component);
    const user = above[Number(depth) - 1];
    if (user && !user.uses.includes(component.purl)) user.uses.push(component.purl);
    above.splice(Number(depth), Infinity, component);
  }
  return [...found.values()];
}

/**
 * The licences of what is compiled in, as their authors ask to have them passed on: each text once, with whose it is.
 * @param {Component[]} parts
 * @param {Map<string, string>} folders where the sources are, by name@version
 */
export function licences(parts, folders) {
  /** @type {Map<string, string[]>} */
  const texts = new Map();
  for (const { name, version, licence } of parts) {
    const folder = folders.get(`${name}@${version}`) ?? '';
    const found = readdirSync(folder)
      .filter((file) => /^(licen[cs]e|copying|copyright|notice|unlicense)/i.test(file))
      .filter((file) => statSync(path.join(folder, file)).isFile())
      .sort();
    // Some crates have theirs in their repository only.
    const all = found.length
      ? found.map((file) => readFileSync(path.join(folder, file), 'utf8'))
      : [`${licence}, without a text of its own`];
    for (const text of all.map((each) => each.replaceAll('\r', '').trim())) {
      texts.set(text, [...(texts.get(text) ?? []), `${name} ${version} (${licence})`]);
    }
  }
  const sections = [...texts].map(([text, whose]) => `${[...new Set(whose)].join('\n')}\n\n${text}\n`);
  return sections.join(`\n${'='.repeat(80)}\n\n`);
}

/**
 * A sentence about a source map that names folders of a machine: a cache that was copied from another folder does that.
 * @param {string[]} sources
 * @returns {string | undefined}
 */
export function strange(sources) {
  const found = sources.find((source) => /^(?:webpack:\/\/\/)?\//.test(source));
  return (
    found && `The plugin's source map names ${found}: remove node_modules/.cache and build, and try again.`
  );
}

/**
 * The packages of npm that a bundle contains.
 * @param {string[]} sources of its source map
 * @param {{packages: Record<string, {version: string, license?: string, integrity?: string}>}} lock package-lock.json
 * @returns {Component[]}
 */
export function packages(sources, lock) {
  const folders = sources.map((source) => /(?:.*\/)?(node_modules\/(?:@[^/]+\/)?[^/]+)/.exec(source)?.[1]);
  return [...new Set(folders.filter((folder) => folder !== undefined))].sort().map((folder) => {
    const { version, license = '' } = lock.packages[folder];
    const name = folder.slice('node_modules/'.length);
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
    return { name, version, licence: license, purl, uses: [] };
  });
}

/**
 * A bill of materials in CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/).
 * @param {Component} program
 * @param {Component[]} parts what is in it
 * @param {{seconds: number, type?: string}} of the time of the release
 */
export function bill(program, parts, { seconds, type = 'application' }) {
  const sorted = [...parts].sort((a, b) => (a.purl < b.purl ? -1 : 1));
  const of = (/** @type {Component} */ part, /** @type {string} */ kind) => ({
    type: kind,
    'bom-ref': part.purl,
    name: part.name,
    version: part.version,
    ...(part.licence ? { licenses: [{ expression: part.licence }] } : {}),
    ...(part.sha256 ? { hashes: [{ alg: 'SHA-256', content: part.sha256 }] } : {}),
    purl: part.purl,
  });
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      timestamp: new Date(seconds * 1000).toISOString(),
      component: of(program, type),
    },
    components: sorted.map((part) => of(part, 'library')),
    dependencies: [program, ...sorted].map(({ purl, uses }) => ({ ref: purl, dependsOn: [...uses].sort() })),
  };
}
