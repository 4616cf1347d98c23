// Builds the plugin: wasm-pack (Rust → pkg/), then Twilio's builder (→ build/plugin-rejoin.js and its map).
// A step whose inputs and outputs are unchanged since it last succeeded is skipped; `--force` runs both. Prints how large
// the result is, and fails above the limits; `--record` writes the sizes to sizes.json, to compare the next build with.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PACKED_TYPES, pack } from './lib/pack.mjs';
import { SHORTEN, shorten } from './lib/shorten.mjs';
import { keep, line, measure, tooLarge } from './lib/sizes.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const at = (...parts) => path.join(root, ...parts);
const stampFile = at('target', 'build-plugin.json');
const force = process.argv.includes('--force');

const files = (entry) => {
  if (!existsSync(at(entry))) return [];
  if (!statSync(at(entry)).isDirectory()) return [entry];
  return readdirSync(at(entry))
    .sort()
    .flatMap((name) => files(path.join(entry, name)));
};

const hash = (entries) => {
  const sum = createHash('sha256');
  for (const file of entries.flatMap(files))
    sum
      .update(file)
      .update('\0')
      .update(readFileSync(at(file)))
      .update('\0');
  return sum.digest('hex');
};

const readStamps = () => {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'));
  } catch {
    return {}; // never built here
  }
};

const env = {
  ...process.env,
  PATH: [at('.tools', 'bin'), at('node_modules', '.bin'), process.env.PATH].join(path.delimiter),
};

const run = (command, args, more = {}) => {
  // Twilio's builder clears the terminal before every line it writes: its output is shown only when it fails.
  const { status, error, stdout } = spawnSync(command, args, {
    cwd: root,
    env: { ...env, ...more },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status === 0) return String(stdout);
  process.stderr.write(stdout ?? '');
  console.error(
    error ? `${command} could not be started: ${error.message}` : `${command} ended with status ${status}.`,
  );
  process.exit(1);
};

const step = (name, inputs, outputs, work) => {
  const stamps = readStamps();
  const before = hash(inputs);
  const whole = outputs.every((file) => existsSync(at(file)));
  if (!force && whole && stamps[name]?.inputs === before && stamps[name]?.outputs === hash(outputs)) {
    console.log(`${name}: unchanged`);
    return;
  }
  const started = performance.now();
  work();
  mkdirSync(path.dirname(stampFile), { recursive: true });
  writeFileSync(
    stampFile,
    JSON.stringify({ ...readStamps(), [name]: { inputs: before, outputs: hash(outputs) } }),
  );
  console.log(`${name}: built in ${((performance.now() - started) / 1000).toFixed(1)} s`);
};

// Glue of another version does not fit the wasm, which wasm-pack reports at length.
const pinned = /^wasm-bindgen = "=([\d.]+)"/m.exec(readFileSync(at('Cargo.toml'), 'utf8'))?.[1];
const found = spawnSync('wasm-bindgen', ['--version'], { env }).stdout?.toString().trim().split(' ').at(-1);
if (found !== pinned) {
  console.error(
    `wasm-bindgen must be ${pinned}, as in Cargo.toml; ${found ? `${found} was found` : 'none was found'}: npm run build installs it.`,
  );
  process.exit(1);
}

const wasm = 'pkg/core_bg.wasm';
const glue = 'pkg/core_bg.js';
const types = 'pkg/core_bg.d.ts';
const packed = 'pkg/core_packed.js';
const languages = 'pkg/languages.json';
const dialog = 'pkg/dialog.json';
const bundle = 'build/plugin-rejoin.js';
const rust = files('src').filter((file) => file.endsWith('.rs'));

// `no-install`: the tools are in .tools/bin, or this fails; nothing is fetched behind the user's back.
const build =
  '--release --target bundler --mode no-install --no-pack --out-dir pkg --out-name core -- -p rejoin-plugin'.split(
    ' ',
  );
// Panic messages name source files: without their location on the build machine, and without the name of the registry, which
// every page would load.
const crates = path.join(process.env.CARGO_HOME ?? path.join(homedir(), '.cargo'), 'registry', 'src');
const registries = existsSync(crates) ? readdirSync(crates).map((name) => path.join(crates, name)) : [];
const remapped = [crates, ...registries].map((from) => `--remap-path-prefix=${from}=crates`);
// What LLVM inlines at this threshold is smaller after gzip than at the 5 of `opt-level = "z"` (0.5 %).
const flags = [...remapped, '-Cllvm-args=-inline-threshold=10'].join('\x1f');
step(
  'wasm',
  [
    ...rust,
    'crates/protocol/src',
    'crates/protocol/Cargo.toml',
    'Cargo.toml',
    'Cargo.lock',
    'scripts/build-plugin.mjs',
    'scripts/lib/pack.mjs',
    'scripts/lib/shorten.mjs',
  ],
  [wasm, glue, types, packed],
  () => {
    run('wasm-pack', ['build', '.', ...build], { CARGO_ENCODED_RUSTFLAGS: flags });
    const names = run('wasm-opt', [
      wasm,
      '-o',
      wasm,
      SHORTEN,
      '--strip-producers',
      '--strip-target-features',
    ]);
    // The shim uses the inner half of the glue and replaces the outer half.
    const start = 'export function __wbindgen_start() { wasm.__wbindgen_start(); }';
    writeFileSync(at(glue), shorten(`${readFileSync(at(glue), 'utf8')}\n${start}\n`, names));
    const more = ['__wbg_set_wasm(exports: object)', '__wbindgen_start()'];
    const inner = more.map((name) => `export function ${name}: void;\n`);
    writeFileSync(at(types), [readFileSync(at('pkg/core.d.ts'), 'utf8'), ...inner].join('\n'));
    writeFileSync(at(packed), pack(readFileSync(at(wasm))));
    writeFileSync(at(packed.replace('.js', '.d.ts')), PACKED_TYPES);
  },
);
const texts = files('js-shim/languages');
step('languages', texts, [languages], () => {
  const all = texts.map((file) => [path.basename(file, '.json'), JSON.parse(readFileSync(at(file), 'utf8'))]);
  writeFileSync(at(languages), JSON.stringify(Object.fromEntries(all)));
});
step('dialog', ['js-shim/dialog'], [dialog], () => {
  // Compiled into the wasm it would count against its size, and pack no better.
  const read = (name) =>
    readFileSync(at('js-shim', 'dialog', name), 'utf8')
      .replace(/\s+/g, ' ')
      .trim();
  writeFileSync(at(dialog), JSON.stringify({ markup: read('dialog.html'), style: read('dialog.css') }));
});
step(
  'bundle',
  ['js-shim', 'src/index.js', glue, packed, languages, dialog, 'webpack.config.js', 'package.json'],
  [bundle, `${bundle}.map`],
  () => run('flex-plugin', ['build']),
);

const sizes = measure();
for (const size of sizes) console.log(line(size));
if (process.argv.includes('--record')) keep(sizes);
const complaints = tooLarge(sizes);
if (complaints.length) {
  console.error(complaints.join('\n'));
  process.exit(1);
}
