// The views of a node, with their threads: fed while payments go on, taken up where they were,
// built again when what is there cannot be used. No payment waits for any of it.

import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import {
  ALICE,
  FOREVER,
  HandClock,
  makeNode,
  openBooks,
  pay,
  transfer,
} from '../../test/support/engine-rig.ts';
import { CheckpointLog } from '../../test/support/checkpoint-rig.ts';
import { TemporaryFolder } from '../../test/support/temporary-folder.ts';
import { until } from '../../test/support/until.ts';
import { formatId } from '../base/ids.ts';
import { TransferFlag } from '../base/transfer-record.ts';
import { accountAt, ledgerTotals } from '../domain/queries.ts';
import { CREATED } from '../domain/refusals.ts';
import { MemoryCheckpoints } from '../drivers/memory/checkpoint-store.ts';
import { createJournal } from '../drivers/memory/driver.ts';
import { MemoryLog } from '../drivers/memory/memory-log.ts';
import { JournalHistory } from '../history/journal-history.ts';
import { LiveViews } from '../views/live-views.ts';
import type { HoldfastNode } from './node.ts';
import type { CheckpointSettings } from './checkpointing.ts';

const DRIVER = new URL('../drivers/sqlite/driver.ts', import.meta.url).href;

class Place implements AsyncDisposable {
  readonly #folder: TemporaryFolder;
  log = new MemoryLog();
  readonly clock = new HandClock();
  /** What the views told. */
  readonly told: string[] = [];

  private constructor(folder: TemporaryFolder) {
    this.#folder = folder;
  }

  static async make(): Promise<Place> {
    return new Place(await TemporaryFolder.make());
  }

  get file(): string {
    return join(this.#folder.path, 'views', 'views.sqlite');
  }

  get historyFolder(): string {
    return join(this.#folder.path, 'history');
  }

  async start(checkpoints?: CheckpointSettings) {
    const history = new JournalHistory({
      folder: this.historyFolder,
      runTransfers: 40,
      poolTransfers: 1 << 17,
      log: () => undefined,
    });
    const views = new LiveViews({
      store: { url: DRIVER, options: { file: this.file } },
      identity: { clusterId: 'c1'.repeat(16), timeline: 1 },
      log: (_level, text) => this.told.push(text),
      batchTransfers: 64,
    });
    const { log, clock } = this;
    const given = checkpoints === undefined ? {} : { checkpoints };
    const rig = makeNode(createJournal({ log }), { history, views, clock, ...given });
    await rig.node.start();
    return { ...rig, history, views, [Symbol.asyncDispose]: () => rig.node.stop(0) };
  }

  /** Another program that looks into the file. */
  look<T>(question: (database: DatabaseSync) => T): T {
    const database = new DatabaseSync(this.file, { readOnly: true });
    try {
      return question(database);
    } finally {
      database.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** Five transfers a round: two holds that are resolved, one that stays, and a plain one. */
async function trade(node: HoldfastNode, rounds: number): Promise<void> {
  const inherited = { debitAccountId: 0n, creditAccountId: 0n, ledger: 0, code: 0, amount: 0n };
  for (let round = 0; round < rounds; round++) {
    const held = [0, 1].map(() => transfer({ flags: TransferFlag.pending }));
    const end = transfer({ ...inherited, flags: TransferFlag.voidPending, pendingId: held[0]!.id });
    const post = { ...inherited, amount: 3n, pendingId: held[1]!.id };
    const batch = [
      ...held,
      end,
      transfer({ ...post, flags: TransferFlag.postPending }),
      transfer(),
    ];
    const { outcome } = await node.submit(pay(...batch), FOREVER);
    assert.deepEqual(new Set(outcome.codes), new Set([CREATED]));
  }
}

/** The views hold all that the node has, and say the same. */
async function compare({ node, views }: { node: HoldfastNode; views: LiveViews }): Promise<void> {
  const signal = AbortSignal.timeout(20_000);
  await views.until(node.status().position, signal);
  const report = await views.report({ kind: 'trial-balance' }, signal);
  assert.equal(report.kind, 'trial-balance');
  assert.equal(report.position, node.status().position);
  const sums = report.ledgers.map(({ ledger, ...all }) => {
    const { debitsPosted, creditsPosted, debitsPending, creditsPending } = all;
    return { ledger, debitsPosted, creditsPosted, debitsPending, creditsPending };
  });
  assert.deepEqual(sums, ledgerTotals(node.state));
  const account = accountAt(node.state, 0);
  assert.equal(account.id, ALICE);
  const statement = await views.report(
    {
      kind: 'statement',
      account: formatId('account', ALICE),
      fromNs: 0n,
      throughNs: (1n << 64n) - 1n,
      limit: 10_000,
      after: undefined,
    },
    signal,
  );
  assert.equal(statement.kind, 'statement');
  assert.deepEqual(statement.opening, { debitsPosted: 0n, creditsPosted: 0n });
  const { debitsPosted, creditsPosted } = account;
  assert.deepEqual(statement.closing, { debitsPosted, creditsPosted });
}

test('views follow while payments go on, and are taken up at the next start', async () => {
  await using place = await Place.make();
  await using first = await place.start();
  await openBooks(first.node);
  await trade(first.node, 30);
  await compare(first);
  await trade(first.node, 5);
  await first.node.stop(0);
  await using second = await place.start();
  await compare(second);
  assert.equal(second.views.figures.rebuilds, 0);
  const { rows } = second.views.figures;
  await trade(second.node, 1);
  await compare(second);
  assert.ok(second.views.figures.rows > rows);
  await second.node.stop(0);
  assert.deepEqual(place.told, []);
});

function changed(file: string, sql: string): void {
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
}

test('views of other books are built again from the history and the books', async () => {
  await using place = await Place.make();
  const first = await place.start();
  await openBooks(first.node);
  await trade(first.node, 12);
  await compare(first);
  await first.node.stop(0);
  changed(place.file, `UPDATE _state SET value = 'tr_0' WHERE name = 'last_transfer_id'`);
  await using rig = await place.start();
  await compare(rig);
  assert.match(place.told.join(' '), /transfer 59 is tr_[0-9a-f]{32}, and was tr_0/);
});

/** What a journal has lost is sent again under the same ids, at other times. */
const SENT_AGAIN = [
  { what: 'account', times: 'SELECT id, opened_at FROM accounts', count: 0, laterMs: [5000, 0] },
  { what: 'transfer', times: 'SELECT id, time FROM movements', count: 2, laterMs: [0, 5000] },
] as const;

for (const { what, times, count, laterMs } of SENT_AGAIN) {
  test(`views whose last ${what} is of another time are built again`, async () => {
    await using place = await Place.make();
    await using other = await Place.make();
    const sent = Array.from({ length: count }, () => transfer());
    const begin = async (at: Place, [accountsMs, transfersMs]: readonly [number, number]) => {
      await using rig = await at.start();
      at.clock.pass(accountsMs);
      await openBooks(rig.node);
      at.clock.pass(transfersMs);
      if (count > 0) await rig.node.submit(pay(...sent), FOREVER);
      await compare(rig);
    };
    await begin(place, [0, 0]);
    await begin(other, laterMs);
    place.log = other.log;
    place.clock.pass(10_000);
    rmSync(place.historyFolder, { recursive: true });
    await using rig = await place.start();
    await compare(rig);
    const told = new RegExp(`${what} 1 is of 2027-\\S+, and was of 2027-`);
    assert.match(place.told.join(' '), told);
    const timesIn = (at: Place) => at.look((database) => database.prepare(times).all());
    assert.equal(timesIn(place).length, 2);
    assert.deepEqual(timesIn(place), timesIn(other));
  });
}

test('damage that shows only later is noticed, and the views are built again', async () => {
  await using place = await Place.make();
  await using first = await place.start();
  await openBooks(first.node);
  await trade(first.node, 40);
  await compare(first);
  await first.node.stop(0);
  changed(place.file, 'PRAGMA wal_checkpoint(TRUNCATE)');
  const bytes = readFileSync(place.file);
  // Everything but the first pages, which hold the schema and the state.
  bytes.fill(0xee, 16_384 * 4);
  writeFileSync(place.file, bytes);
  await using second = await place.start();
  await trade(second.node, 1);
  await until(() => second.views.figures.rebuilds > 0, 'the damage to be noticed');
  await compare(second);
  await second.node.stop(0);
});

test('they are complete though the journal before a checkpoint is not read', async () => {
  await using place = await Place.make();
  const checkpoints = new CheckpointLog().settings(new MemoryCheckpoints());
  await using first = await place.start(checkpoints);
  await openBooks(first.node);
  await trade(first.node, 20);
  await first.history.persist();
  await first.node.takeCheckpoint();
  await compare(first);
  await first.node.stop(0);
  for (const ending of ['', '-wal', '-shm']) rmSync(place.file + ending, { force: true });
  await using second = await place.start(checkpoints);
  await compare(second);
  assert.equal(second.views.status().transfers, 100);
  await second.node.stop(0);
});

test('a file that somebody keeps locked holds up the views and no payment', async () => {
  await using place = await Place.make();
  await using rig = await place.start();
  const { node, views } = rig;
  await openBooks(node);
  await views.until(node.status().position, AbortSignal.timeout(20_000));
  const other = new DatabaseSync(place.file);
  other.exec('BEGIN IMMEDIATE');
  await trade(node, 10);
  const { position, lag } = views.status();
  assert.ok(lag >= 9, `${lag} positions behind`);
  other.exec('COMMIT');
  other.close();
  await compare({ node, views });
  assert.ok(views.status().position > position);
  await node.stop(0);
});

test('a tool reads one state while the node writes the next', async () => {
  await using place = await Place.make();
  await using rig = await place.start();
  await openBooks(rig.node);
  await trade(rig.node, 2);
  await compare(rig);
  const count = (database: DatabaseSync): unknown => {
    return database.prepare('SELECT count(*) AS count FROM movements').get()?.['count'];
  };
  const tool = new DatabaseSync(place.file, { readOnly: true });
  tool.exec('BEGIN');
  assert.equal(count(tool), 10);
  await trade(rig.node, 2);
  await compare(rig);
  assert.equal(count(tool), 10, 'what it began to read stays');
  tool.exec('COMMIT');
  assert.equal(count(tool), 20);
  tool.close();
  await expire(place, rig);
});

/** A hold ends in the views when its time has come. */
async function expire(place: Place, rig: Awaited<ReturnType<Place['start']>>): Promise<void> {
  const hold = transfer({ flags: TransferFlag.pending, timeoutSeconds: 10 });
  await rig.node.submit(pay(hold), FOREVER);
  await compare(rig);
  const sql = 'SELECT hold FROM movements WHERE id = ?';
  const held = () =>
    place.look((database) => database.prepare(sql).get(formatId('transfer', hold.id))?.['hold']);
  assert.equal(held(), 'pending');
  place.clock.pass(11_000);
  await trade(rig.node, 1);
  await compare(rig);
  assert.equal(held(), 'expired');
}
