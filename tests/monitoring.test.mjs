// Prometheus's rules and Grafana's dashboard in deploy/monitoring say what the runbook says, in PromQL that Prometheus's own
// grammar reads, about figures that the server has. `REJOIN_WRITE_DOCS=1` writes the rules from the runbook.

import { parser } from '@prometheus-io/lezer-promql';
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { format } from 'prettier';
import { root } from '../scripts/lib/run.mjs';

const RULES = 'deploy/monitoring/prometheus.rules.yaml';
/** The dashboards, by their uid. */
const DASHBOARDS = {
  rejoin: 'deploy/monitoring/grafana.json',
  'rejoin-now': 'deploy/monitoring/grafana-now.json',
};
/** Alerts that wake an engineer: calls are not protected, or customers do not get their agents. */
const CRITICAL = [
  'server down',
  'database given up',
  'recoveries fail',
  'unauthorized webhooks',
  'failsafe',
  'given up',
  'monitor alerts',
];

const read = (/** @type {string} */ file) => readFileSync(path.join(root, file), 'utf8');
const runbook = read('docs/runbook.md');

/** The rows of the table below a heading of the runbook, without its head. */
function rows(/** @type {string} */ heading) {
  const [, below] = runbook.split(`\n## ${heading}\n`);
  const table = below.split('\n').slice(below.split('\n').findIndex((line) => line.startsWith('|')));
  const lines = table.slice(
    2,
    table.findIndex((line) => !line.startsWith('|')),
  );
  return lines.map((line) =>
    line
      .replaceAll('\\|', '\0')
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('\0', '|')),
  );
}

/** Names of the figures in the runbook. */
const figures = rows('Figures').flatMap(([names]) =>
  [...names.matchAll(/rejoin_[a-z_]+/g)].map(([name]) => name),
);

/** What PromQL's grammar does not read, and the figures that it names. */
function promql(/** @type {string} */ text) {
  const wrong = [];
  const named = [];
  parser.parse(text).iterate({
    enter(node) {
      const part = text.slice(node.from, node.to);
      if (node.type.isError) wrong.push(`${text}: at "${text.slice(node.from)}"`);
      if (node.name === 'Identifier' && node.node.parent?.name === 'VectorSelector') named.push(part);
    },
  });
  return { wrong, named };
}

const plain = (/** @type {string} */ text) =>
  text.replace(/\[([^\]]+)\]\([^)]+\)/g, '$1').replaceAll('`', '');

/** The alerts of the runbook that Prometheus can find by itself. */
const alerts = rows('Alerts').flatMap(([alert, when, means, todo]) => {
  const codes = [...when.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
  if (!/[<>=]=? ?[\d.]+$/.test(codes[0] ?? '')) return []; // asked at a health check
  const wait = /for (\d+) min/.exec(when)?.[1] ?? '0';
  const name = plain(alert).replace(/[^a-z ]/gi, '');
  const camel = name.replace(/(?:^| )(\w)/g, (_, letter) => letter.toUpperCase());
  const expr = codes.filter((code) => /[<>=]/.test(code)).join(' or ');
  const severity = CRITICAL.includes(plain(alert)) ? 'critical' : 'warning';
  return [{ alert: `Rejoin${camel}`, expr, wait, severity, means: plain(means), todo: plain(todo) }];
});

test('the figures and alerts of the runbook are found', () => {
  assert.ok(figures.length > 30 && alerts.length > 12, `${figures.length} figures, ${alerts.length} alerts`);
  const named = rows('Alerts').map(([alert]) => plain(alert));
  assert.deepEqual(
    CRITICAL.filter((alert) => !named.includes(alert)),
    [],
  );
});

test('the server has all figures of the runbook', () => {
  const sources = readdirSync(path.join(root, 'crates/server/src'), { recursive: true })
    .filter((file) => String(file).endsWith('.rs'))
    .map((file) => read(`crates/server/src/${file}`))
    .join('\n');
  assert.deepEqual(
    figures.filter((name) => !sources.includes(`"${name}"`)),
    [],
  );
});

test('the rules of Prometheus are the alerts of the runbook', async () => {
  const rules = alerts.map(
    ({ alert, expr, wait, severity, means, todo }) => `
      - alert: ${alert}
        expr: ${JSON.stringify(expr)}
        for: ${wait}m
        labels: { severity: ${severity} }
        annotations:
          summary: ${JSON.stringify(means)}
          description: ${JSON.stringify(todo)}`,
  );
  const text = `# Alerts for Prometheus, from docs/runbook.md, which says what each means and what to do. The job that scrapes Rejoin's servers
# is named "rejoin", and sends the operators' token; the monitor's is named "rejoin-monitor".
groups:
  - name: rejoin
    rules:${rules.join('')}
`;
  const made = await format(text, { parser: 'yaml', printWidth: 110, singleQuote: true });
  if (process.env.REJOIN_WRITE_DOCS) writeFileSync(path.join(root, RULES), made);
  assert.equal(read(RULES), made, `${RULES} is out of date: run this test with REJOIN_WRITE_DOCS=1`);
});

test('Prometheus reads every rule, which is about figures that there are', () => {
  const wrong = promql('rejoin_storm ==').wrong;
  assert.equal(wrong.length, 1, 'the grammar finds mistakes');
  for (const { alert, expr } of alerts) {
    const { wrong, named } = promql(expr);
    assert.deepEqual(wrong, [], alert);
    const known = (/** @type {string} */ name) => figures.includes(name.replace(/_(bucket|sum|count)$/, ''));
    assert.deepEqual(
      named.filter((name) => name !== 'up' && !known(name)),
      [],
      alert,
    );
    assert.ok(named.length > 0, alert);
  }
});

test('the dashboards show figures that there are, in PromQL that Prometheus reads', () => {
  for (const [name, file] of Object.entries(DASHBOARDS)) {
    const { panels, templating, uid } = JSON.parse(read(file));
    assert.equal(uid, name);
    assert.deepEqual(
      templating.list.map(({ name, type }) => [name, type]),
      [['datasource', 'datasource']],
    );
    const shown = [];
    for (const { type, title, targets, datasource, gridPos, fieldConfig } of panels) {
      assert.ok(gridPos.w > 0 && gridPos.h > 0 && gridPos.x + gridPos.w <= 24, title);
      if (type === 'row') continue;
      assert.equal(datasource.uid, '${datasource}', title);
      assert.ok(fieldConfig.defaults.unit, `${title} has a unit`);
      for (const { expr } of targets) {
        const { wrong, named } = promql(
          expr.replaceAll('$__rate_interval', '5m').replaceAll('$__range', '1h'),
        );
        assert.deepEqual(wrong, [], title);
        shown.push(...named.map((name) => name.replace(/_(bucket|sum|count)$/, '')));
      }
    }
    assert.deepEqual(
      shown.filter((name) => !figures.includes(name)),
      [],
    );
    const places = panels.map(({ gridPos: { x, y } }) => `${x},${y}`);
    assert.equal(new Set(places).size, panels.length, 'no panel covers another');
    const ids = panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, panels.length, 'each panel has an id of its own');
  }
});

test("a dashboard has each part of the console's view Now", () => {
  const { panels } = JSON.parse(read(DASHBOARDS['rejoin-now']));
  const titles = panels.filter(({ type }) => type === 'row').map(({ title }) => title.toLowerCase());
  const [, view] = read('docs/console.md').split('\n## Now\n');
  const lines = view.split('\n## ')[0].split('\n');
  const parts = lines.filter((line) => line.startsWith('| ')).slice(2);
  assert.deepEqual(titles.sort(), parts.map((line) => line.split('|')[1].trim().toLowerCase()).sort());
});
