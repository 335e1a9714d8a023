// The views of a kernel that is sent commands: written by the real writer into a real SQLite file,
// in batches of any size, by somebody who may die at any point, and compared with the naive model.

import assert from 'node:assert/strict';
import { formatId } from '../../src/base/ids.ts';
import { Prng } from '../../src/base/prng.ts';
import { encodeTransfers } from '../../src/base/transfer-record.ts';
import { CommandKind } from '../../src/domain/commands.ts';
import { ACCOUNT_WORDS } from '../../src/domain/ledger/account-table.ts';
import { createViewStore } from '../../src/drivers/sqlite/driver.ts';
import type { Change, Row, ViewReader, ViewStore } from '../../src/ports/view-store.ts';
import { Marks } from '../../src/views/marks.ts';
import type { Batch, Mark, Standing } from '../../src/views/messages.ts';
import type { ReportAnswer, ReportQuestion } from '../../src/views/report-types.ts';
import { answerReport } from '../../src/views/reports.ts';
import { VIEWS_SCHEMA } from '../../src/views/schema.ts';
import { dayOf } from '../../src/views/times.ts';
import { ViewWriter } from '../../src/views/view-writer.ts';
import { KernelBooks } from '../model/kernel-books.ts';
import type { Sent } from '../properties/script.ts';
import { type BooksAt, NaiveViews, sumsOf } from './naive-views.ts';

const IDENTITY = { clusterId: 'c1'.repeat(16), timeline: 1 };
const DIED = new Error('the process has died');

/** A store whose process may die in the middle of a write. */
class MortalStore implements ViewStore {
  readonly #inner: ViewStore;
  dies = false;

  constructor(file: string) {
    this.#inner = createViewStore(VIEWS_SCHEMA, { file, mode: 'write' });
  }

  open(): ReturnType<ViewStore['open']> {
    return this.#inner.open();
  }

  write(changes: readonly Change[]): void {
    if (!this.dies) return this.#inner.write(changes);
    const rows = changes.find(({ rows: some }) => some.length > 0)?.rows ?? [];
    const broken = [...rows.slice(0, 1), null] as Row[];
    const [first] = changes;
    assert.ok(first !== undefined);
    const half = [...changes.slice(0, 3), { kind: 'put', table: first.table, rows: broken }];
    assert.throws(() => this.#inner.write(half as Change[]));
    throw DIED;
  }

  reading<T>(look: (reader: ViewReader) => T): T {
    return this.#inner.reading(look);
  }

  remove(): void {
    this.#inner.remove();
  }

  close(): void {
    this.#inner.close();
  }
}

export class ViewsRig {
  readonly kernel = new KernelBooks();
  readonly naive = new NaiveViews();
  readonly prng: Prng;
  readonly #file: string;
  readonly #marks = new Marks();
  readonly #imported: Uint8Array[] = [];
  store: MortalStore;
  #writer: ViewWriter;
  standing: Standing;

  constructor(file: string, seed: number) {
    this.#file = file;
    this.prng = new Prng(seed);
    this.store = new MortalStore(file);
    this.#writer = new ViewWriter(this.store, IDENTITY);
    this.standing = this.#writer.open().standing;
  }

  send(sent: Sent): void {
    const { codes } = this.kernel.apply(sent.command, sent.stamp);
    const { mark } = this.naive.take(this.kernel.state, sent, codes);
    this.#marks.add(mark);
  }

  /** Without the naive model: all of it is accepted, and kept as it was sent. */
  import(sent: Sent): void {
    const { codes } = this.kernel.apply(sent.command, sent.stamp);
    assert.ok(codes.every((code) => code === 0));
    if (sent.command.kind === CommandKind.transfers) this.#imported.push(sent.command.payload);
    const { ledger, lastTimeNs: timeNs } = this.kernel.state;
    const { position } = sent.stamp;
    const { transfersAccepted: transfers } = ledger;
    const counts = { accounts: ledger.accounts.count, ledgers: ledger.ledgers.count };
    this.#marks.add({ position, transfers, ...counts, timeNs });
  }

  /** Nobody dies: all that was sent. */
  feedKept(): void {
    this.#feedAll(10_000, (from, end) => this.#kept(from, end));
  }

  /** The same of what was imported. */
  feedAll(limit: number): void {
    const imported = Buffer.concat(this.#imported);
    const records = (from: number, end: number) => {
      return new Uint8Array(imported.subarray(128 * from, 128 * end));
    };
    this.#feedAll(limit, records);
  }

  #feedAll(limit: number, records: (from: number, end: number) => Uint8Array<ArrayBuffer>): void {
    for (;;) {
      const batch = this.#next(limit, records);
      if (batch === undefined) return;
      this.standing = this.#writer.take(batch).standing;
    }
  }

  /** As a process that died and was started again. */
  restart(): void {
    this.store.close();
    this.store = new MortalStore(this.#file);
    this.#writer = new ViewWriter(this.store, IDENTITY);
    const { standing, notes } = this.#writer.open();
    assert.deepEqual(notes, []);
    assert.deepEqual(standing, this.standing, 'it goes on where it was');
  }

  /** The same, where what is there may be found unusable; returns what is told of it. */
  restartAnew(marks: readonly Mark[]): readonly string[] {
    this.store.close();
    this.store = new MortalStore(this.#file);
    this.#writer = new ViewWriter(this.store, IDENTITY);
    const { standing, notes } = this.#writer.open();
    this.standing = standing;
    for (const mark of marks) this.#marks.add(mark);
    return notes;
  }

  /** One batch; false = there is nothing more. Some of the time whoever writes dies. */
  feed(): boolean {
    const limit = this.prng.pick([1, 3, 17, 500]);
    const batch = this.#next(limit, (from, end) => this.#kept(from, end));
    if (batch === undefined) return false;
    if (this.prng.chance(0.2)) {
      this.store.dies = true;
      assert.throws(() => this.#writer.take(batch), DIED);
      this.restart();
    }
    this.standing = this.#writer.take(batch).standing;
    if (this.prng.chance(0.1)) this.restart();
    return true;
  }

  #kept(from: number, end: number): Uint8Array<ArrayBuffer> {
    const kept = this.naive.history.kept.slice(from, end);
    return encodeTransfers(kept.map(({ transfer }) => transfer));
  }

  #next(
    limit: number,
    recordsOf: (from: number, end: number) => Uint8Array<ArrayBuffer>,
  ): Batch | undefined {
    const { standing } = this;
    const stretch = this.#marks.next(standing, limit);
    if (stretch === undefined) return undefined;
    const { mark, target } = stretch;
    const { ledger } = this.kernel.state;
    const accounts = new Uint32Array((target.accounts - standing.accounts) * ACCOUNT_WORDS);
    for (let number = standing.accounts; number < target.accounts; number++) {
      const o = ledger.accounts.records.offsetOf(number);
      const words = ledger.accounts.records.wordsOf(number).subarray(o, o + ACCOUNT_WORDS);
      accounts.set(words, (number - standing.accounts) * ACCOUNT_WORDS);
    }
    const end = Math.min(target.transfers, standing.transfers + limit);
    const records = recordsOf(standing.transfers, end);
    const ledgers = ledger.ledgers.definitions.slice(standing.ledgers, target.ledgers);
    return { ledgers, accounts, records, mark };
  }

  report(question: ReportQuestion): ReportAnswer | undefined {
    return this.store.reading((reader) => answerReport(reader, question));
  }

  compare(): void {
    const trial = this.report({ kind: 'trial-balance' });
    if (!this.standing.isComplete) {
      assert.equal(trial, undefined, 'nothing is said between two entries');
      return;
    }
    const at = this.naive.at.find(({ mark }) => mark.position === this.standing.position);
    assert.ok(at !== undefined);
    this.#compareBalances(at, trial);
    this.#compareHolds(at);
    this.#compareStatement(at);
    this.#compareDays(at);
  }

  #compareBalances({ accounts, mark }: BooksAt, trial: ReportAnswer | undefined): void {
    assert.equal(trial?.kind, 'trial-balance');
    assert.deepEqual([trial.position, trial.timeNs], [mark.position, mark.timeNs]);
    const rows = this.store.reading((reader) => {
      const numbers = reader.scan({ table: '_accounts', by: 'number' });
      const balances = reader.scan({ table: '_balances', by: 'account' });
      return numbers.map((row, index) => [row[1], ...balances[index]!.slice(1)].map(String));
    });
    const expected = [...accounts.values()].map((account) => {
      const { debitsPosted, creditsPosted, debitsPending, creditsPending } = account;
      const id = formatId('account', account.id);
      return [id, debitsPosted, creditsPosted, debitsPending, creditsPending].map(String);
    });
    assert.deepEqual(rows, expected);
    for (const ledger of trial.ledgers) {
      const own = [...accounts.values()].filter((account) => account.ledger === ledger.ledger);
      assert.equal(ledger.accounts, own.length);
      for (const sum of [
        'debitsPosted',
        'creditsPosted',
        'debitsPending',
        'creditsPending',
      ] as const) {
        assert.equal(
          ledger[sum],
          own.reduce((all, account) => all + account[sum], 0n),
          sum,
        );
      }
    }
  }

  #compareHolds({ pending, mark }: BooksAt): void {
    const equal = { hold: 1n };
    const rows = this.store.reading((reader) => {
      return reader.scan({ table: '_movements', equal, by: 'number' });
    });
    const ids = rows.map((row) => String(row[1])).sort();
    assert.deepEqual(ids, [...pending].map((id) => formatId('transfer', id)).sort());
    assert.equal(this.standing.transfers, mark.transfers);
  }

  #compareStatement({ accounts, mark }: BooksAt): void {
    if (accounts.size === 0) return;
    const account = this.prng.pick([...accounts.keys()]);
    const entries = this.naive.entries(account, mark.transfers);
    const times = entries.map(({ timestampNs }) => timestampNs);
    const [a, b] = [this.#time(times, mark.timeNs), this.#time(times, mark.timeNs)];
    const [fromNs, throughNs] = a < b ? [a, b] : [b, a];
    const limit = this.prng.pick([1, 4, 1000]);
    const question = {
      kind: 'statement' as const,
      account: formatId('account', account),
      fromNs,
      throughNs,
      limit,
    };
    const lines = [];
    let after: number | undefined;
    do {
      const answer = this.report({ ...question, after });
      assert.equal(answer?.kind, 'statement');
      const before = entries.filter(({ timestampNs }) => timestampNs < fromNs);
      const until = entries.filter(({ timestampNs }) => timestampNs <= throughNs);
      assert.deepEqual(answer.opening, sumsOf(before));
      assert.deepEqual(answer.closing, sumsOf(until));
      lines.push(...answer.lines);
      after = answer.next;
    } while (after !== undefined);
    const expected = entries
      .filter(({ timestampNs }) => timestampNs >= fromNs && timestampNs <= throughNs)
      .map(({ number, side, id, amount, timestampNs }) => {
        return { number, side, transfer: formatId('transfer', id), amount, timestampNs };
      });
    const found = lines.map(({ number, side, transfer, amount, timestampNs }) => {
      return { number, side, transfer, amount, timestampNs };
    });
    assert.deepEqual(found, expected);
  }

  #time(times: readonly bigint[], nowNs: bigint): bigint {
    const time = times.length === 0 ? nowNs : this.prng.pick(times);
    return time + BigInt(this.prng.below(3) - 1);
  }

  #compareDays({ mark }: BooksAt): void {
    const answer = this.report({
      kind: 'daily-totals',
      fromDay: 0,
      throughDay: dayOf(mark.timeNs),
      ledger: undefined,
      limit: 1000,
      after: undefined,
    });
    assert.equal(answer?.kind, 'daily-totals');
    const days = answer.days.map(({ day, ledger, transfers, transferred, ...rest }) => {
      const { holds, held, posts, posted, voids } = rest;
      return { day, ledger, transfers, transferred, holds, held, posts, posted, voids };
    });
    const naive = this.naive;
    const expected = answer.days.map(({ day, ledger }) => {
      const sum = (kind: Parameters<NaiveViews['day']>[2]) => {
        return naive.day(ledger, day, kind, mark.transfers);
      };
      const [moved, hold, post] = [sum('transfer'), sum('hold'), sum('post')];
      return {
        day,
        ledger,
        transfers: moved.count,
        transferred: moved.sum,
        holds: hold.count,
        held: hold.sum,
        posts: post.count,
        posted: post.sum,
        voids: sum('void').count,
      };
    });
    assert.deepEqual(days, expected);
    const all = days.reduce((sum, d) => sum + d.transfers + d.holds + d.posts + d.voids, 0);
    assert.equal(all, mark.transfers, 'every accepted transfer is of some day');
  }
}
