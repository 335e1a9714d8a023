// `holdfast account list` and `holdfast transfer list`: what fits a filter, newest first, page by
// page until as many have come as were asked for.

import { type Command, Option } from 'commander';
import { parseInstant } from '../../base/instant.ts';
import { formatId } from '../../base/ids.ts';
import { formatDecimal } from '../../base/money.ts';
import type { ListFilter } from '../../base/list-query.ts';
import type { HttpQuery, Page } from '../../client/http-queries.ts';
import type { Ledger, TransferView } from '../../client/wire.ts';
import { connect } from '../connection.ts';
import { ExitCode } from '../exit-codes.ts';
import { usageFailure } from '../failure.ts';
import { CODE_RANGE, LEDGER_RANGE, readAccountId, readNumber } from '../inputs.ts';
import { type Column, Output, instant } from '../output.ts';
import type { Run } from '../run.ts';
import { ACCOUNT_COLUMNS, accountRow } from '../account-table.ts';
import { type UserDataOptions, addUserDataOptions, readUserData } from '../user-data.ts';

type ListOptions = UserDataOptions & {
  readonly ledger?: string;
  readonly code?: string;
  readonly from?: string;
  readonly until?: string;
  readonly oldest?: boolean;
  readonly limit: string;
  readonly cursor?: string;
};

type TransferListOptions = ListOptions & {
  readonly account?: string;
  readonly side?: 'debit' | 'credit';
};

/** What one command prints fits a terminal's memory; whoever wants more goes on with --cursor. */
const LIMIT_RANGE = { min: 1, max: 100_000 };
const PAGE_MAX = 1000;

export function addAccountList(group: Command, run: Run): void {
  const list = group.command('list').description('accounts by what they were opened with');
  addListOptions(list).action(
    run<ListOptions>(async ({ io, options }) => {
      const output = new Output(io, options);
      const query = queryOf(options);
      const limit = readNumber('--limit', options.limit, LIMIT_RANGE);
      await using client = await connect(io, options);
      const page = await collect(limit, query, (at) => client.queryAccounts(at));
      if (output.isJson) {
        const { accountJson } = await import('../../client/wire.ts');
        showJson(output, 'accounts', page, accountJson);
        return ExitCode.ok;
      }
      const ledgers = await client.ledgers.list();
      showTable(output, page, ACCOUNT_COLUMNS, (account) => accountRow(account, ledgers));
      return ExitCode.ok;
    }),
  );
}

export function addTransferList(group: Command, run: Run): void {
  const list = group
    .command('list')
    .description("an account's transfers, or those that bear a mark")
    .option('--account <id>', 'that debit or credit this account')
    .addOption(new Option('--side <side>', 'only its debits, or credits').choices(SIDES));
  addListOptions(list).action(
    run<TransferListOptions>(async ({ io, options }) => {
      const output = new Output(io, options);
      const { account, side } = options;
      if (side !== undefined && account === undefined) {
        throw usageFailure('--side says which side of --account is meant; that is missing.');
      }
      const query = queryOf(options, {
        ...(account !== undefined && { account: readAccountId(account) }),
        ...(side !== undefined && { side }),
      });
      const limit = readNumber('--limit', options.limit, LIMIT_RANGE);
      await using client = await connect(io, options);
      const page = await collect(limit, query, (at) => client.queryTransfers(at));
      if (output.isJson) {
        const { transferJson } = await import('../../client/wire.ts');
        showJson(output, 'transfers', page, transferJson);
        return ExitCode.ok;
      }
      const ledgers = await client.ledgers.list();
      showTable(output, page, TRANSFER_COLUMNS, (transfer) => transferRow(transfer, ledgers));
      return ExitCode.ok;
    }),
  );
}

const SIDES = ['debit', 'credit'];

function addListOptions(command: Command): Command {
  return addUserDataOptions(
    command
      .option('--ledger <number>', 'of this ledger')
      .option('--code <number>', 'with this code, 1 to 65535'),
  )
    .option('--from <time>', 'not before: nanoseconds, or like 2026-01-05T08:00:00Z')
    .option('--until <time>', 'not after')
    .addOption(new Option('--newest', 'newest first (the default)').conflicts('oldest'))
    .option('--oldest', 'oldest first')
    .option('--limit <count>', 'how many at most, up to 100000', '100')
    .option('--cursor <text>', 'go on where an earlier list ended');
}

function queryOf(options: ListOptions, filter: ListFilter = {}): HttpQuery {
  const { ledger, code, from, until, oldest, cursor } = options;
  return {
    filter: {
      ...filter,
      ...readUserData(options),
      ...(ledger !== undefined && { ledger: readNumber('--ledger', ledger, LEDGER_RANGE) }),
      ...(code !== undefined && { code: readNumber('--code', code, CODE_RANGE) }),
      ...(from !== undefined && { fromNs: readInstant('--from', from) }),
      ...(until !== undefined && { untilNs: readInstant('--until', until) }),
    },
    order: oldest === true ? 'oldest-first' : 'newest-first',
    cursor,
  };
}

function readInstant(name: string, text: string): bigint {
  const value = parseInstant(text);
  if (value !== undefined) return value;
  const hint = 'It is a time like 2026-01-05T08:00:00Z, or nanoseconds since 1970.';
  throw usageFailure(`${name} ${text} is not a time.`, hint);
}

/** Pages can be short: it goes on until there are enough, or no more. */
async function collect<T>(
  limit: number,
  query: HttpQuery,
  pageAt: (query: HttpQuery) => Promise<Page<T>>,
): Promise<Page<T>> {
  const items: T[] = [];
  let { cursor } = query;
  let position: number;
  do {
    const left = Math.min(PAGE_MAX, limit - items.length);
    const page = await pageAt({ ...query, cursor, limit: left });
    items.push(...page.items);
    cursor = page.next;
    position = page.position;
  } while (cursor !== undefined && items.length < limit);
  return { items, next: cursor, position };
}

function showJson<T>(
  output: Output,
  name: string,
  { items, next, position }: Page<T>,
  toJson: (item: T) => unknown,
): void {
  output.json({ position, [name]: items.map(toJson), next: next ?? null });
}

function showTable<T>(
  output: Output,
  { items, next }: Page<T>,
  columns: readonly Column[],
  rowOf: (item: T) => string[],
): void {
  if (items.length === 0) output.note('none');
  else output.table(columns, items.map(rowOf));
  if (next !== undefined) output.note(`there is more: the same with --cursor ${next}`);
}

const TRANSFER_COLUMNS: readonly Column[] = [
  { title: 'accepted' },
  { title: 'transfer' },
  { title: 'debit' },
  { title: 'credit' },
  { title: 'amount', isNumber: true },
  { title: 'currency' },
  { title: 'hold' },
];

function transferRow(transfer: TransferView, ledgers: readonly Ledger[]): string[] {
  const exponent = ledgers.find(({ ledger }) => ledger === transfer.ledger)?.exponent ?? 0;
  return [
    instant(transfer.timestampNs),
    formatId('transfer', transfer.id),
    formatId('account', transfer.debitAccountId),
    formatId('account', transfer.creditAccountId),
    formatDecimal(transfer.amount, exponent),
    transfer.currency,
    transfer.hold === 'none' ? '' : transfer.hold,
  ];
}
