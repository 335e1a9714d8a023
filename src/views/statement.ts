// A statement of account: what was posted before, what was posted in the time asked for, and where
// that leads. Timestamps rise with the numbers of transfers, so a stretch of time is a stretch of
// numbers. What was posted before is the end of the last earlier day and what came after it: a
// statement that begins with a day adds nothing up.

import type { Cell, Row, ViewReader } from '../ports/view-store.ts';
import { bigCell, numberCell, textCell } from './cells.ts';
import { ledgerOf } from './ledger-rows.ts';
import type { PostedSums, ReportAnswer, ReportQuestion, ReportedAt } from './report-types.ts';
import type { StatementLine } from './report-types.ts';
import { Kind } from './schema.ts';
import { NS_PER_DAY, dayOf } from './times.ts';

type Asked = Extract<ReportQuestion, { kind: 'statement' }>;

/** Rows that are read at once while adding up. */
const CHUNK_ROWS = 4096;
const ZERO_HEX = '0'.repeat(32);

const Column = {
  number: 0,
  id: 1,
  kind: 2,
  debit: 3,
  credit: 4,
  amount: 6,
  code: 10,
  userData128: 12,
  timestampNs: 15,
} as const;

export function statementOf(reader: ViewReader, asked: Asked, at: ReportedAt): ReportAnswer {
  const [found] = reader.find('_accounts', 'id', [asked.account]);
  if (found === undefined) return { kind: 'absent', ...at };
  const account = found[0]!;
  const ledger = ledgerOf(reader.find('_ledgers', 'ledger', [found[2]!])[0]!);
  const first = numberAt(reader, asked.fromNs);
  const end = Math.max(first, numberAt(reader, asked.throughNs + 1n));
  const entries = new Entries(reader, account);
  const begin = asked.after === undefined ? first : Math.max(first, asked.after + 1);
  const { rows, isMore } = entries.list(begin, end, asked.limit);
  const lines = linesOf(reader, rows, account);
  return {
    kind: 'statement',
    ...at,
    account: asked.account,
    ledger,
    opening: postedBefore(entries, asked.fromNs, first),
    closing: postedBefore(entries, asked.throughNs + 1n, end),
    lines,
    next: isMore ? lines.at(-1)?.number : undefined,
  };
}

/** The number of the first movement at or after a time. */
export function numberAt(reader: ViewReader, timeNs: bigint): number {
  const [last] = reader.scan({ table: '_movements', by: 'number', order: 'falling', limit: 1 });
  let low = 0;
  let high = last === undefined ? 0 : numberCell(last[Column.number]) + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [row] = reader.find('_movements', 'number', [BigInt(middle)]);
    if (bigCell(row![Column.timestampNs]) < timeNs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What the account was posted before a time; `end` is the number there. */
function postedBefore(entries: Entries, timeNs: bigint, end: number): PostedSums {
  const day = dayOf(timeNs);
  const before = entries.endOfDayBefore(day);
  const first = numberAt(entries.reader, BigInt(day) * NS_PER_DAY);
  const since = entries.sums(first, end);
  return {
    debitsPosted: before.debitsPosted + since.debitsPosted,
    creditsPosted: before.creditsPosted + since.creditsPosted,
  };
}

/** What was posted to one account. */
class Entries {
  readonly reader: ViewReader;
  readonly #account: Cell;

  constructor(reader: ViewReader, account: Cell) {
    this.reader = reader;
    this.#account = account;
  }

  /** From `first` and before `end`, in the order of numbers. */
  list(first: number, end: number, limit: number): { rows: Row[]; isMore: boolean } {
    const debits = [...this.#side('debit', first, end, limit + 1)];
    const credits = [...this.#side('credit', first, end, limit + 1)];
    const rows = [...debits, ...credits].sort((a, b) => numberCell(a[0]) - numberCell(b[0]));
    return { rows: rows.slice(0, limit), isMore: rows.length > limit };
  }

  sums(first: number, end: number): PostedSums {
    let [debitsPosted, creditsPosted] = [0n, 0n];
    for (const row of this.#side('debit', first, end)) debitsPosted += bigCell(row[Column.amount]);
    for (const row of this.#side('credit', first, end)) {
      creditsPosted += bigCell(row[Column.amount]);
    }
    return { debitsPosted, creditsPosted };
  }

  *#side(
    side: 'debit' | 'credit',
    first: number,
    end: number,
    limit = Number.MAX_SAFE_INTEGER,
  ): Generator<Row> {
    let from = first;
    for (let given = 0; from < end && given < limit; ) {
      const rows = this.reader.scan({
        table: '_movements',
        equal: { [side]: this.#account },
        by: 'number',
        from: BigInt(from),
        through: BigInt(end - 1),
        limit: CHUNK_ROWS,
      });
      for (const row of rows) {
        const kind = row[Column.kind];
        if (kind !== Kind.transfer && kind !== Kind.post) continue;
        yield row;
        given += 1;
        if (given === limit) return;
      }
      if (rows.length < CHUNK_ROWS) return;
      from = numberCell(rows.at(-1)![Column.number]) + 1;
    }
  }

  endOfDayBefore(day: number): PostedSums {
    const [row] = this.reader.scan({
      table: '_daily_balances',
      equal: { account: this.#account },
      by: 'day',
      through: BigInt(day - 1),
      order: 'falling',
      limit: 1,
    });
    if (row === undefined) return { debitsPosted: 0n, creditsPosted: 0n };
    return { debitsPosted: bigCell(row[2]), creditsPosted: bigCell(row[3]) };
  }
}

function linesOf(reader: ViewReader, rows: readonly Row[], account: Cell): StatementLine[] {
  const contras = rows.map((row) => {
    return row[Column.debit] === account ? row[Column.credit]! : row[Column.debit]!;
  });
  const accounts = reader.find('_accounts', 'number', contras);
  return rows.map((row, index) => ({
    number: numberCell(row[Column.number]),
    transfer: textCell(row[Column.id]),
    movement: row[Column.kind] === Kind.post ? 'post' : 'transfer',
    side: row[Column.debit] === account ? 'debit' : 'credit',
    contraAccount: textCell(accounts[index]![1]),
    amount: bigCell(row[Column.amount]),
    code: numberCell(row[Column.code]),
    userData128: row[Column.userData128] === null ? ZERO_HEX : textCell(row[Column.userData128]),
    timestampNs: bigCell(row[Column.timestampNs]),
  }));
}
