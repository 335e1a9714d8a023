// The history equals a plain array of everything that was accepted, whatever is asked and however
// far it is from the memory to the files; and one journal gives one set of files.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeTransfers, encodeTransfers } from '../../src/base/transfer-record.ts';
import { CommandKind } from '../../src/domain/commands.ts';
import { Prng } from '../../src/base/prng.ts';
import { createState } from '../../src/domain/domain.ts';
import type { ListFilter } from '../../src/base/list-query.ts';
import { HistoryRig, type Kept } from '../support/history-rig.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { propertyRuns } from './pair.ts';
import type { Sent } from './script.ts';
import { SeededLoad } from './seeded-load.ts';

const BATCHES = 24;
const ACCOUNTS = 40;

/** The load, with user data that few or many share, and without the least of memories. */
function load(seed: number): Sent[] {
  const all = [...new SeededLoad(seed, ACCOUNTS).commands(BATCHES)];
  return all
    .filter(({ command }) => !new TextDecoder().decode(command.payload).includes('_version":1'))
    .map(({ command, stamp }) => {
      if (command.kind !== CommandKind.transfers) return { command, stamp };
      return { command: { ...command, payload: withUserData(command.payload) }, stamp };
    });
}

function withUserData(payload: Uint8Array): Uint8Array {
  const transfers = decodeTransfers(payload).map((transfer) => {
    const mark = Number((transfer.id >> 40n) & 0xffn);
    const userData128 = mark < 30 ? transfer.id ^ 7n : 0n;
    const userData64 = mark % 3 === 0 ? (1n << 40n) + BigInt(mark % 9) : 0n;
    return { ...transfer, userData128, userData64, userData32: mark % 2 };
  });
  return encodeTransfers(transfers);
}

function pickFilter(prng: Prng, kept: readonly Kept[]): ListFilter {
  const some = (): Kept['transfer'] => prng.pick(kept).transfer;
  const filter: { -readonly [Name in keyof ListFilter]: ListFilter[Name] } = {};
  const kind = prng.below(5);
  if (kind < 3) {
    filter.account = prng.chance(0.1) ? 5n : some().debitAccountId;
    if (prng.chance(0.4)) filter.side = prng.pick(['debit', 'credit'] as const);
  }
  if (kind === 3 || prng.chance(0.15)) {
    const { userData128, userData64, userData32 } = some();
    if (prng.chance(0.5)) filter.userData128 = userData128;
    if (prng.chance(0.5)) filter.userData64 = userData64;
    if (prng.chance(0.5)) filter.userData32 = userData32;
  }
  if (prng.chance(0.2)) filter.code = some().code;
  if (prng.chance(0.2)) filter.ledger = some().ledger;
  if (prng.chance(0.3)) filter.fromNs = some().timestampNs + BigInt(prng.below(3) - 1);
  if (prng.chance(0.3)) filter.untilNs = some().timestampNs + BigInt(prng.below(3) - 1);
  return filter;
}

async function ask(rig: HistoryRig, prng: Prng, questions: number): Promise<void> {
  const { kept } = rig.naive;
  if (kept.length === 0) return;
  for (let question = 0; question < questions; question++) {
    const limit = prng.pick([1, 7, 100, 8189]);
    await rig.compare(pickFilter(prng, kept), Math.max(limit, Math.ceil(kept.length / 60)));
  }
  const some = Array.from({ length: questions }, () => prng.pick(kept));
  await rig.compareIds(
    some,
    some.map(({ transfer }) => transfer.id + 1n),
  );
}

test('every question is answered as by an array of all accepted transfers', async () => {
  for (let seed = 1; seed <= propertyRuns(0.015); seed++) {
    await using folder = await TemporaryFolder.make();
    const prng = new Prng(seed);
    const runTransfers = prng.pick([29, 64, 101, 500]);
    await using rig = await HistoryRig.open({ folder: folder.path, runTransfers });
    rig.settle();
    for (const [index, sent] of load(seed).entries()) {
      rig.send(sent);
      if (index % 25 === 24) await ask(rig, prng, 4);
    }
    await rig.sealed();
    await ask(rig, prng, 30);
    await rig.compareIds(rig.naive.kept, []);
  }
});

function filesOf(folder: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const name of readdirSync(folder)) {
    if (!/^run-\d+\.history$/.test(name)) continue;
    files.set(name, readFileSync(join(folder, name)).toString('base64'));
  }
  return files;
}

test('fed at once or with restarts in between, the files are the same', async () => {
  await using once = await TemporaryFolder.make();
  await using often = await TemporaryFolder.make();
  const sent = load(7);
  const runTransfers = 50;
  await using plain = await HistoryRig.open({ folder: once.path, runTransfers });
  plain.settle();
  for (const one of sent) plain.send(one);
  await plain.sealed();
  const prng = new Prng(11);
  let { naive } = plain;
  for (let part = 1; part <= 6; part++) {
    const end = Math.ceil((sent.length * part) / 6);
    // As a node does without a checkpoint: everything is applied again.
    await using rig = await HistoryRig.open({ folder: often.path, runTransfers });
    for (const one of sent.slice(0, end)) rig.send(one);
    rig.settle();
    if (part % 2 === 1) await rig.history.persist();
    if (part === 3) await rig.sealed();
    ({ naive } = rig);
    await ask(rig, prng, 5);
    if (part === 6) {
      await rig.sealed();
      assert.equal(rig.history.status().digest, plain.history.status().digest);
    }
  }
  assert.equal(naive.kept.length, plain.naive.kept.length);
  const [expected, found] = [filesOf(once.path), filesOf(often.path)];
  assert.deepEqual([...found.keys()].sort(), [...expected.keys()].sort());
  for (const [name, bytes] of expected) assert.equal(found.get(name), bytes, name);
});

test('a start from a checkpoint finds all that was persisted, and needs nothing before it', async () => {
  await using folder = await TemporaryFolder.make();
  const options = { folder: folder.path, runTransfers: 70 };
  const state = createState();
  const sent = load(9);
  const half = Math.floor(sent.length / 2);
  const first = await HistoryRig.open({ ...options, state });
  first.settle();
  for (const one of sent.slice(0, half)) first.send(one);
  const persisted = await first.history.persist();
  assert.equal(persisted.number, first.naive.kept.length);
  await first.history.close();
  // The state is the checkpoint: the history gets nothing of what led to it.
  await using second = await HistoryRig.open({ ...options, state, naive: first.naive });
  second.settle();
  const prng = new Prng(3);
  await ask(second, prng, 10);
  for (const one of sent.slice(half)) second.send(one);
  await second.sealed();
  await ask(second, prng, 20);
  assert.deepEqual(second.log, []);
});

test('a history that lacks what a checkpoint has says so, and gives no wrong answer', async () => {
  await using folder = await TemporaryFolder.make();
  const options = { folder: folder.path, runTransfers: 70 };
  const state = createState();
  const sent = load(9);
  const half = Math.floor(sent.length / 2);
  const first = await HistoryRig.open({ ...options, state });
  first.settle();
  for (const one of sent.slice(0, half)) first.send(one);
  await first.history.close();
  rmSync(folder.path, { recursive: true });
  await using second = await HistoryRig.open({ ...options, state, naive: first.naive });
  second.settle();
  assert.equal(second.history.status().complete, false);
  for (const one of sent.slice(half)) second.send(one);
  const account = first.naive.kept[0]!.transfer.debitAccountId;
  await assert.rejects(second.all({ account }, 'oldest-first', 8189), {
    code: 'HISTORY_INCOMPLETE',
  });
  await assert.rejects(second.history.find(77n), { code: 'HISTORY_INCOMPLETE' });
  const late = second.naive.kept.at(-1)!;
  await second.compareIds([late], []);
  await second.compare({ fromNs: late.transfer.timestampNs }, 10);
});
