// Alert rules, runbooks and dashboard hold together: every alert has its page, every page its
// alert, and every metric that is asked for is one that a node serves.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { parse } from 'yaml';
import { DASHBOARD_FILE, dashboardText, expressions } from '../../../deploy/grafana/dashboard.ts';
import { SpawnedNode } from '../../support/spawned-node.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';

const HOUSE = new URL('../../../', import.meta.url);
const RULES = new URL('deploy/prometheus/holdfast.rules.yml', HOUSE);
const RUNBOOKS = new URL('docs/runbooks/', HOUSE);
/** As in an expression: what stands before a brace, a bracket or an operator. */
const METRIC = /\b(?:holdfast|process|nodejs)_[a-z0-9_]+\b/g;
const OF_HISTOGRAM = /_(?:bucket|sum|count)$/;

type Rule = {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: { readonly severity: string };
  readonly annotations?: Readonly<Record<string, string>>;
};

const { groups } = parse(await readFile(RULES, 'utf8')) as {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);

let folder: TemporaryFolder;
let node: SpawnedNode;
let served: ReadonlySet<string>;

before(async () => {
  folder = await TemporaryFolder.make();
  // With a name it has the metrics of a cluster too.
  node = new SpawnedNode({ data: folder.path, member: { name: 'node-1', peerPort: 0 } });
  const { url, api_key_file: keyFile } = await node.ready();
  const key = (await readFile(keyFile, 'utf8')).trim();
  const headers = { authorization: `Bearer ${key}` };
  await fetch(`${url}/v1/status`, { headers });
  const text = await (await fetch(`${url}/metrics`, { headers })).text();
  served = new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1]!));
});

after(async () => {
  await node[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

/** HoldfastNoLeader is in no-leader.md. */
function pageOf(alert: string): string {
  const words = alert.replace(/^Holdfast/, '').replaceAll(/(?!^)([A-Z])/g, '-$1');
  return `${words.toLowerCase()}.md`;
}

function unserved(expression: string): readonly string[] {
  return (expression.match(METRIC) ?? []).filter(
    (name) => !served.has(name) && !served.has(name.replace(OF_HISTOGRAM, '')),
  );
}

test('every metric in a rule is served', () => {
  assert.ok(rules.length > 20);
  for (const { alert, record, expr } of rules) {
    assert.deepEqual(unserved(expr), [], alert ?? record);
  }
});

test('every recorded series that an alert asks for is recorded', () => {
  const recorded = new Set(rules.map(({ record }) => record));
  for (const { alert, expr } of alerts) {
    for (const name of expr.match(/\bholdfast:[a-z0-9_:]+/g) ?? []) {
      assert.ok(recorded.has(name), `${alert}: ${name}`);
    }
  }
});

test('every metric in the dashboard is served, and the committed file is the generated one', async () => {
  for (const expression of expressions()) assert.deepEqual(unserved(expression), [], expression);
  const committed: unknown = JSON.parse(await readFile(DASHBOARD_FILE, 'utf8'));
  const isSame = isDeepStrictEqual(committed, JSON.parse(dashboardText()));
  assert.ok(isSame, 'node deploy/grafana/dashboard.ts --write renews it');
});

test('every alert has a severity and a runbook, every runbook an alert', async () => {
  const names = alerts.map(({ alert }) => alert!).sort();
  assert.equal(new Set(names).size, names.length);
  for (const { alert, labels, annotations } of alerts) {
    assert.ok(['page', 'ticket'].includes(labels?.severity ?? ''), alert);
    assert.equal(annotations?.['runbook_url'], `docs/runbooks/${pageOf(alert!)}`);
    assert.ok((annotations?.['summary'] ?? '') !== '', alert);
  }
  const pages = (await readdir(RUNBOOKS)).filter((name) => name !== 'README.md').sort();
  assert.deepEqual(pages, names.map(pageOf).sort());
  const list = await readFile(new URL('README.md', RUNBOOKS), 'utf8');
  for (const name of names) {
    assert.ok(list.includes(`](${pageOf(name)})`), name);
    const page = await readFile(new URL(pageOf(name), RUNBOOKS), 'utf8');
    for (const title of ['What it means', 'For the money', 'Where to look', 'What to do']) {
      assert.ok(page.includes(`## ${title}\n`), `${name}: ${title}`);
    }
  }
});

test('what a runbook tells to type, and the settings that it names, there are', async () => {
  const config = await readFile(new URL('src/config/config.ts', HOUSE), 'utf8');
  const commands = await readFile(new URL('docs/reference/cli.md', HOUSE), 'utf8');
  for (const name of await readdir(RUNBOOKS)) {
    const page = await readFile(new URL(name, RUNBOOKS), 'utf8');
    for (const setting of page.match(/\bHOLDFAST_[A-Z_]+/g) ?? []) {
      assert.ok(config.includes(`'${setting}'`), `${name}: ${setting}`);
    }
    for (const [, command = ''] of page.matchAll(/`(holdfast [a-z-]+(?: [a-z-]+)?)/g)) {
      assert.ok(commands.includes(command), `${name}: ${command}`);
    }
  }
});
