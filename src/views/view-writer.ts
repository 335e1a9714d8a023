// Puts batches of accounts and transfers into a store: rows, and the sums that follow from them.
// What one batch brings is written at once, together with how far the view has come: so after a
// crash at any point it goes on exactly there.
//
// A hold ends at its time: when the view has come to a position whose time is at or behind it. The
// ledger says the same of it, and releases it by a tick in the entry that finds it due.

import { assert } from '../base/assert.ts';
import { formatId, readIdWords } from '../base/ids.ts';
import { ACCOUNT_FLAGS_KNOWN } from '../base/account.ts';
import { ACCOUNT_WORDS, AccountWord } from '../domain/ledger/account-table.ts';
import type { Cell, Change, Row, ViewReader, ViewStore } from '../ports/view-store.ts';
import { bigCell, exactCell, numberCell } from './cells.ts';
import { FedRecords } from './fed-records.ts';
import { type KnownAccount, KnownAccounts } from './known-accounts.ts';
import type { Batch, Identity, Last, Standing } from './messages.ts';
import { Hold, Kind, VIEWS_VERSION } from './schema.ts';
import { readState, stateRows } from './state-rows.ts';
import { SumBook } from './sums.ts';
import { dayOf } from './times.ts';

export const NOTHING_YET: Standing = {
  transfers: 0,
  accounts: 0,
  ledgers: 0,
  position: 0,
  timeNs: 0n,
  isComplete: false,
  lastTransfer: { id: '', timestampNs: 0n },
  lastAccount: { id: '', timestampNs: 0n },
};

type Opened = { readonly standing: Standing; readonly notes: readonly string[] };

/** A hold that has not been resolved before the batch, or by it. */
type OpenHold = {
  readonly number: bigint;
  readonly debit: number;
  readonly credit: number;
  readonly amount: bigint;
  readonly expires: Cell;
  /** Its row, where it is of this batch. */
  readonly row: Cell[] | undefined;
};

const HOLD_COLUMN = 8;

export class ViewWriter {
  readonly #store: ViewStore;
  readonly #identity: Identity;
  readonly #accounts = new KnownAccounts();
  readonly #sums = new SumBook();
  #standing = NOTHING_YET;

  constructor(store: ViewStore, identity: Identity) {
    this.#store = store;
    this.#identity = identity;
  }

  /** Opens the store; what is there and cannot be used is removed, and `notes` say so. */
  open(): Opened {
    this.#store.close();
    this.forget();
    const found = this.#store.open();
    if (found.kind === 'unusable') return this.#anew(`The views cannot be used: ${found.why}.`);
    if (found.kind === 'new') return { standing: this.#begin(), notes: [] };
    const state = this.#store.reading((reader) => readState(reader));
    if (state === undefined) return this.#anew('The views do not say how far they are.');
    const { clusterId, timeline } = this.#identity;
    if (state.clusterId !== clusterId || state.timeline !== timeline) {
      return this.#anew('The views are of another cluster or timeline.');
    }
    this.#standing = state.standing;
    return { standing: this.#standing, notes: [] };
  }

  #anew(why: string): Opened {
    return { standing: this.reset(), notes: [`${why} They are built again.`] };
  }

  /** Begins with nothing. */
  reset(): Standing {
    this.#store.remove();
    const { kind } = this.#store.open();
    assert(kind === 'new', 'a store that was removed is new');
    return this.#begin();
  }

  #begin(): Standing {
    this.forget();
    this.#standing = NOTHING_YET;
    this.#store.write([this.#stateChange(NOTHING_YET)]);
    return this.#standing;
  }

  /** Nothing in memory is believed: what is in the store counts. */
  forget(): void {
    this.#accounts.forget();
    this.#sums.forget();
  }

  /** All of it or, when it throws, nothing. Returns how far the view is now, and rows written. */
  take(batch: Batch): { readonly standing: Standing; readonly rows: number } {
    const changes: Change[] = [];
    const standing = this.#store.reading((reader) => {
      this.#sums.load(reader, []);
      changes.push(...this.#open(batch));
      return this.#move(reader, batch, changes);
    });
    changes.push(...this.#sums.takeChanges(), this.#stateChange(standing));
    this.#store.write(changes);
    this.#standing = standing;
    const rows = changes.reduce((sum, change) => sum + change.rows.length, 0);
    return { standing, rows };
  }

  #stateChange(standing: Standing): Change {
    const rows = stateRows(standing, this.#identity, VIEWS_VERSION);
    return { kind: 'put', table: '_state', rows };
  }

  #open({ ledgers, accounts }: Batch): Change[] {
    const ledgerRows = ledgers.map(({ ledger, currency, exponent }) => {
      return [BigInt(ledger), currency, BigInt(exponent)];
    });
    const rows: Row[] = [];
    for (let o = 0; o < accounts.length; o += ACCOUNT_WORDS) {
      const number = this.#standing.accounts + rows.length;
      const id = formatId('account', readIdWords(accounts, o + AccountWord.id));
      const ledger = accounts[o + AccountWord.ledger]!;
      const code = accounts[o + AccountWord.codeAndFlags]! & 0xffff;
      const flags = (accounts[o + AccountWord.codeAndFlags]! >>> 16) & ACCOUNT_FLAGS_KNOWN;
      const user128 = readIdWords(accounts, o + AccountWord.userData128);
      this.#accounts.add(id, number, ledger, code);
      this.#sums.opened(number, ledger, code);
      rows.push([
        BigInt(number),
        id,
        BigInt(ledger),
        BigInt(code),
        BigInt(flags),
        user128.toString(16).padStart(32, '0'),
        exactCell(read64(accounts, o + AccountWord.userData64)),
        BigInt(accounts[o + AccountWord.userData32]!),
        exactCell(read64(accounts, o + AccountWord.timestampNs)),
      ]);
    }
    return [
      { kind: 'add', table: '_ledgers', rows: ledgerRows },
      { kind: 'add', table: '_accounts', rows },
    ];
  }

  /** The movements of the batch, and the holds that end by them or by the time. */
  #move(reader: ViewReader, batch: Batch, changes: Change[]): Standing {
    const { mark } = batch;
    const records = new FedRecords(batch.records);
    const movements = new Movements(reader, this.#accounts, this.#sums, records);
    movements.addAll(this.#standing.transfers);
    if (mark !== undefined) movements.expire(mark.timeNs);
    changes.push(
      { kind: 'add', table: '_movements', rows: movements.rows },
      { kind: 'set', table: '_movements', by: 'number', column: 'hold', rows: movements.resolved },
    );
    const before = this.#standing;
    const accounts = before.accounts + batch.accounts.length / ACCOUNT_WORDS;
    const transfers = before.transfers + records.count;
    const ledgers = before.ledgers + batch.ledgers.length;
    if (mark !== undefined) {
      assert(mark.transfers === transfers, 'a mark has all transfers before it');
      assert(mark.accounts === accounts, 'a mark has all accounts before it');
    }
    const reached =
      mark === undefined
        ? { position: before.position, timeNs: before.timeNs, isComplete: false }
        : { position: mark.position, timeNs: mark.timeNs, isComplete: true };
    return {
      ...reached,
      transfers,
      accounts,
      ledgers,
      lastTransfer: lastTransferOf(records) ?? before.lastTransfer,
      lastAccount: lastAccountOf(batch.accounts) ?? before.lastAccount,
    };
  }
}

/** The movements of one batch. */
class Movements {
  readonly rows: Cell[][] = [];
  /** Holds of earlier batches that have ended: number, and how. */
  readonly resolved: [Cell, Cell][] = [];
  readonly #reader: ViewReader;
  readonly #records: FedRecords;
  readonly #sums: SumBook;
  readonly #accounts: ReadonlyMap<string, KnownAccount>;
  readonly #keys = new Map<number, string>();
  readonly #earlierHolds: ReadonlyMap<string, OpenHold>;
  readonly #openHere = new Map<string, OpenHold>();
  readonly #ended = new Set<bigint>();

  constructor(reader: ViewReader, accounts: KnownAccounts, sums: SumBook, records: FedRecords) {
    this.#reader = reader;
    this.#records = records;
    this.#sums = sums;
    const ids = new Set<string>();
    const pending: string[] = [];
    for (let index = 0; index < records.count; index++) {
      ids.add(records.debitAccount(index));
      ids.add(records.creditAccount(index));
      const kind = records.kind(index);
      if (kind === 'post' || kind === 'void') pending.push(records.pendingId(index));
    }
    this.#accounts = accounts.lookUp(reader, ids);
    for (const { number, totalKey } of this.#accounts.values()) this.#keys.set(number, totalKey);
    sums.load(reader, this.#keys.keys());
    const rows = reader.find('_movements', 'id', pending);
    this.#earlierHolds = new Map(
      rows.flatMap((row, index) => (row === undefined ? [] : [[pending[index]!, holdOf(row)]])),
    );
  }

  addAll(first: number): void {
    for (let index = 0; index < this.#records.count; index++) this.#add(first + index, index);
  }

  #add(number: number, index: number): void {
    const records = this.#records;
    const debit = this.#accounts.get(records.debitAccount(index))!;
    const credit = this.#accounts.get(records.creditAccount(index))!;
    const kind = records.kind(index);
    const amount = records.amount(index);
    const timestampNs = records.timestampNs(index);
    const resolves = kind === 'post' || kind === 'void';
    const expires = kind === 'hold' ? records.expiresNs(index) : null;
    const id = records.id(index);
    const row: Cell[] = [
      BigInt(number),
      id,
      Kind[kind],
      debit.cell,
      credit.cell,
      BigInt(records.ledger(index)),
      exactCell(amount),
      resolves ? records.pendingId(index) : null,
      kind === 'hold' ? Hold.pending : Hold.none,
      expires === null ? null : exactCell(expires),
      BigInt(records.code(index)),
      BigInt(records.flags(index)),
      records.userData128(index),
      exactCell(records.userData64(index)),
      BigInt(records.userData32(index)),
      exactCell(timestampNs),
    ];
    this.rows.push(row);
    const day = dayOf(timestampNs);
    const total = this.#sums.day(this.#reader, records.ledger(index), day);
    if (resolves) this.#resolve(records.pendingId(index), kind);
    if (kind === 'hold') {
      const hold = { number: BigInt(number), debit: debit.number, credit: credit.number, amount };
      this.#openHere.set(id, { ...hold, expires: row[9]!, row });
      this.#pend(debit.number, credit.number, amount);
      total.holds += 1;
      total.held += amount;
    } else if (kind === 'void') {
      total.voids += 1;
    } else {
      this.#post(debit, credit, amount, day);
      if (kind === 'post') {
        total.posts += 1;
        total.posted += amount;
      } else {
        total.transfers += 1;
        total.transferred += amount;
      }
    }
  }

  #post(debit: KnownAccount, credit: KnownAccount, amount: bigint, day: number): void {
    this.#sums.postsOn(debit.number, day);
    this.#sums.postsOn(credit.number, day);
    this.#sums.add(debit.number, debit.totalKey, 'debitsPosted', amount);
    this.#sums.add(credit.number, credit.totalKey, 'creditsPosted', amount);
  }

  /** Adds to what is pending; what is negative gives it back. */
  #pend(debit: number, credit: number, amount: bigint): void {
    this.#sums.add(debit, this.#keys.get(debit)!, 'debitsPending', amount);
    this.#sums.add(credit, this.#keys.get(credit)!, 'creditsPending', amount);
  }

  #resolve(pendingId: string, kind: 'post' | 'void'): void {
    const hold = this.#openHere.get(pendingId) ?? this.#earlierHolds.get(pendingId);
    assert(hold !== undefined, 'what is posted or voided is a hold from before');
    this.#end(hold, kind === 'post' ? Hold.posted : Hold.voided);
    this.#openHere.delete(pendingId);
  }

  #end(hold: OpenHold, how: bigint): void {
    assert(!this.#ended.has(hold.number), 'a hold ends once');
    this.#ended.add(hold.number);
    this.#pend(hold.debit, hold.credit, -hold.amount);
    if (hold.row === undefined) this.resolved.push([hold.number, how]);
    else hold.row[HOLD_COLUMN] = how;
  }

  /** Holds whose time has come at `timeNs`. */
  expire(timeNs: bigint): void {
    const equal = { hold: Hold.pending };
    const through = exactCell(timeNs);
    const due = this.#reader
      .scan({ table: '_movements', equal, by: 'expires_ns', through })
      .map(holdOf)
      .filter(({ number }) => !this.#ended.has(number));
    this.#loadAccounts(due);
    for (const hold of due) this.#end(hold, Hold.expired);
    for (const hold of this.#openHere.values()) {
      if (hold.expires !== null && bigCell(hold.expires) <= timeNs) this.#end(hold, Hold.expired);
    }
  }

  #loadAccounts(holds: readonly OpenHold[]): void {
    const numbers = new Set(holds.flatMap(({ debit, credit }) => [debit, credit]));
    const missing = [...numbers].filter((number) => !this.#keys.has(number));
    const rows = this.#reader.find('_accounts', 'number', missing.map(BigInt));
    for (const [index, number] of missing.entries()) {
      const row = rows[index]!;
      this.#keys.set(number, `${numberCell(row[2])} ${numberCell(row[3])}`);
    }
    this.#sums.load(this.#reader, missing);
  }
}

function holdOf(row: Row): OpenHold {
  return {
    number: bigCell(row[0]),
    debit: numberCell(row[3]),
    credit: numberCell(row[4]),
    amount: bigCell(row[6]),
    expires: row[9]!,
    row: undefined,
  };
}

export function lastTransferOf(records: FedRecords): Last | undefined {
  if (records.count === 0) return undefined;
  const index = records.count - 1;
  return { id: records.id(index), timestampNs: records.timestampNs(index) };
}

export function lastAccountOf(accounts: Uint32Array): Last | undefined {
  if (accounts.length === 0) return undefined;
  const o = accounts.length - ACCOUNT_WORDS;
  const id = formatId('account', readIdWords(accounts, o + AccountWord.id));
  return { id, timestampNs: read64(accounts, o + AccountWord.timestampNs) };
}

function read64(words: Uint32Array, i: number): bigint {
  return (BigInt(words[i + 1]!) << 32n) | BigInt(words[i]!);
}
