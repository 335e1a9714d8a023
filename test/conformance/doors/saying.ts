// What the steps of a scenario say, in the words of a door.

import { ACCOUNT_FLAGS_KNOWN, AccountFlag } from '../../../src/base/account.ts';
import { CURRENCY_EXPONENT_MAX } from '../../../src/base/limits.ts';
import {
  TRANSFER_FLAGS_KNOWN,
  type Transfer,
  decodeTransfers,
} from '../../../src/base/transfer-record.ts';
import type { JsonObject, Ledger, NewAccount } from '../../../src/client/wire.ts';
import {
  type AccountFlagsInput,
  type AccountInput,
  CommandKind,
} from '../../../src/domain/commands.ts';
import { CREATED, REFUSAL, isSuccess, refusalByNumber } from '../../../src/domain/refusals.ts';
import { chainCode } from '../../scenarios/postings.ts';
import type { Step, StampedEngine } from './recorded-scenario.ts';

export type Door = AsyncDisposable & {
  readonly engine: StampedEngine;
  /** What the door answered, or undefined where it has no words for the step. */
  send(step: Step): Promise<readonly string[] | undefined>;
  /** All accounts and all transfers, oldest first, as lines. */
  listed(): Promise<readonly string[]>;
};

/** A page of either list, as JSON. */
export type ListPage = {
  readonly accounts?: readonly JsonObject[];
  readonly transfers?: readonly JsonObject[];
  readonly next: string | null;
};

const ACCOUNT_MEMBERS = ['id', 'flags', 'debits_posted', 'credits_pending', 'user_data_64'];
const TRANSFER_MEMBERS = ['id', 'debit_account_id', 'amount', 'flags', 'timestamp_ns', 'hold'];

/** The same lines whichever door the page came through. */
export function linesOf({ accounts = [], transfers = [] }: ListPage): string[] {
  const line = (members: readonly string[]) => (item: JsonObject) =>
    JSON.stringify(members.map((member) => item[member]));
  return [...accounts.map(line(ACCOUNT_MEMBERS)), ...transfers.map(line(TRANSFER_MEMBERS))];
}

export function nameOf(code: number): string {
  return code === CREATED ? 'created' : refusalByNumber(code).name;
}

/** The codes that a caller hears: one for a posting or a revert, otherwise one for each event. */
export function heardCodes({ codes, act }: Step): readonly number[] {
  return act === undefined ? codes : [chainCode(codes)];
}

/**
 * How a door says a code: whatever existed before is `exists`; who freezes hears that it is so,
 * also when it was so already.
 */
export function told(step: Step, code: number): string {
  if (step.command.kind === CommandKind.accountFlags) {
    const isSo = code === CREATED || code === REFUSAL.account_flags_changed_meanwhile;
    return isSo ? 'done' : nameOf(code);
  }
  return code !== CREATED && isSuccess(code) ? 'exists' : nameOf(code);
}

export function transfersOf(step: Step): readonly Transfer[] {
  return decodeTransfers(step.command.payload.slice());
}

export function isBatchOfTransfers({ command }: Step): boolean {
  return command.kind === CommandKind.transfers && command.payload.byteLength % 128 === 0;
}

function jsonOf(step: Step): unknown {
  return JSON.parse(Buffer.from(step.command.payload).toString('utf8'));
}

export function ledgersOf(step: Step): readonly Ledger[] {
  return (jsonOf(step) as { readonly ledgers: readonly Ledger[] }).ledgers;
}

export function freezingOf(step: Step): { readonly id: bigint; readonly frozen: boolean } {
  const { account, frozen } = jsonOf(step) as AccountFlagsInput;
  return { id: BigInt(`0x${account}`), frozen };
}

export function accountsOf(step: Step): readonly NewAccount[] {
  const { accounts } = jsonOf(step) as { readonly accounts: readonly AccountInput[] };
  return accounts.map((input) => ({
    id: BigInt(`0x${input.id}`),
    ledger: input.ledger,
    code: input.code,
    flags: input.flags,
    userData128: BigInt(`0x${input.user_data_128}`),
    userData64: BigInt(input.user_data_64),
    userData32: input.user_data_32,
    ...(input.timestamp_ns === undefined ? {} : { timestampNs: BigInt(input.timestamp_ns) }),
  }));
}

/** Flags that an account can be opened with; closed and frozen come later. */
const OPENING_FLAGS = ACCOUNT_FLAGS_KNOWN & ~(AccountFlag.closed | AccountFlag.frozen);

/** Whether JSON has words for it: flags are names there, and a ledger is defined alone. */
export function isSayableAsJson(step: Step): boolean {
  if (isBatchOfTransfers(step)) {
    return transfersOf(step).every(({ flags }) => (flags & ~TRANSFER_FLAGS_KNOWN) === 0);
  }
  switch (step.command.kind) {
    case CommandKind.accounts:
      return accountsOf(step).every(({ flags = 0 }) => (flags & ~OPENING_FLAGS) === 0);
    case CommandKind.accountFlags:
      return true;
    case CommandKind.ledgers: {
      const [ledger, ...others] = ledgersOf(step);
      const isInRange = ledger !== undefined && ledger.exponent <= CURRENCY_EXPONENT_MAX;
      return others.length === 0 && isInRange && ledger.ledger <= 0xffff_ffff;
    }
    default:
      return false;
  }
}
