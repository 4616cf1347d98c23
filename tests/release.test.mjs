// What `npm run release` refuses, and what it writes.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import * as release from '../scripts/lib/release.mjs';
import { root } from '../scripts/lib/run.mjs';

const folder = mkdtempSync(path.join(tmpdir(), 'rejoin-release-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const write = (/** @type {string} */ name, /** @type {string | Buffer} */ content) =>
  writeFileSync(path.join(folder, name), content);
/** @param {string} program @param {string[]} args */
const run = (program, ...args) => {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder });
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${stderr}`);
  return String(stdout);
};
const status = () => run('git', 'status', '--porcelain');

/** A repository with what a release looks at, committed. */
function repository({
  version = '1.2.3',
  workspace = version,
  changelog = `## [${version}]\n\n- Something.\n`,
}) {
  write('Cargo.toml', `[workspace]\nmembers = []\n\n[workspace.package]\nversion = "${workspace}"\n`);
  write('Cargo.lock', `[[package]]\nname = "rejoin-server"\nversion = "${version}"\n`);
  write('package.json', JSON.stringify({ version }));
  write('package-lock.json', JSON.stringify({ version, packages: { '': { version } } }));
  write('CHANGELOG.md', `# Changelog\n\n## [Unreleased]\n\n- Later.\n\n${changelog}`);
  run('git', 'init', '-q');
  run('git', 'add', '--all');
  run('git', '-c', 'user.name=a', '-c', 'user.email=a@example.com', 'commit', '-qm', 'All', '--allow-empty');
}

test('a clean tree with one version and its changes is a release', () => {
  repository({});
  const judged = release.judge({ folder, status: status() });
  assert.deepEqual(judged, { version: '1.2.3', notes: '- Something.', complaints: [] });
});

test('versions that differ are refused', () => {
  repository({ workspace: '1.2.4' });
  assert.deepEqual(release.judge({ folder, status: status() }).complaints, [
    'Cargo.toml has version 1.2.4, package.json has 1.2.3.',
  ]);
});

test('a version without changes is refused', () => {
  for (const changelog of ['', '## [1.2.3]\n\n', '## [1.2.30]\n\n- Of another one.\n']) {
    repository({ changelog });
    assert.deepEqual(release.judge({ folder, status: status() }).complaints, [
      'CHANGELOG.md has no section "## [1.2.3]", or nothing in it.',
    ]);
  }
});

test('a tree that is not clean is refused, except for a snapshot', () => {
  repository({});
  write('new', '');
  const [complaint, ...others] = release.judge({ folder, status: status() }).complaints;
  assert.match(complaint, /not clean.*\n\?\? new$/);
  assert.deepEqual(others, []);
  assert.deepEqual(release.judge({ folder, status: status(), snapshot: true }), {
    version: '1.2.3-snapshot',
    notes: '- Later.',
    complaints: [],
  });
  rmSync(path.join(folder, 'new'));
});

test('this repository states one version, and the changelog has what is not released', () => {
  assert.deepEqual(release.judge({ folder: root, status: '', snapshot: true }).complaints, []);
});

test('the notes of a version end where the next one begins', () => {
  const text = '# Changelog\n\n## [2.0.0] - 2026-01-01\n\n### Added\n\n- A.\n\n## [1.0.0]\n\n- B.\n';
  assert.equal(release.notes(text, '2.0.0'), '### Added\n\n- A.');
  assert.equal(release.notes(text, '1.0.0'), '- B.');
  assert.equal(release.notes(text, '3.0.0'), undefined);
});

test('an archive has the same bytes whatever the order, and tar reads it', () => {
  const one = { name: 'a/one', content: Buffer.from('1'.repeat(600)), executable: true };
  const two = { name: 'a/two', content: Buffer.from('2') };
  const made = release.archive([one, two], 1_763_672_400);
  assert.ok(made.equals(release.archive([two, one], 1_763_672_400)));
  write('a.tar.gz', made);
  const listed = run('tar', '--list', '--verbose', '--utc', '--file', 'a.tar.gz').trim().split('\n');
  assert.match(listed[0], /^-rwxr-xr-x 0\/0 +600 2025-11-20 21:00 a\/one$/);
  assert.match(listed[1], /^-rw-r--r-- 0\/0 +1 2025-11-20 21:00 a\/two$/);
  run('tar', '--extract', '--file', 'a.tar.gz');
  assert.ok(readFileSync(path.join(folder, 'a/one')).equals(one.content));
});

test('sha256sum accepts the checksums, and notices a change', () => {
  const files = path.join(folder, 'files');
  mkdirSync(files);
  writeFileSync(path.join(files, 'b'), 'b');
  writeFileSync(path.join(files, 'a'), 'a');
  writeFileSync(path.join(files, 'SHA256SUMS'), release.checksums(files));
  const check = () => spawnSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: files });
  assert.equal(String(check().stdout), 'a: OK\nb: OK\n');
  writeFileSync(path.join(files, 'a'), 'x');
  assert.notEqual(check().status, 0);
});

test('the bill of materials has what is compiled in, with licence, checksum and user', () => {
  const tree = [
    '0\tserver v1.0.0 (/src)\tApache-2.0',
    '1\tone v0.1.0\tMIT/Apache-2.0',
    '2\ttwo v2.0.0\tMIT',
    '1\ttwo v2.0.0\tMIT (*)',
    '',
  ].join('\n');
  const lock = '[[package]]\nname = "two"\nversion = "2.0.0"\nsource = "registry"\nchecksum = "abc"\n';
  const [server, ...parts] = release.crates(tree, lock);
  const made = release.bill(server, parts, { seconds: 0 });
  assert.deepEqual(
    made.components.map(({ name, licenses, hashes }) => [
      name,
      licenses?.[0].expression,
      hashes?.[0].content,
    ]),
    [
      ['one', 'MIT OR Apache-2.0', undefined],
      ['two', 'MIT', 'abc'],
    ],
  );
  assert.deepEqual(made.dependencies, [
    { ref: 'pkg:cargo/server@1.0.0', dependsOn: ['pkg:cargo/one@0.1.0', 'pkg:cargo/two@2.0.0'] },
    { ref: 'pkg:cargo/one@0.1.0', dependsOn: ['pkg:cargo/two@2.0.0'] },
    { ref: 'pkg:cargo/two@2.0.0', dependsOn: [] },
  ]);
  assert.equal(made.metadata.timestamp, '1970-01-01T00:00:00.000Z');
});

test('each licence is passed on once, with the names of those whose it is', () => {
  const part = (/** @type {string} */ name, /** @type {string} */ text) => {
    const sources = path.join(folder, name);
    mkdirSync(sources);
    if (text) writeFileSync(path.join(sources, 'LICENSE-MIT'), text);
    return { name, version: '1.0.0', licence: 'MIT', purl: name, uses: [] };
  };
  const parts = [part('x', 'Same.\n'), part('y', 'Same.'), part('z', '')];
  const folders = new Map(parts.map(({ name }) => [`${name}@1.0.0`, path.join(folder, name)]));
  const [same, none] = release.licences(parts, folders).split(/=+/);
  assert.equal(same.trim(), 'x 1.0.0 (MIT)\ny 1.0.0 (MIT)\n\nSame.');
  assert.match(none, /z 1\.0\.0 \(MIT\)\n\nMIT, without a text of its own/);
});

test('the packages of a bundle are those of its source map', () => {
  const entry = { version: '1.0.0', license: 'MIT' };
  const lock = { packages: { 'node_modules/@twilio/flex-plugin': entry, 'node_modules/unused': entry } };
  const sources = ['webpack:///js-shim/a.js', 'webpack:///node_modules/@twilio/flex-plugin/x.js'];
  assert.deepEqual(
    release.packages(sources, lock).map(({ purl }) => purl),
    ['pkg:npm/%40twilio/flex-plugin@1.0.0'],
  );
});

test('a source map that names folders of this machine is refused', () => {
  assert.equal(release.strange(['webpack:///webpack/bootstrap', 'webpack:///./js-shim/a.js']), undefined);
  assert.match(release.strange(['webpack:////home/a/js-shim/a.js']) ?? '', /names webpack:\/\/\/\/home/);
});

test('the server is built as in the image, and has to fit into it', () => {
  const { command, target, program } = release.buildCommand(
    readFileSync(path.join(root, 'deploy/Dockerfile'), 'utf8'),
  );
  assert.match(command, /^cargo build --locked --profile dist /);
  assert.equal(program, `${target}/dist/rejoin`);
  assert.throws(() => release.buildCommand('FROM a\nRUN make\nFROM b\nRUN cargo build --target x'));
  assert.equal(release.tooLarge(29.7e6), undefined);
  assert.match(release.tooLarge(29.8e6) ?? '', /29\.8 MB/);
});

test('an option that npm has taken for itself does not build a release', () => {
  const script = path.join(root, 'scripts/release.mjs');
  const taken = { ...process.env, npm_config_dry_run: 'true' };
  const { status, stdout } = spawnSync(process.execPath, [script], { env: taken, encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stdout, /npm has taken --dry-run for itself.*npm run release -- --dry-run/);
});
