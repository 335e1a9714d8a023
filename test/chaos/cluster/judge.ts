// What must hold when the faults are over: every node has the same books and the same history, the
// journal is whole, and the exact checker finds nothing in what any client was ever answered.

import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { runSeen } from '../../../src/cli/testing/run.ts';
import { type Verdict, checkHistory } from '../../model/checker.ts';
import type { History } from '../../model/history.ts';
import { entriesOfFiles, readHistory } from '../evidence.ts';
import { readLists } from '../lists.ts';
import type { ClusterRecorder } from './cluster-recorder.ts';
import type { EngineSide } from './engine-side.ts';
import type { Member } from './member.ts';
import type { SpawnedCluster } from './spawned-cluster.ts';

const LOOKS_MAX = 5;
const LEVEL_MS_MAX = 30_000;
const LISTED_ACCOUNTS = '/v1/accounts?limit=100';

export type Judgement = {
  /** Of the exact checker. */
  readonly verdict: Verdict;
  /** Everything else that is wrong. */
  readonly findings: readonly string[];
  readonly history: History;
};

/** The load is over. Stops the cluster. */
export async function judge(
  cluster: SpawnedCluster,
  recorder: ClusterRecorder,
  engine: EngineSide | undefined,
): Promise<Judgement> {
  const findings = [...(await comparedWhenLevel(cluster))];
  const read = await readHistory({
    recorder,
    entries: () => engine?.entries() ?? entriesOfFiles(cluster.data),
    binaryUrl: cluster.members.map(({ binaryUrl }) => binaryUrl),
    key: cluster.key,
    stop: () => cluster.stop(),
  });
  const history: History = { ...read, resends: true };
  for (const { name, ownEnds } of cluster.members) {
    for (const end of ownEnds) findings.push(`${name} did not stop well: ${JSON.stringify(end)}`);
  }
  if (engine === undefined) {
    const verified = await runSeen(['--data', cluster.data, 'journal', 'verify', '--json']);
    if (verified.exitCode !== 0) findings.push(`journal verify: ${verified.stdout}`);
  }
  return { verdict: checkHistory(history), findings, history };
}

/** A node may be replaced meanwhile: then it is looked at again. What differs, differs always. */
async function comparedWhenLevel(cluster: SpawnedCluster): Promise<readonly string[]> {
  for (let number = 1; ; number++) {
    const { epoch } = cluster;
    await cluster.untilWhole();
    try {
      await untilLevel(cluster);
      return await compareNodes(cluster);
    } catch (error) {
      if (number === LOOKS_MAX || cluster.epoch === epoch) throw error;
    }
  }
}

/** Everybody has applied the same, and nothing comes any more. */
async function untilLevel(cluster: SpawnedCluster): Promise<void> {
  const deadlineMs = performance.now() + LEVEL_MS_MAX;
  let before = '';
  for (;;) {
    const answers = await Promise.all(
      cluster.members.map((member) => cluster.ask(member, 'GET', '/v1/status')),
    );
    const positions = answers.map((answer) => String(answer?.body['position']));
    const isLevel = new Set(positions).size === 1;
    if (isLevel && positions.join() === before) return;
    if (performance.now() > deadlineMs) {
      throw new Error(`the nodes do not come to the same position: ${positions.join(', ')}`);
    }
    before = positions.join();
    await sleep(100);
  }
}

/** Reads that may be old, reads that may not, and lists: the same everywhere, and in balance. */
async function compareNodes(cluster: SpawnedCluster): Promise<string[]> {
  const findings: string[] = [];
  const known = new Map<string, string>();
  for (const member of cluster.members) {
    for (const consistency of ['local', 'strong']) {
      const accounts = await accountsOf(cluster, member, consistency);
      findings.push(...differences(known, 'accounts', accounts, `${member.name} ${consistency}`));
      if (!isBalanced(accounts)) findings.push(`${member.name}: debits are not credits`);
    }
    const digest = createHash('sha256');
    for (const page of await readLists(member.binaryUrl, cluster.key)) {
      digest.update(String(page.account)).update(page.records).update(page.holds.join());
    }
    findings.push(...differences(known, 'lists', digest.digest('hex'), member.name));
  }
  return findings;
}

function differences(
  known: Map<string, string>,
  kind: string,
  value: unknown,
  where: string,
): string[] {
  const text = JSON.stringify(value);
  const first = known.get(kind) ?? text;
  known.set(kind, first);
  return first === text ? [] : [`${where}: other ${kind}: ${text} instead of ${first}`];
}

type AccountRow = { readonly [name: string]: unknown };

async function accountsOf(
  cluster: SpawnedCluster,
  member: Member,
  consistency: string,
): Promise<readonly AccountRow[]> {
  const answer = await cluster.ask(member, 'GET', `${LISTED_ACCOUNTS}&consistency=${consistency}`);
  if (answer?.status !== 200) {
    throw new Error(`${member.name} gives no accounts: ${JSON.stringify(answer)}`);
  }
  return answer.body['accounts'] as readonly AccountRow[];
}

function isBalanced(accounts: readonly AccountRow[]): boolean {
  return ['posted', 'pending'].every((column) => {
    const sum = (side: string) =>
      accounts.reduce((total, row) => total + BigInt(String(row[`${side}_${column}`])), 0n);
    return sum('debits') === sum('credits');
  });
}
