// `holdfast transfer create|post|void|get|revert`; `list` and `batch` have their own files. An id
// is made once, before the first attempt, and named in every failure: sending it again with --id is
// always safe.

import { type Command, Option } from 'commander';
import { formatId } from '../../base/ids.ts';
import { U128_MAX } from '../../base/u128.ts';
import type { Client, Created } from '../../client/http-client.ts';
import type { Ledger, NewTransfer, TransferView } from '../../client/wire.ts';
import { connect } from '../connection.ts';
import { ExitCode } from '../exit-codes.ts';
import { withId } from '../failure.ts';
import {
  CODE_RANGE,
  U32_RANGE,
  chooseLedger,
  readAccountId,
  readAmount,
  readNumber,
  readTransferId,
  readU64,
} from '../inputs.ts';
import { Output, transferPairs } from '../output.ts';
import type { Run } from '../run.ts';
import { type UserDataOptions, addUserDataOptions, readUserData } from '../user-data.ts';
import { addBatchCommand } from './batch.ts';
import { addTransferList } from './list.ts';

type CreateOptions = UserDataOptions & {
  readonly id?: string;
  readonly debit: string;
  readonly credit: string;
  readonly amount: string;
  readonly currency?: string;
  readonly ledger?: string;
  readonly code: string;
  readonly hold?: boolean;
  readonly expiresAfter?: string;
  readonly flag?: readonly string[];
  readonly timestampNs?: string;
};

type ResolveOptions = { readonly id?: string; readonly amount?: string };

const ID_TEXT = 'tr_ and 32 hex digits (made if absent); reuse it to ask again';
const FLAGS = ['balancing_debit', 'balancing_credit', 'closing_debit', 'closing_credit'];

export function addTransferCommands(program: Command, run: Run): void {
  const group = program.command('transfer').description('move money, now or in two steps');
  const create = group
    .command('create')
    .description('move money from the debit account to the credit account')
    .requiredOption('--debit <id>', 'account to debit')
    .requiredOption('--credit <id>', 'account to credit')
    .requiredOption('--amount <decimal>', 'like 12.50; max with a balancing flag')
    .option('--currency <code>', 'like EUR')
    .option('--ledger <number>', 'the ledger by number, instead of --currency')
    .option('--code <number>', 'your own classification, 1 to 65535', '1')
    .option('--id <id>', ID_TEXT)
    .option('--hold', 'only reserve the amount; post or void it later')
    .option('--expires-after <seconds>', 'release the hold by itself after this time')
    .addOption(
      new Option(
        '--flag <name...>',
        'the amount is an upper bound; the hold closes an account',
      ).choices(FLAGS),
    )
    .option('--timestamp-ns <number>', 'import it with this time (nanoseconds since 1970)');
  addUserDataOptions(create).action(
    run<CreateOptions>(async ({ io, options }) => {
      const output = new Output(io, options);
      await using client = await connect(io, options);
      const ledger = chooseLedger(await client.ledgers.list(), options);
      return await send(client, output, { transfer: await newTransfer(options, ledger), ledger });
    }),
  );
  addResolving(group, run);
  addTransferList(group, run);
  addBatchCommand(group, run, 'transfer');
  group
    .command('get')
    .alias('show')
    .description('one transfer, and what became of its hold')
    .argument('<id>')
    .action(
      run<object>(async ({ io, options, args }) => {
        const id = readTransferId(args[0] ?? '');
        const output = new Output(io, options);
        await using client = await connect(io, options);
        await showTransfer(client, output, await client.transfers.get(id));
        return ExitCode.ok;
      }),
    );
}

/** What follows from an earlier transfer. */
function addResolving(group: Command, run: Run): void {
  group
    .command('post')
    .description('post a hold, all of it or --amount; the rest is released')
    .argument('<hold>', 'id of the pending transfer')
    .option('--amount <decimal>', 'less than what is held')
    .option('--id <id>', ID_TEXT)
    .action(resolveAction(run, 'postPending'));
  group
    .command('void')
    .description('release a hold; nothing is moved')
    .argument('<hold>', 'id of the pending transfer')
    .option('--id <id>', ID_TEXT)
    .action(resolveAction(run, 'voidPending'));
  group
    .command('revert')
    .description('move the same amount back; once, however often it is asked')
    .argument('<id>')
    .action(
      run<object>(async ({ io, options, args }) => {
        const id = readTransferId(args[0] ?? '');
        const output = new Output(io, options);
        await using client = await connect(io, options);
        const { status, value } = await client.transfers.revert(id);
        await showTransfer(client, output, value, undefined, status);
        return ExitCode.ok;
      }),
    );
}

async function newTransfer(options: CreateOptions, ledger: Ledger): Promise<NewTransfer> {
  const { TRANSFER_FLAG_NAMES } = await import('../../client/wire.ts');
  const names = [...(options.flag ?? [])];
  if (options.hold === true) names.push('pending');
  if (options.timestampNs !== undefined) names.push('imported');
  const flags = names.reduce((bits, name) => bits | (TRANSFER_FLAG_NAMES[name] ?? 0), 0);
  const isBounded = names.some((name) => name.startsWith('balancing_'));
  const amount =
    isBounded && options.amount === 'max' ? U128_MAX : readAmount(options.amount, ledger);
  return {
    id: await transferId(options.id),
    debitAccountId: readAccountId(options.debit),
    creditAccountId: readAccountId(options.credit),
    amount,
    ledger: ledger.ledger,
    code: readNumber('--code', options.code, CODE_RANGE),
    ...(flags !== 0 && { flags }),
    ...(options.timestampNs !== undefined && {
      timestampNs: readU64('--timestamp-ns', options.timestampNs),
    }),
    ...(options.expiresAfter !== undefined && {
      timeoutSeconds: readNumber('--expires-after', options.expiresAfter, U32_RANGE),
    }),
    ...readUserData(options),
  };
}

function resolveAction(run: Run, flag: 'postPending' | 'voidPending'): ReturnType<Run> {
  return run<ResolveOptions>(async ({ io, options, args }) => {
    const pendingId = readTransferId(args[0] ?? '');
    const output = new Output(io, options);
    await using client = await connect(io, options);
    const { TransferFlag } = await import('../../base/transfer-record.ts');
    const id = await transferId(options.id);
    const flags = TransferFlag[flag];
    if (options.amount === undefined) {
      return await send(client, output, { transfer: { id, flags, pendingId } });
    }
    const hold = await client.transfers.get(pendingId);
    const ledger = await client.ledgers.get(hold.ledger);
    const amount = readAmount(options.amount, ledger);
    return await send(client, output, { transfer: { id, flags, pendingId, amount }, ledger });
  });
}

async function transferId(text: string | undefined): Promise<bigint> {
  if (text !== undefined) return readTransferId(text);
  const { newTransferId } = await import('../../client/ids.ts');
  return newTransferId();
}

async function send(
  client: Client,
  output: Output,
  { transfer, ledger }: { readonly transfer: NewTransfer; readonly ledger?: Ledger },
): Promise<number> {
  let created: Created<TransferView>;
  try {
    created = await client.transfers.create(transfer);
  } catch (error) {
    throw withId(error, formatId('transfer', transfer.id), 'transfer');
  }
  await showTransfer(client, output, created.value, ledger, created.status);
  return ExitCode.ok;
}

async function showTransfer(
  client: Client,
  output: Output,
  transfer: TransferView,
  known?: Ledger,
  status?: string,
): Promise<void> {
  const { TRANSFER_FLAG_NAMES, flagNames, transferJson } = await import('../../client/wire.ts');
  if (output.isJson) {
    output.json({ ...(status !== undefined && { status }), ...transferJson(transfer) });
    return;
  }
  const ledger = known ?? (await client.ledgers.get(transfer.ledger));
  const flags = flagNames(transfer.flags, TRANSFER_FLAG_NAMES);
  const rows = transferPairs(transfer, ledger.exponent, flags);
  output.pairs(status === undefined ? rows : [['status', status], ...rows]);
}
