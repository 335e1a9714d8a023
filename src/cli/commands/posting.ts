// `holdfast posting create|revert`: several accounts in one movement, all or none. An id is made
// once, before the first attempt, and named in every failure: sending it again is always safe.

import type { Command } from 'commander';
import { formatId } from '../../base/ids.ts';
import type { Client, Created } from '../../client/http-client.ts';
import type { Ledger, Leg, PostingView } from '../../client/wire.ts';
import { connect } from '../connection.ts';
import { ExitCode } from '../exit-codes.ts';
import { CliFailure, toFailure, usageFailure } from '../failure.ts';
import {
  CODE_RANGE,
  chooseLedger,
  readAccountId,
  readAmount,
  readNumber,
  readPostingId,
} from '../inputs.ts';
import { Output, money } from '../output.ts';
import type { Run } from '../run.ts';
import { type UserDataOptions, addUserDataOptions, readUserData } from '../user-data.ts';

type CreateOptions = UserDataOptions & {
  readonly id?: string;
  readonly debit: readonly string[];
  readonly credit: readonly string[];
  readonly currency?: string;
  readonly ledger?: string;
  readonly code: string;
};

export function addPostingCommands(program: Command, run: Run): void {
  const group = program.command('posting').description('move money between several accounts');
  const create = group
    .command('create')
    .description('debit and credit several accounts, all or none; both sides are equal')
    .requiredOption('--debit <leg...>', 'account=amount, like 1=11.90')
    .requiredOption('--credit <leg...>', 'account=amount, like 2=10.00')
    .option('--currency <code>', 'like EUR')
    .option('--ledger <number>', 'the ledger by number, instead of --currency')
    .option('--code <number>', 'your own classification, 1 to 65535', '1')
    .option('--id <id>', 'po_ and 32 hex digits (made if absent); reuse it to ask again');
  addUserDataOptions(create).action(
    run<CreateOptions>(async ({ io, options }) => {
      const output = new Output(io, options);
      await using client = await connect(io, options);
      const ledger = chooseLedger(await client.ledgers.list(), options);
      return await createPosting(client, output, options, ledger);
    }),
  );
  group
    .command('revert')
    .description('move all of a posting back; once, however often it is asked')
    .argument('<id>')
    .action(
      run<object>(async ({ io, options, args }) => {
        const id = readPostingId(args[0] ?? '');
        const output = new Output(io, options);
        await using client = await connect(io, options);
        await showPosting(client, output, await client.postings.revert(id));
        return ExitCode.ok;
      }),
    );
}

async function createPosting(
  client: Client,
  output: Output,
  options: CreateOptions,
  ledger: Ledger,
): Promise<number> {
  const { newPostingId } = await import('../../client/ids.ts');
  const id = options.id === undefined ? newPostingId() : readPostingId(options.id);
  const posting = {
    id,
    ledger: ledger.ledger,
    code: readNumber('--code', options.code, CODE_RANGE),
    legs: [
      ...options.debit.map((text) => readLeg(text, 'debit', ledger)),
      ...options.credit.map((text) => readLeg(text, 'credit', ledger)),
    ],
    ...readUserData(options),
  };
  let created: Created<PostingView>;
  try {
    created = await client.postings.create(posting);
  } catch (error) {
    throw withId(error, id);
  }
  await showPosting(client, output, created, ledger);
  return ExitCode.ok;
}

function readLeg(text: string, side: Leg['side'], ledger: Ledger): Leg {
  const [account = '', amount, ...rest] = text.split('=');
  if (amount === undefined || rest.length > 0) {
    throw usageFailure(`"${text}" is not a leg.`, 'It is account=amount, like 1=11.90.');
  }
  return { accountId: readAccountId(account), side, amount: readAmount(amount, ledger) };
}

/** Where it may have happened, the id is what people need to find out. */
function withId(error: unknown, id: bigint): CliFailure {
  const failure = toFailure(error);
  if (failure.exitCode !== ExitCode.outcomeUnknown) return failure;
  const action = `Run the same command with --id ${formatId('posting', id)}.`;
  const { exitCode, code, message, money: meaning } = failure;
  return new CliFailure({ exitCode, code, message, money: meaning, action }, error);
}

async function showPosting(
  client: Client,
  output: Output,
  { status, value }: Created<PostingView>,
  known?: Ledger,
): Promise<void> {
  if (output.isJson) {
    const { postingJson } = await import('../../client/wire.ts');
    output.json({ status, ...postingJson(value) });
    return;
  }
  output.pairs([
    ['status', status],
    ['posting', formatId('posting', value.id)],
  ]);
  const exponents = new Map<number, number>();
  if (known !== undefined) exponents.set(known.ledger, known.exponent);
  else for (const item of await client.ledgers.list()) exponents.set(item.ledger, item.exponent);
  output.table(
    [{ title: 'debit' }, { title: 'credit' }, { title: 'amount', isNumber: true }],
    value.transfers.map((transfer) => [
      formatId('account', transfer.debitAccountId),
      formatId('account', transfer.creditAccountId),
      money(transfer.amount, exponents.get(transfer.ledger) ?? 0, transfer.currency),
    ]),
  );
}
