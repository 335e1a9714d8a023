// Scenarios through the command line: its own entry in this process, against a served node. Each
// step by the command that people would use for it where there is one; as a batch file otherwise.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AccountFlag } from '../../../src/base/account.ts';
import { formatId } from '../../../src/base/ids.ts';
import { formatDecimal } from '../../../src/base/money.ts';
import { type Transfer, TransferFlag } from '../../../src/base/transfer-record.ts';
import { U128_MAX } from '../../../src/base/u128.ts';
import { runSeen } from '../../../src/cli/testing/run.ts';
import {
  type NewAccount,
  type NewPosting,
  newAccountJson,
  newTransferJson,
} from '../../../src/client/wire.ts';
import { CommandKind } from '../../../src/domain/commands.ts';
import { findLedger, findTransfer } from '../../../src/domain/queries.ts';
import type { Act } from '../../scenarios/postings.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { KEY, serve } from './http-door.ts';
import { StampedEngine, type Step } from './recorded-scenario.ts';
import {
  type Door,
  type ListPage,
  accountsOf,
  freezingOf,
  isBatchOfTransfers,
  isSayableAsJson,
  ledgersOf,
  linesOf,
  transfersOf,
} from './saying.ts';

type Parameters = readonly string[];

const SHIM = fileURLToPath(new URL('../../../bin/holdfast.js', import.meta.url));

/** The same command line as a process of its own. */
export async function runProcess(
  parameters: Parameters,
  environment: Readonly<Record<string, string>>,
): Promise<{ readonly exitCode: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [SHIM, ...parameters], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...environment },
  });
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([child.stdout.toArray(), child.stderr.toArray()]);
  return { exitCode: await closed, stdout: stdout.join(''), stderr: stderr.join('') };
}

export async function commandLineDoor(): Promise<Door & { readonly used: Set<string> }> {
  const engine = new StampedEngine();
  const server = serve(engine);
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const folder = await TemporaryFolder.make();
  const environment = { HOLDFAST_URL: url, HOLDFAST_API_KEY: KEY };
  const used = new Set<string>();
  return {
    engine,
    used,
    async send(step) {
      if (step.act === undefined && !isSayableAsJson(step)) return undefined;
      const spoken =
        step.act === undefined ? spokenStep(engine, step) : spokenAct(engine, step.act);
      const parameters = spoken ?? (await batchFile(folder.path, step));
      if (parameters === undefined) return undefined;
      used.add(parameters.slice(0, 2).join(' '));
      const { exitCode, stdout, stderr } = await runSeen([...parameters, '--json'], {
        environment,
      });
      return answersOf({ step, exitCode, text: stdout === '' ? stderr : stdout });
    },
    async listed() {
      const lines: string[] = [];
      for (const kind of ['account', 'transfer']) {
        const list = [kind, 'list', '--oldest', '--limit', '100000', '--json'];
        const { exitCode, stdout, stderr } = await runSeen(list, { environment });
        assert.equal(exitCode, 0, stderr);
        lines.push(...linesOf(JSON.parse(stdout) as ListPage));
      }
      return lines;
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function answersOf(seen: { step: Step; exitCode: number; text: string }): readonly string[] {
  const { step, exitCode, text } = seen;
  const body = JSON.parse(text) as {
    readonly status?: string;
    readonly results?: readonly { readonly status: string; readonly code?: string }[];
    readonly error?: { readonly code: string };
  };
  if (body.results !== undefined) {
    const isRefused = body.results.some(({ status }) => status === 'refused');
    assert.equal(exitCode, isRefused ? 4 : 0, text);
    return body.results.map(({ status, code }) => code ?? status);
  }
  if (body.error !== undefined) {
    assert.ok(exitCode === 3 || exitCode === 4, text);
    return [body.error.code];
  }
  assert.equal(exitCode, 0, text);
  return [step.command.kind === CommandKind.accountFlags ? 'done' : String(body.status)];
}

/** The command of its own that a step has, if it has one. */
function spokenStep(engine: StampedEngine, step: Step): Parameters | undefined {
  if (isBatchOfTransfers(step)) {
    const [transfer, ...others] = transfersOf(step);
    if (transfer === undefined || others.length > 0) return undefined;
    return createTransfer(engine, transfer) ?? resolveHold(engine, transfer);
  }
  switch (step.command.kind) {
    case CommandKind.accounts: {
      const [account, ...others] = accountsOf(step);
      if (account === undefined || others.length > 0) return undefined;
      return createAccount(engine, account);
    }
    case CommandKind.accountFlags: {
      const { id, frozen } = freezingOf(step);
      return ['account', frozen ? 'freeze' : 'unfreeze', formatId('account', id)];
    }
    default:
      return defineLedger(step);
  }
}

function defineLedger(step: Step): Parameters | undefined {
  const { ledger, currency, exponent } = ledgersOf(step)[0]!;
  if (ledger === 0) return undefined;
  const said = ['--ledger', String(ledger), '--currency', currency];
  return ['ledger', 'define', ...said, '--exponent', String(exponent)];
}

function createAccount(engine: StampedEngine, account: NewAccount): Parameters | undefined {
  const { id, ledger, code, flags = 0, timestampNs } = account;
  const limits = flags & ~AccountFlag.imported;
  const limit = new Map([
    [0, []],
    [AccountFlag.debitsMustNotExceedCredits, ['--limit', 'debits']],
    [AccountFlag.creditsMustNotExceedDebits, ['--limit', 'credits']],
  ]).get(limits);
  const isImported = (flags & AccountFlag.imported) !== 0;
  if (limit === undefined || isImported !== (timestampNs !== undefined)) return undefined;
  if (code === 0 || findLedger(engine.state, ledger) === undefined) return undefined;
  return [
    ['account', 'create', '--id', formatId('account', id), '--ledger', String(ledger)],
    ['--code', String(code), ...limit, ...userData(account)],
    timestampNs === undefined ? [] : ['--timestamp-ns', String(timestampNs)],
  ].flat();
}

const CREATE_FLAGS: readonly (readonly [number, readonly string[]])[] = [
  [TransferFlag.pending, ['--hold']],
  [TransferFlag.balancingDebit, ['--flag', 'balancing_debit']],
  [TransferFlag.balancingCredit, ['--flag', 'balancing_credit']],
  [TransferFlag.closingDebit, ['--flag', 'closing_debit']],
  [TransferFlag.closingCredit, ['--flag', 'closing_credit']],
];

function createTransfer(engine: StampedEngine, transfer: Transfer): Parameters | undefined {
  const { flags, pendingId, timestampNs, code, timeoutSeconds } = transfer;
  const sayable = CREATE_FLAGS.reduce((bits, [bit]) => bits | bit, TransferFlag.imported);
  const isImported = (flags & TransferFlag.imported) !== 0;
  const ledger = findLedger(engine.state, transfer.ledger);
  if ((flags & ~sayable) !== 0 || isImported !== (timestampNs !== 0n)) return undefined;
  if (pendingId !== 0n || code === 0 || ledger === undefined) return undefined;
  return [
    ['transfer', 'create', '--id', formatId('transfer', transfer.id)],
    ['--debit', formatId('account', transfer.debitAccountId)],
    ['--credit', formatId('account', transfer.creditAccountId)],
    ['--amount', formatDecimal(transfer.amount, ledger.exponent)],
    ['--ledger', String(ledger.ledger), '--code', String(code), ...userData(transfer)],
    CREATE_FLAGS.flatMap(([bit, option]) => ((flags & bit) === 0 ? [] : option)),
    isImported ? ['--timestamp-ns', String(timestampNs)] : [],
    timeoutSeconds === 0 ? [] : ['--expires-after', String(timeoutSeconds)],
  ].flat();
}

/** A post of all or of a part, or a void, in which nothing else is said. */
function resolveHold(engine: StampedEngine, transfer: Transfer): Parameters | undefined {
  const { id, pendingId, flags, amount, timestampNs, ...rest } = transfer;
  if (timestampNs !== 0n || Object.values(rest).some((value) => BigInt(value) !== 0n)) {
    return undefined;
  }
  const said = [formatId('transfer', pendingId), '--id', formatId('transfer', id)];
  if (flags === TransferFlag.voidPending && amount === 0n) return ['transfer', 'void', ...said];
  if (flags !== TransferFlag.postPending) return undefined;
  if (amount === U128_MAX) return ['transfer', 'post', ...said];
  const hold = findTransfer(engine.state, pendingId);
  const ledger = hold && findLedger(engine.state, hold.transfer.ledger);
  if (ledger === undefined) return undefined;
  return ['transfer', 'post', ...said, '--amount', formatDecimal(amount, ledger.exponent)];
}

function userData(data: Partial<Pick<Transfer, 'userData128' | 'userData64' | 'userData32'>>) {
  const { userData128 = 0n, userData64 = 0n, userData32 = 0 } = data;
  return [
    userData128 === 0n ? [] : ['--user-data-128', userData128.toString(16)],
    userData64 === 0n ? [] : ['--user-data-64', String(userData64)],
    userData32 === 0 ? [] : ['--user-data-32', String(userData32)],
  ].flat();
}

function spokenAct(engine: StampedEngine, act: Act): Parameters | undefined {
  switch (act.kind) {
    case 'posting':
      return createPosting(engine, act.posting);
    case 'revert transfer':
      return ['transfer', 'revert', formatId('transfer', act.id)];
    case 'revert posting':
      return ['posting', 'revert', formatId('posting', act.id)];
    default:
      return act satisfies never;
  }
}

function createPosting(engine: StampedEngine, posting: NewPosting): Parameters | undefined {
  const { id, ledger, code, legs } = posting;
  const exponent = findLedger(engine.state, ledger)?.exponent;
  if (code === 0 || exponent === undefined) return undefined;
  const options = legs.flatMap(({ side, accountId, amount }) => [
    `--${side}`,
    `${formatId('account', accountId)}=${formatDecimal(amount, exponent)}`,
  ]);
  const said = ['--id', formatId('posting', id), '--ledger', String(ledger)];
  return ['posting', 'create', ...said, '--code', String(code), ...options];
}

async function batchFile(folder: string, step: Step): Promise<Parameters | undefined> {
  const file = join(folder, 'batch.json');
  if (step.act !== undefined) return undefined;
  if (isBatchOfTransfers(step)) {
    const transfers = transfersOf(step).map(newTransferJson);
    await writeFile(file, JSON.stringify({ transfers }));
    return ['transfer', 'batch', '--file', file];
  }
  if (step.command.kind !== CommandKind.accounts) return undefined;
  await writeFile(file, JSON.stringify({ accounts: accountsOf(step).map(newAccountJson) }));
  return ['account', 'batch', '--file', file];
}
