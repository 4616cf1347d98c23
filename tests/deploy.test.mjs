// The files in deploy/ agree with the server: settings, ports, routes, and the time that it takes to stop.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { parsers } from 'prettier/plugins/yaml';
import { UNITS } from '../scripts/lib/release.mjs';
import { root } from '../scripts/lib/run.mjs';

const read = (/** @type {string} */ file) => readFileSync(path.join(root, file), 'utf8');
const deployed = readdirSync(path.join(root, 'deploy'), { withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map(({ name }) => `deploy/${name}`);

/** Variables of PostgreSQL's client that the driver takes. */
const POSTGRES = ['PGPASSWORD'];
/** Names of all settings. */
const settings = [...read('rejoin.default.toml').matchAll(/^# ([A-Z][A-Z_]+)(?:$|, or )/gm)].map(
  ([, name]) => name,
);
/** Paths that the server answers. */
const routes = [...read('crates/server/src/http/mod.rs').matchAll(/\.route\("([^"]+)"/g)].map(
  ([, path]) => path,
);
/** How long requests in progress may take when the server stops, in seconds. */
const LAST_REQUESTS = Number(
  /LAST_REQUESTS: Duration = Duration::from_secs\((\d+)\)/.exec(read('crates/server/src/server.rs'))?.[1],
);
/** How long a server that starts waits for its database, in seconds. */
const DATABASE_WAIT = Number(/^# database_wait_ms = (\d+)$/m.exec(read('rejoin.default.toml'))?.[1]) / 1000;

/** Documents of a YAML file as objects: what prettier's parser finds. */
async function yaml(/** @type {string} */ file) {
  const value = (/** @type {any} */ node) => {
    switch (node?.type) {
      case undefined:
      case 'null':
        return null;
      case 'mapping':
      case 'flowMapping':
        return Object.fromEntries(
          node.children.map(({ children: [key, item] }) => [
            value(key.children[0]),
            value(item?.children?.[0]),
          ]),
        );
      case 'sequence':
      case 'flowSequence':
        return node.children.map(({ children, type, ...rest }) =>
          value(type.endsWith('Item') ? children[0] : { children, type, ...rest }),
        );
      case 'plain':
        return /^\d+$/.test(node.value) ? Number(node.value) : node.value;
      case 'quoteDouble':
      case 'quoteSingle':
        return node.value;
      default:
        throw new Error(`${node.type} is not read here`);
    }
  };
  const parsed = await /** @type {any} */ (parsers.yaml).parse(read(file));
  return parsed.children.map((/** @type {any} */ { children }) => value(children[1].children[0]));
}

test('settings, routes and the time to stop are found', () => {
  assert.ok(settings.length > 40, `${settings.length} settings`);
  assert.ok(routes.includes('/health/live') && routes.length > 20, `${routes.length} routes`);
  assert.ok(LAST_REQUESTS > 0);
  assert.ok(DATABASE_WAIT > 0);
});

test('they name only settings that there are', () => {
  const known = new Set([...settings, ...POSTGRES]);
  for (const file of deployed) {
    const named = [...read(file).matchAll(/\b((?:REJOIN|TWILIO|DATABASE|PG)_?[A-Z_]+)\b/g)].map(
      ([, name]) => name,
    );
    const unknown = named.filter((name) => !known.has(name) && !known.has(name.replace(/_FILE$/, '')));
    assert.deepEqual(unknown, [], file);
    assert.ok(named.length > 1, `${file} names no settings`);
  }
});

test('they ask for nothing but what the server answers', () => {
  for (const file of deployed) {
    const asked = [
      ...read(file).matchAll(/(?<![\w/.-])(\/(?:health|webhooks|twiml|v1|operator|metrics)[\w/-]*)/g),
    ];
    const concrete = asked.map(([, name]) => name).filter((name) => name !== '/operator');
    assert.deepEqual(
      concrete.filter((name) => !routes.includes(name)),
      [],
      file,
    );
  }
});

test('the image has the program, certificates and a folder, and no user but its own', () => {
  const [, , image] = read('deploy/Dockerfile').split(/^FROM /m);
  const lines = image.split('\n').filter((line) => line && !line.startsWith('#'));
  assert.equal(lines[0], 'scratch');
  assert.deepEqual(
    lines.filter((line) => /^(COPY|ADD|RUN)\b/.test(line)).map((line) => line.split(' ').at(-1)),
    ['/etc/ssl/certs/ca-certificates.crt', '/rejoin', '/var/lib/rejoin'],
  );
  assert.match(image, /^USER 65532:65532$/m);
  assert.match(image, /^HEALTHCHECK .*\["\/rejoin", "health"\]$/m);
  assert.match(image, /^EXPOSE 8080$/m);
  assert.match(image, /REJOIN_LISTEN=0\.0\.0\.0:8080 /);
  const wanted = /^rust-version = "(.+)"/m.exec(read('Cargo.toml'))?.[1];
  assert.ok(read('deploy/Dockerfile').includes(`\nFROM rust:${wanted}-`), `it is built with Rust ${wanted}`);
});

test('what the image is built from is not left out', () => {
  const ignored = read('.dockerignore').split('\n');
  for (const needed of ['Cargo.toml', 'Cargo.lock', 'crates', 'src']) {
    assert.ok(!ignored.includes(needed), needed);
  }
});

test('Kubernetes runs two servers, without privileges, and takes none away before it has another', async () => {
  const all = await yaml('deploy/kubernetes.yaml');
  const [config, deployment, budget, service] = all;
  assert.deepEqual(
    all.map(({ kind }) => kind),
    ['ConfigMap', 'Deployment', 'PodDisruptionBudget', 'Service'],
  );
  const { replicas, strategy, selector, template } = deployment.spec;
  assert.equal(replicas, 2);
  assert.deepEqual(strategy.rollingUpdate, { maxUnavailable: 0, maxSurge: 1 });
  assert.equal(budget.spec.minAvailable, 1);
  for (const labels of [selector.matchLabels, budget.spec.selector.matchLabels, service.spec.selector]) {
    assert.deepEqual(labels, template.metadata.labels);
  }
  const { securityContext, terminationGracePeriodSeconds, containers, volumes } = template.spec;
  const [server] = containers;
  assert.equal(securityContext.runAsNonRoot, 'true');
  assert.equal(server.securityContext.readOnlyRootFilesystem, 'true');
  assert.equal(server.securityContext.allowPrivilegeEscalation, 'false');
  assert.deepEqual(server.securityContext.capabilities, { drop: ['ALL'] });

  // Ports and probes.
  const ports = Object.fromEntries(server.ports.map(({ name, containerPort }) => [name, containerPort]));
  assert.equal(config.data.REJOIN_LISTEN, `0.0.0.0:${ports.http}`);
  assert.equal(config.data.REJOIN_OPERATOR_LISTEN, `0.0.0.0:${ports.operators}`);
  assert.equal(service.spec.ports[0].targetPort, 'http');
  assert.deepEqual(server.livenessProbe.httpGet, { path: '/health/live', port: 'http' });
  // A server that waits for its database answers nothing.
  const { periodSeconds, failureThreshold } = server.startupProbe;
  assert.ok(periodSeconds * failureThreshold > DATABASE_WAIT);
  // With an address for operators, readiness is served there only.
  assert.deepEqual(server.readinessProbe.httpGet, { path: '/health/ready', port: 'operators' });

  // The time to stop.
  const before = server.lifecycle.preStop.sleep.seconds;
  assert.ok(terminationGracePeriodSeconds >= before + 2 * LAST_REQUESTS);

  // Secrets are files, in volumes that are mounted; all that is required is set.
  const mounts = Object.fromEntries(server.volumeMounts.map(({ name, mountPath }) => [name, mountPath]));
  assert.deepEqual(Object.keys(mounts).sort(), volumes.map(({ name }) => name).sort());
  const env = Object.fromEntries(server.env.map(({ name, value }) => [name, value]));
  for (const name of ['TWILIO_AUTH_TOKEN_FILE', 'REJOIN_OPERATOR_TOKEN_FILE']) {
    assert.equal(path.dirname(env[name]), mounts.secrets, name);
  }
  assert.ok(config.data.DATABASE_URL.includes(`sslrootcert=${mounts['database-ca']}/`));
});

test('every place leaves the server the time that it needs to stop', () => {
  const seconds = (/** @type {string} */ file, /** @type {RegExp} */ pattern) =>
    Number(pattern.exec(read(file))?.[1]);
  assert.ok(seconds('deploy/rejoin.service', /^TimeoutStopSec=(\d+)$/m) >= 2 * LAST_REQUESTS);
  assert.ok(seconds('deploy/fly.toml', /^kill_timeout = "(\d+)s"$/m) >= 2 * LAST_REQUESTS);
});

test('systemd starts the server whatever the check of its settings says', () => {
  assert.match(read('deploy/rejoin.service'), /^ExecStartPre=-\/usr\/local\/bin\/rejoin check-config /m);
});

test('systemd does not give up starting them', () => {
  for (const unit of ['rejoin', 'rejoin-fallback', 'rejoin-monitor']) {
    const [before, service] = read(`deploy/${unit}.service`).split('[Service]');
    assert.match(service, /^Restart=always$/m, unit);
    assert.match(before, /^StartLimitIntervalSec=0$/m, unit);
  }
});

test('Fly.io asks at the port at which the server listens', () => {
  const fly = read('deploy/fly.toml');
  const port = /^internal_port = (\d+)$/m.exec(fly)?.[1];
  assert.ok(fly.includes(`REJOIN_LISTEN = "0.0.0.0:${port}"`));
});

test('systemd finds nothing wrong with the units', (context) => {
  if (spawnSync('systemd-analyze', ['--version']).status !== 0) {
    context.skip('systemd-analyze is missing: the units are not verified here');
    return;
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'rejoin-unit-'));
  try {
    const units = UNITS.map((name) => {
      const unit = path.join(folder, name);
      // The program is not installed here; what is verified is the unit.
      writeFileSync(unit, read(`deploy/${name}`).replaceAll('/usr/local/bin/rejoin', process.execPath));
      return unit;
    });
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units]);
    assert.equal(`${stdout}${stderr}`, '');
    assert.equal(status, 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
