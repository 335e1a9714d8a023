// The history of a node on a file journal: what is missing is read from the journal again, and ids
// that the ledger has forgotten are answered from it.

import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  ALICE,
  BOB,
  FOREVER,
  HandClock,
  changedJournal,
  codesOf,
  makeNode,
  openBooks,
  pay,
  refusalOf,
  startNode,
  transfer,
} from '../../test/support/engine-rig.ts';
import { CheckpointLog } from '../../test/support/checkpoint-rig.ts';
import { TemporaryFolder } from '../../test/support/temporary-folder.ts';
import { until } from '../../test/support/until.ts';
import { OperationalError } from '../base/errors.ts';
import { TransferFlag, decodeTransfers } from '../base/transfer-record.ts';
import { configureCommand } from '../domain/commands.ts';
import { findTransfer } from '../domain/queries.ts';
import { CREATED, REFUSAL } from '../domain/refusals.ts';
import { createJournal } from '../drivers/file/driver.ts';
import { MemoryCheckpoints } from '../drivers/memory/checkpoint-store.ts';
import { MemoryLog } from '../drivers/memory/memory-log.ts';
import { JournalHistory } from '../history/journal-history.ts';
import type { Journal, ReadOptions } from '../ports/journal.ts';
import { rebuildHistory, surveyHistory } from './history-offline.ts';
import { startRepair } from './history-repair.ts';
import type { HoldfastNode } from './node.ts';

const RUN_TRANSFERS = 40;
const U128_MAX = (1n << 128n) - 1n;
const DRIVER = new URL('../drivers/file/driver.ts', import.meta.url).href;

type Place = {
  readonly folder: string;
  readonly clock?: HandClock;
  readonly poolTransfers?: number;
};

function makeHistory(
  folder: string,
  { canRepair = true, poolTransfers = 1 << 17 } = {},
): JournalHistory {
  const journal = { url: DRIVER, options: { directory: join(folder, 'journal') } };
  return new JournalHistory({
    folder: join(folder, 'history'),
    runTransfers: RUN_TRANSFERS,
    poolTransfers,
    log: () => undefined,
    startRepair: canRepair ? (job) => startRepair(journal, job) : undefined,
  });
}

async function start({ folder, clock = new HandClock(), poolTransfers }: Place) {
  const history = makeHistory(folder, poolTransfers === undefined ? {} : { poolTransfers });
  const journal = createJournal({ directory: join(folder, 'journal') });
  const rig = makeNode(journal, { history, clock });
  await rig.node.start();
  return { ...rig, history };
}

/** Payments, holds and what becomes of them. */
async function trade(node: HoldfastNode, count: number): Promise<void> {
  for (let round = 0; round < count; round++) {
    const held = [0, 1, 2].map(() =>
      transfer({ flags: TransferFlag.pending, userData64: BigInt(round % 4) }),
    );
    const ends = [TransferFlag.postPending, TransferFlag.voidPending].map((flags, index) =>
      transfer({ flags, pendingId: held[index]!.id, amount: 0n, ...INHERITED }),
    );
    const posts = ends.map((end) => (end.flags === 4 ? { ...end, amount: U128_MAX } : end));
    const batch = [...held, ...posts, ...Array.from({ length: 5 }, () => transfer())];
    const { outcome } = await node.submit(pay(...batch), FOREVER);
    assert.deepEqual(new Set(outcome.codes), new Set([CREATED]));
  }
}

const INHERITED = { debitAccountId: 0n, creditAccountId: 0n, ledger: 0, code: 0 };

function filesOf(folder: string): Map<string, string> {
  const history = join(folder, 'history');
  const names = readdirSync(history).filter((name) => name.startsWith('run-'));
  return new Map(names.map((name) => [name, readFileSync(join(history, name), 'base64')]));
}

async function settled(history: JournalHistory, transfers: number): Promise<void> {
  const runs = Math.floor(transfers / RUN_TRANSFERS);
  await until(() => history.status().runs === runs && history.status().complete, `${runs} runs`);
}

test('runs that are missing or damaged are written again, byte for byte, while it serves', async () => {
  await using place = await TemporaryFolder.make();
  const folder = place.path;
  const first = await start({ folder });
  await openBooks(first.node);
  await trade(first.node, 20);
  await settled(first.history, 200);
  const before = filesOf(folder);
  const { digest } = first.history.status();
  await first.node.stop(0);
  rmSync(join(folder, 'history', 'run-00000001.history'));
  const damaged = join(folder, 'history', 'run-00000003.history');
  const bytes = readFileSync(damaged);
  bytes[9] = bytes[9]! ^ 4;
  writeFileSync(damaged, bytes);
  await using second = await start({ folder });
  const asked = { filter: { account: ALICE }, order: 'oldest-first', limit: 8189 } as const;
  const answers = async (): Promise<boolean> => {
    const page = await second.history.query(asked, FOREVER).catch(() => undefined);
    return page?.count === 200;
  };
  await until(answers, 'all to be there again');
  await settled(second.history, 200);
  assert.deepEqual(filesOf(folder), before);
  assert.equal(second.history.status().digest, digest);
});

test('a history that lacks everything behind a checkpoint is read from the journal', async () => {
  await using place = await TemporaryFolder.make();
  const folder = place.path;
  await using rig = await start({ folder });
  await openBooks(rig.node);
  await trade(rig.node, 17);
  await settled(rig.history, 170);
  const files = filesOf(folder);
  rmSync(join(folder, 'history'), { recursive: true });
  // The state of the node stands in for a checkpoint: nothing of it is applied again.
  const history = makeHistory(folder);
  history.attach(
    () => rig.node.state,
    () => undefined,
  );
  await history.open();
  history.settle(rig.node.status().position);
  assert.equal(history.status().complete, false);
  const asked = { filter: { account: BOB }, order: 'newest-first', limit: 8189 } as const;
  await assert.rejects(history.query(asked, FOREVER), { code: 'HISTORY_INCOMPLETE' });
  await settled(history, 170);
  assert.deepEqual(filesOf(folder), files);
  const [page, expected] = [
    await history.query(asked, FOREVER),
    await rig.history.query(asked, FOREVER),
  ];
  assert.equal(page.count, 170);
  assert.deepEqual(decodeTransfers(page.records), decodeTransfers(expected.records));
  assert.deepEqual(page.holds, expected.holds);
  await history.close();
});

test('without a journal to read, what is missing stays missing, and is told', async () => {
  await using place = await TemporaryFolder.make();
  const folder = place.path;
  await using rig = await start({ folder });
  await openBooks(rig.node);
  await trade(rig.node, 9);
  await settled(rig.history, 90);
  rmSync(join(folder, 'history'), { recursive: true });
  const history = makeHistory(folder, { canRepair: false });
  history.attach(
    () => rig.node.state,
    () => undefined,
  );
  await history.open();
  history.settle(rig.node.status().position);
  assert.match(history.status().reason ?? '', /transfers 0 to 89 are missing; nothing reads/);
  await history.close();
});

test('a history of another journal is discarded and made anew', async () => {
  await using place = await TemporaryFolder.make();
  await using other = await TemporaryFolder.make();
  const first = await start({ folder: place.path });
  await openBooks(first.node);
  await trade(first.node, 9);
  await settled(first.history, 90);
  await first.node.stop(0);
  const second = await start({ folder: other.path });
  await openBooks(second.node);
  await trade(second.node, 12);
  await settled(second.history, 120);
  await second.node.stop(0);
  const files = filesOf(other.path);
  for (const [name, text] of filesOf(place.path)) {
    writeFileSync(join(other.path, 'history', name), text, 'base64');
  }
  rmSync(join(other.path, 'history', 'catalog'));
  rmSync(join(other.path, 'history', 'run-00000002.history'));
  await using third = await start({ folder: other.path });
  await settled(third.history, 120);
  assert.deepEqual(filesOf(other.path), files);
});

test('a history that has seen more than the journal passes nothing over, and stays where it is', async () => {
  await using place = await TemporaryFolder.make();
  const folder = place.path;
  // As where the history has a disk of its own.
  mkdirSync(join(folder, 'disk'));
  symlinkSync(join(folder, 'disk'), join(folder, 'history'));
  const journal = join(folder, 'journal');
  const first = await start({ folder });
  await openBooks(first.node);
  await trade(first.node, 5);
  await first.node.stop(0);
  cpSync(journal, join(folder, 'copy'), { recursive: true });
  const second = await start({ folder });
  // Refused: the history has seen the positions, and no transfer more.
  for (let time = 0; time < 9; time++) {
    await second.node.submit(pay(transfer({ debitAccountId: 77n })), FOREVER);
  }
  await second.history.persist();
  await second.node.stop(0);
  rmSync(journal, { recursive: true });
  cpSync(join(folder, 'copy'), journal, { recursive: true });
  await using third = await start({ folder });
  await settled(third.history, 50);
  assert.ok(third.history.status().position > 0, 'it is at the journal again');
  await trade(third.node, 1);
  await settled(third.history, 60);
  const asked = { filter: { account: BOB }, order: 'oldest-first', limit: 8189 } as const;
  assert.equal((await third.history.query(asked, FOREVER)).count, 60);
  assert.ok(third.history.status().position <= third.node.status().position);
  assert.ok(lstatSync(join(folder, 'history')).isSymbolicLink());
});

test('the young transfers of another journal are not taken for our own', async () => {
  await using place = await TemporaryFolder.make();
  await using other = await TemporaryFolder.make();
  for (const { path: folder } of [other, place]) {
    const first = await start({ folder });
    await openBooks(first.node);
    // As many positions: nothing but what stands there tells one from the other.
    await trade(first.node, folder === other.path ? 1 : 2);
    await first.history.persist();
    await first.node.stop(0);
  }
  const [ours, theirs] = [place.path, other.path].map((path) => join(path, 'history'));
  rmSync(ours!, { recursive: true });
  cpSync(theirs!, ours!, { recursive: true });
  await using rig = await start({ folder: place.path });
  const asked = { filter: { account: BOB }, order: 'oldest-first', limit: 8189 } as const;
  await settled(rig.history, 20);
  const { records } = await rig.history.query(asked, FOREVER);
  for (const { id } of decodeTransfers(records)) {
    assert.equal(findTransfer(rig.node.state, id)?.state, 'accepted');
  }
});

test('what was fed from a checkpoint that is given up is not believed', async () => {
  await using place = await TemporaryFolder.make();
  const folder = place.path;
  const told = new CheckpointLog();
  const contents = new MemoryCheckpoints();
  const journal = createJournal({ directory: join(folder, 'journal') });
  const checkpoints = told.settings(contents);
  const before = makeHistory(folder);
  const first = makeNode(journal, { history: before, checkpoints });
  await first.node.start();
  await openBooks(first.node);
  for (let round = 0; round < 2; round++) {
    await trade(first.node, 2);
    await first.node.takeCheckpoint();
  }
  await before.persist();
  await trade(first.node, 2);
  await first.node.stop(0);
  let reads = 0;
  async function* failingOnce(options: ReadOptions): ReturnType<Journal['read']> {
    reads += 1;
    for await (const batch of inner.read(options)) {
      yield batch;
      // As when the state of the checkpoint answers otherwise than the journal tells.
      if (reads === 1) throw new OperationalError('JOURNAL_DIVERGED');
    }
  }
  const inner = createJournal({ directory: join(folder, 'journal') });
  const history = makeHistory(folder);
  const changed = changedJournal(inner, { read: failingOnce });
  await using second = makeNode(changed, { history, checkpoints: told.settings(contents) });
  await second.node.start();
  assert.ok(told.notes.some((note) => note.includes('cannot be used')));
  assert.equal(history.status().complete, false, 'it is made anew');
  await settled(history, 60);
});

test('whoever does not get the journal leaves the history of the other alone', async () => {
  await using place = await TemporaryFolder.make();
  const folder = place.path;
  await using rig = await start({ folder });
  await openBooks(rig.node);
  const written = ['run-00000000.history.partial', 'tail-00000007.history'];
  for (const name of written) writeFileSync(join(folder, 'history', name), 'under way');
  const journal = createJournal({ directory: join(folder, 'journal'), lockWaitMs: 0 });
  const other = makeNode(journal, { history: makeHistory(folder) });
  await assert.rejects(other.node.start(), { code: 'JOURNAL_LOCKED' });
  await other.node.stop(0);
  for (const name of written) assert.ok(existsSync(join(folder, 'history', name)), name);
});

test('a forgotten id is answered from the history: exists, differs, or was never there', async () => {
  await using place = await TemporaryFolder.make();
  const clock = new HandClock();
  await using rig = await start({ folder: place.path, clock });
  await openBooks(rig.node);
  const window = { expected_version: 0, dedupe_window_seconds: 60 };
  await rig.node.submit(configureCommand(window), FOREVER);
  const plain = transfer();
  const chain = [1n, 2n, 3n].map((amount) => transfer({ amount, flags: TransferFlag.linked }));
  chain[2] = { ...chain[2]!, flags: 0 };
  const hold = transfer({ flags: TransferFlag.pending, amount: 9n });
  const post = transfer({
    flags: TransferFlag.postPending,
    pendingId: hold.id,
    amount: U128_MAX,
    ...INHERITED,
  });
  const never = transfer();
  const { outcome } = await rig.node.submit(pay(plain, ...chain, hold, post), FOREVER);
  assert.deepEqual([...outcome.codes], [0, 0, 0, 0, 0, 0]);
  clock.pass(100_000);
  const { exists, id_expired, exists_with_different_amount } = REFUSAL;
  const again = await rig.node.submit(pay(plain, ...chain, hold, post, never), FOREVER);
  assert.deepEqual(codesOf([again]), [...Array.from({ length: 6 }, () => exists), id_expired]);
  const other = await rig.node.submit(
    pay({ ...plain, amount: 6n }, { ...post, amount: 9n }, { ...post, amount: 8n }),
    FOREVER,
  );
  const differs = exists_with_different_amount;
  assert.deepEqual(codesOf([other]), [differs, exists, differs]);
  const broken = await rig.node.submit(
    pay(chain[0]!, { ...chain[1]!, code: 7 }, chain[2]),
    FOREVER,
  );
  const { exists_with_different_code, linked_event_failed } = REFUSAL;
  assert.deepEqual(codesOf([broken]), [exists, exists_with_different_code, linked_event_failed]);
});

test('where nothing can say whether a forgotten id was there, the outcome is unknown', async () => {
  const clock = new HandClock();
  await using rig = await startNode(new MemoryLog(), { clock });
  await openBooks(rig.node);
  const window = { expected_version: 0, dedupe_window_seconds: 60 };
  await rig.node.submit(configureCommand(window), FOREVER);
  const plain = transfer();
  await rig.node.submit(pay(plain), FOREVER);
  clock.pass(100_000);
  assert.equal((await refusalOf(rig.node.submit(pay(plain), FOREVER))).code, 'OUTCOME_UNKNOWN');
});

test('offline, a history is verified byte by byte and made again as it was', async () => {
  await using place = await TemporaryFolder.make();
  const folder = place.path;
  const rig = await start({ folder });
  await openBooks(rig.node);
  await trade(rig.node, 13);
  await settled(rig.history, 130);
  await rig.history.persist();
  await rig.node.stop(0);
  const files = filesOf(folder);
  const history = join(folder, 'history');
  const options = { isThorough: true, runTransfers: RUN_TRANSFERS };
  const whole = surveyHistory(history, options);
  assert.deepEqual(whole.faults, []);
  assert.deepEqual([whole.runs, whole.transfers], [3, 130]);
  const damaged = join(history, 'run-00000001.history');
  const bytes = readFileSync(damaged);
  bytes[100] = bytes[100]! ^ 4;
  writeFileSync(damaged, bytes);
  rmSync(join(history, 'run-00000000.history'));
  const [missing, broken] = surveyHistory(history, options).faults;
  assert.match(missing ?? '', /run-00000000\.history is missing/);
  assert.match(broken ?? '', /run-00000001\.history: its SHA-256 is not that of the catalog/);
  const journal = createJournal({ directory: join(folder, 'journal') });
  await journal.open({ mode: 'write', signal: FOREVER });
  const rebuilt = await rebuildHistory(history, journal, { ...options, signal: FOREVER });
  await journal.close();
  assert.deepEqual(rebuilt.faults, []);
  assert.equal(rebuilt.digest, whole.digest);
  assert.deepEqual(filesOf(folder), files);
  assert.deepEqual(readdirSync(folder).sort(), ['history', 'journal']);
});

test('more than memory holds makes the payments wait, and what does not fit is read again', async () => {
  await using place = await TemporaryFolder.make();
  await using rig = await start({ folder: place.path, poolTransfers: 2 * RUN_TRANSFERS });
  await openBooks(rig.node);
  const batches = Array.from({ length: 12 }, (_, size) =>
    Array.from({ length: size % 4 === 3 ? 130 : 15 }, () => transfer()),
  );
  const submitted = batches.map((batch) => rig.node.submit(pay(...batch), FOREVER));
  assert.deepEqual(new Set(codesOf(await Promise.all(submitted))), new Set([CREATED]));
  const count = batches.flat().length;
  await settled(rig.history, count);
  assert.ok(rig.history.figures.lost > 0, 'a batch that is larger than all memory cannot be held');
  const asked = { filter: { account: BOB }, order: 'oldest-first', limit: 8189 } as const;
  const page = await rig.history.query(asked, FOREVER);
  const ids = decodeTransfers(page.records).map(({ id }) => id);
  assert.deepEqual(
    ids,
    batches.flat().map(({ id }) => id),
  );
});

test('a history that can be neither read nor written does not keep the payments waiting', async () => {
  await using place = await TemporaryFolder.make();
  const inTheWay = join(place.path, 'history');
  writeFileSync(inTheWay, 'a file where the folder should be');
  await using rig = await start({ folder: place.path });
  await openBooks(rig.node);
  await trade(rig.node, 5);
  assert.equal(rig.history.status().complete, false);
  const asked = { filter: { account: BOB }, order: 'oldest-first', limit: 8189 } as const;
  await assert.rejects(rig.history.query(asked, FOREVER), { code: 'HISTORY_INCOMPLETE' });
  rmSync(inTheWay);
  await settled(rig.history, 50);
  await trade(rig.node, 5);
  await settled(rig.history, 100);
  assert.equal((await rig.history.query(asked, FOREVER)).count, 100);
});

test('a run that cannot be written is tried again, and is answered from memory meanwhile', async () => {
  await using place = await TemporaryFolder.make();
  await using rig = await start({ folder: place.path });
  const inTheWay = join(place.path, 'history', 'run-00000001.history.partial');
  mkdirSync(inTheWay);
  await openBooks(rig.node);
  await trade(rig.node, 13);
  const asked = { filter: { account: BOB }, order: 'oldest-first', limit: 8189 } as const;
  assert.equal((await rig.history.query(asked, FOREVER)).count, 130);
  await until(() => rig.history.status().runs === 1, 'the first run');
  rmdirSync(inTheWay);
  await settled(rig.history, 130);
  assert.equal((await rig.history.query(asked, FOREVER)).count, 130);
});
