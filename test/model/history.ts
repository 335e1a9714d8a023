// A recorded history: what clients asked, when, what they heard, and what was read at the end. The
// exact checker (checker.ts) judges it. Everything is a value, so that it can be written to a file.

import type { Account } from '../../src/base/account.ts';
import { assertNever } from '../../src/base/assert.ts';
import { formatId } from '../../src/base/ids.ts';
import { encodeTransfers, type Transfer } from '../../src/base/transfer-record.ts';
import {
  type AccountFlagsInput,
  type AccountInput,
  accountFlagsCommand,
  accountsCommand,
  type Command,
  type LedgerInput,
  ledgersCommand,
  transfersCommand,
} from '../../src/domain/commands.ts';
import type { HoldState } from './naive-rules.ts';

export type Request =
  | { readonly kind: 'transfers'; readonly transfers: readonly Transfer[] }
  | { readonly kind: 'accounts'; readonly accounts: readonly AccountInput[] }
  | { readonly kind: 'ledgers'; readonly ledgers: readonly LedgerInput[] }
  | { readonly kind: 'account-flags'; readonly change: AccountFlagsInput };

export type Answer =
  | {
      readonly kind: 'answered';
      /** One for each event; of a `ledgers` request one for all. */
      readonly codes: readonly number[];
      readonly position: number;
      /** The events' own timestamps where the answer told them. */
      readonly timestampsNs?: readonly (bigint | undefined)[];
    }
  /** Timeout, broken connection, OUTCOME_UNKNOWN: it may have happened or not. */
  | { readonly kind: 'unknown' }
  /** OVERLOADED, NOT_READY and the like: the node said that nothing happened. */
  | { readonly kind: 'not-executed' };

/** One request as it was sent once: a retry is an operation of its own. */
export type Operation = {
  readonly label: string;
  readonly invokedAtMs: number;
  /** Undefined when no answer came. */
  readonly completedAtMs: number | undefined;
  readonly request: Request;
  readonly answer: Answer;
};

export type FinalTransfer =
  | {
      readonly state: 'accepted';
      readonly timestampNs: bigint;
      readonly hold?: HoldState;
    }
  | { readonly state: 'failed' }
  | { readonly state: 'absent' };

/** A page of a list of accepted transfers; the pages of one list stand one after the other. */
export type FinalPage = {
  /** Undefined: the list of all, the oldest first. Otherwise the account's, the newest first. */
  readonly account?: bigint;
  /** 128 bytes each, as they were answered. */
  readonly records: Uint8Array;
  readonly holds: readonly HoldState[];
};

export type FinalReads = {
  readonly accounts: readonly Account[];
  /** Every transfer id that any operation named. */
  readonly transfers: ReadonlyMap<bigint, FinalTransfer>;
  /** What the history of the node listed, when it was asked. */
  readonly pages?: readonly FinalPage[];
  /** The ledger's time of the reads, when known: holds that were due before it have expired. */
  readonly timeNs?: bigint;
};

/** A command as it stands in the journal; `timeNs` is that of its own first event. */
export type JournalCommand = {
  readonly position: number;
  readonly timeNs: bigint;
  readonly rulesVersion: number;
  readonly command: Command;
};

export type History = {
  readonly operations: readonly Operation[];
  readonly final: FinalReads;
  /** All commands from position 1 in order, when the journal can be read. */
  readonly journal?: readonly JournalCommand[];
  /**
   * True for runs against a cluster, whose standbys send a request again when the leader was lost:
   * what a client sent once may stand in the journal more than once, and its answer tells of the
   * last time. Records stay as they are, one operation for each sending of a client. It takes the
   * journal, with all its entries: only there the earlier times can be seen. A node alone never
   * sends again: without this, each command needs a request of its own.
   */
  readonly resends?: boolean;
};

/** A command in its place in the one order of everything, and the operation that it belongs to. */
export type Placed = JournalCommand & {
  readonly operation: Operation | undefined;
  /** Nobody was told what it came to: the operation was sent again, or it has another place. */
  readonly isHidden: boolean;
};

/** The place of an operation is its index in `placed`. */
export type Placing = {
  readonly placed: readonly Placed[];
  readonly mismatches: readonly string[];
};

export function requestCommand(request: Request): Command {
  switch (request.kind) {
    case 'transfers':
      return transfersCommand(encodeTransfers(request.transfers));
    case 'accounts':
      return accountsCommand(request.accounts);
    case 'ledgers':
      return ledgersCommand(request.ledgers);
    case 'account-flags':
      return accountFlagsCommand(request.change);
    default:
      return assertNever(request, 'a request is of a known kind');
  }
}

export function transferName(id: bigint): string {
  return formatId('transfer', id);
}
