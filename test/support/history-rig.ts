// A kernel with a history beside it, and the plainest possible account of what it must hold: an
// array of all accepted records, with what became of holds, gathered from outcomes and from the
// books.

import assert from 'node:assert/strict';
import { HOLD_STATES, type HoldState } from '../../src/base/answers.ts';
import { writeIdWords } from '../../src/base/ids.ts';
import type { ListFilter, ListQuery } from '../../src/base/list-query.ts';
import { type Transfer, TransferFlag, decodeTransfers } from '../../src/base/transfer-record.ts';
import { CommandKind } from '../../src/domain/commands.ts';
import { type DomainState, apply, createState } from '../../src/domain/domain.ts';
import { NO_RECORD } from '../../src/domain/ledger/id-index.ts';
import { findTransfer } from '../../src/domain/queries.ts';
import { CREATED } from '../../src/domain/refusals.ts';
import { JournalHistory } from '../../src/history/journal-history.ts';
import type { StartRepair } from '../../src/history/repair.ts';
import type { Sent } from '../properties/script.ts';
import { until } from './until.ts';

export type Kept = { readonly transfer: Transfer; hold: HoldState };

/** What the history must say, by the simplest means. */
export class NaiveHistory {
  readonly kept: Kept[] = [];
  readonly #open = new Map<bigint, Kept>();

  take(state: DomainState, { command }: Sent, codes: Uint16Array): void {
    if (command.kind === CommandKind.transfers && codes.length * 128 === command.payload.length) {
      for (const [index, { id }] of decodeTransfers(command.payload).entries()) {
        if (codes[index] === CREATED) this.#add(state, id);
      }
    }
    const key = new Uint32Array(4);
    for (const [id, kept] of this.#open) {
      writeIdWords(key, 0, id);
      if (state.ledger.holds.find(key, 0) !== NO_RECORD) continue;
      kept.hold = 'expired';
      this.#open.delete(id);
    }
  }

  #add(state: DomainState, id: bigint): void {
    const view = findTransfer(state, id);
    assert.ok(view?.state === 'accepted', 'what was accepted a moment ago is remembered');
    const { transfer } = view;
    const kept: Kept = { transfer, hold: 'none' };
    if ((transfer.flags & TransferFlag.pending) !== 0) {
      kept.hold = 'pending';
      this.#open.set(id, kept);
    }
    const held = this.#open.get(transfer.pendingId);
    if (held !== undefined) {
      held.hold = (transfer.flags & TransferFlag.postPending) !== 0 ? 'posted' : 'voided';
      this.#open.delete(transfer.pendingId);
    }
    this.kept.push(kept);
  }

  query(filter: ListFilter, order: ListQuery['order']): Kept[] {
    const found = this.kept.filter(({ transfer }) => matches(transfer, filter));
    return order === 'newest-first' ? found.reverse() : found;
  }
}

function matches(transfer: Transfer, filter: ListFilter): boolean {
  const { account, side, fromNs, untilNs, ...fields } = filter;
  const isDebit = side !== 'credit' && transfer.debitAccountId === account;
  const isCredit = side !== 'debit' && transfer.creditAccountId === account;
  if (account !== undefined && !isDebit && !isCredit) return false;
  if (fromNs !== undefined && transfer.timestampNs < fromNs) return false;
  if (untilNs !== undefined && transfer.timestampNs > untilNs) return false;
  return Object.entries(fields).every(
    ([name, value]) => value === undefined || transfer[name as keyof Transfer] === value,
  );
}

export type HistoryRigOptions = {
  readonly folder: string;
  readonly runTransfers: number;
  readonly startRepair?: StartRepair;
  readonly state?: DomainState;
  readonly naive?: NaiveHistory;
};

export class HistoryRig implements AsyncDisposable {
  readonly state: DomainState;
  readonly naive: NaiveHistory;
  readonly history: JournalHistory;
  readonly log: string[] = [];
  readonly #size: number;

  private constructor(options: HistoryRigOptions) {
    this.state = options.state ?? createState();
    this.naive = options.naive ?? new NaiveHistory();
    this.#size = options.runTransfers;
    this.history = new JournalHistory({
      folder: options.folder,
      runTransfers: options.runTransfers,
      poolTransfers: 1 << 17,
      startRepair: options.startRepair,
      log: (_level, text) => this.log.push(text),
    });
    this.history.attach(
      () => this.state,
      () => undefined,
    );
  }

  static async open(options: HistoryRigOptions): Promise<HistoryRig> {
    const rig = new HistoryRig(options);
    await rig.history.open();
    return rig;
  }

  send(sent: Sent, isKnown = false): void {
    const { command, stamp } = sent;
    const outcome = apply(this.state, command, stamp);
    this.history.feed(command, outcome, stamp.position, this.state);
    if (!isKnown) this.naive.take(this.state, sent, outcome.codes);
  }

  /** The journal ends where the history does, or later. */
  settle(): void {
    this.history.settle(Number.MAX_SAFE_INTEGER);
  }

  async sealed(): Promise<void> {
    const runs = Math.floor(this.naive.kept.length / this.#size);
    const isThere = (): boolean => this.history.status().runs === runs;
    await until(() => isThere() && this.history.status().complete, `${runs} runs`);
  }

  async compare(filter: ListFilter, limit: number): Promise<void> {
    for (const order of ['newest-first', 'oldest-first'] as const) {
      const expected = this.naive.query(filter, order);
      const found = await this.all(filter, order, limit);
      const what = `${order}, ${limit} at a time, ${describe(filter)}`;
      assert.equal(found.length, expected.length, what);
      assert.deepEqual(found, expected, what);
    }
  }

  async all(filter: ListFilter, order: ListQuery['order'], limit: number): Promise<Kept[]> {
    const found: Kept[] = [];
    let after: number | undefined;
    do {
      const query = { filter, order, limit, after };
      const page = await this.history.query(query, AbortSignal.timeout(20_000));
      assert.ok(page.count <= limit);
      assert.equal(page.records.length, page.count * 128);
      for (const [index, transfer] of decodeTransfers(page.records).entries()) {
        found.push({ transfer, hold: HOLD_STATES[page.holds[index]!]! });
      }
      after = page.next;
    } while (after !== undefined);
    return found;
  }

  async compareIds(kept: readonly Kept[], others: readonly bigint[]): Promise<void> {
    for (const { transfer, hold } of kept) {
      const found = await this.history.find(transfer.id);
      assert.ok(found !== undefined, `${transfer.id} is there`);
      assert.deepEqual(decodeTransfers(found.record), [transfer]);
      assert.equal(found.hold, hold);
      assert.equal(this.naive.kept[found.number]?.transfer.id, transfer.id);
    }
    const known = new Set(this.naive.kept.map(({ transfer }) => transfer.id));
    for (const id of others) {
      if (!known.has(id)) assert.equal(await this.history.find(id), undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.history.close();
  }
}

function describe(filter: ListFilter): string {
  return Object.entries(filter)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ');
}
