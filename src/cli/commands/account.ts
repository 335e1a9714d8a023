// `holdfast account create|get|list-by-ids|freeze|unfreeze`, and `list` and `batch` from their own
// files.

import { type Command, Option } from 'commander';
import { formatId } from '../../base/ids.ts';
import type { Client } from '../../client/http-client.ts';
import type { AccountView, Ledger, NewAccount } from '../../client/wire.ts';
import { connect } from '../connection.ts';
import { ExitCode } from '../exit-codes.ts';
import { ACCOUNT_COLUMNS, accountRow } from '../account-table.ts';
import { CODE_RANGE, chooseLedger, readAccountId, readNumber, readU64 } from '../inputs.ts';
import { Output, accountPairs } from '../output.ts';
import { withId } from '../failure.ts';
import type { Run } from '../run.ts';
import { type UserDataOptions, addUserDataOptions, readUserData } from '../user-data.ts';
import { addBatchCommand } from './batch.ts';
import { addAccountList } from './list.ts';

type CreateOptions = UserDataOptions & {
  readonly id?: string;
  readonly currency?: string;
  readonly ledger?: string;
  readonly code: string;
  readonly limit?: 'debits' | 'credits';
  readonly timestampNs?: string;
};

export function addAccountCommands(program: Command, run: Run): void {
  const group = program.command('account').description('open and read accounts');
  const create = group
    .command('create')
    .description('open an account; the same again changes nothing')
    .option('--id <id>', 'acc_ and 32 hex digits, or a decimal number (made if absent)')
    .option('--currency <code>', 'currency of its ledger, like EUR')
    .option('--ledger <number>', 'its ledger by number')
    .option('--code <number>', 'your own classification, 1 to 65535', '1')
    .addOption(
      new Option('--limit <side>', 'debits may not exceed credits, or credits not debits').choices([
        'debits',
        'credits',
      ]),
    )
    .option('--timestamp-ns <number>', 'import it with this time (nanoseconds since 1970)');
  addUserDataOptions(create).action(
    run<CreateOptions>(async ({ io, options }) => {
      const output = new Output(io, options);
      await using client = await connect(io, options);
      return await createAccount(client, output, options);
    }),
  );
  group
    .command('get')
    .description('one account with its balances')
    .argument('<id>')
    .action(
      run<object>(async ({ io, options, args }) => {
        const id = readAccountId(args[0] ?? '');
        const output = new Output(io, options);
        await using client = await connect(io, options);
        await showAccount(client, output, await client.accounts.get(id));
        return ExitCode.ok;
      }),
    );
  group
    .command('list-by-ids')
    .description('several accounts with their balances')
    .argument('<ids...>')
    .action(
      run<object>(async ({ io, options, args }) => {
        const ids = args.map(readAccountId);
        const output = new Output(io, options);
        await using client = await connect(io, options);
        return await listAccounts(client, output, ids);
      }),
    );
  addAccountList(group, run);
  addBatchCommand(group, run, 'account');
  group
    .command('freeze')
    .description('stop an account: nothing begins with it, what is held can be given back')
    .argument('<id>')
    .action(freezeAction(run, 'freeze'));
  group
    .command('unfreeze')
    .description('let a frozen account go on')
    .argument('<id>')
    .action(freezeAction(run, 'unfreeze'));
}

function freezeAction(run: Run, verb: 'freeze' | 'unfreeze'): ReturnType<Run> {
  return run<object>(async ({ io, options, args }) => {
    const id = readAccountId(args[0] ?? '');
    const output = new Output(io, options);
    await using client = await connect(io, options);
    await showAccount(client, output, await client.accounts[verb](id));
    return ExitCode.ok;
  });
}

async function createAccount(
  client: Client,
  output: Output,
  options: CreateOptions,
): Promise<number> {
  const { ACCOUNT_FLAG_NAMES } = await import('../../client/wire.ts');
  const { newAccountId } = await import('../../client/ids.ts');
  const code = readNumber('--code', options.code, CODE_RANGE);
  const id = options.id === undefined ? newAccountId() : readAccountId(options.id);
  const userData = readUserData(options);
  const ledger = chooseLedger(await client.ledgers.list(), options);
  const flag =
    options.limit === 'debits'
      ? 'debits_must_not_exceed_credits'
      : 'credits_must_not_exceed_debits';
  const limit = options.limit === undefined ? 0 : (ACCOUNT_FLAG_NAMES[flag] ?? 0);
  const { timestampNs } = options;
  const account: NewAccount = {
    id,
    ledger: ledger.ledger,
    code,
    flags: timestampNs === undefined ? limit : limit | (ACCOUNT_FLAG_NAMES['imported'] ?? 0),
    ...userData,
    ...(timestampNs !== undefined && { timestampNs: readU64('--timestamp-ns', timestampNs) }),
  };
  if (!output.isJson && output.isTerminal) output.note(`opening ${formatId('account', id)} ...`);
  const { status, value } = await client.accounts.create(account).catch((error: unknown) => {
    throw withId(error, formatId('account', id), 'account');
  });
  await showAccount(client, output, value, ledger, status);
  return ExitCode.ok;
}

async function showAccount(
  client: Client,
  output: Output,
  account: AccountView,
  known?: Ledger,
  status?: string,
): Promise<void> {
  const { ACCOUNT_FLAG_NAMES, accountJson, flagNames } = await import('../../client/wire.ts');
  if (output.isJson) {
    output.json({ ...(status !== undefined && { status }), ...accountJson(account) });
    return;
  }
  const ledger = known ?? (await client.ledgers.get(account.ledger));
  const flags = flagNames(account.flags, ACCOUNT_FLAG_NAMES);
  const rows = accountPairs(account, ledger.exponent, flags);
  output.pairs(status === undefined ? rows : [['status', status], ...rows]);
}

async function listAccounts(
  client: Client,
  output: Output,
  ids: readonly bigint[],
): Promise<number> {
  const { accountJson } = await import('../../client/wire.ts');
  const { found, notFound, position } = await client.accounts.lookup(ids);
  const missing = notFound.map((id) => formatId('account', id));
  if (output.isJson) {
    output.json({ position, accounts: found.map(accountJson), not_found: missing });
  } else {
    const ledgers = await client.ledgers.list();
    if (found.length > 0) {
      output.table(
        ACCOUNT_COLUMNS,
        found.map((account) => accountRow(account, ledgers)),
      );
    }
    for (const id of missing) output.note(`not found: ${id}`);
  }
  return missing.length === 0 ? ExitCode.ok : ExitCode.notFound;
}
