// The domain's front: `apply(state, command, stamp) -> outcome`. Pure, synchronous, deterministic
// and total: no input makes it throw. What throws is an assertion: a bug, or memory that has
// failed; the node then stops before anything is answered.

import { AccountFlag } from '../base/account.ts';
import { assert } from '../base/assert.ts';
import { TRANSFER_BYTES } from '../base/transfer-record.ts';
import { CommandKind, type Command } from './commands.ts';
import { applyTransfers } from './ledger/apply-transfers.ts';
import { changeAccountFlags, createAccount } from './ledger/create-account.ts';
import { defineLedgers } from './ledger/define-ledgers.ts';
import { nextExpiryNs, releaseExpiredHolds } from './ledger/release-holds.ts';
import { assertFullSums } from './ledger/full-sums.ts';
import type { Outcome, Stamp } from './outcome.ts';
import {
  isEmptyObject,
  readAccountFlags,
  readAccounts,
  readConfigure,
  readLedgers,
} from './read-payload.ts';
import { REFUSAL } from './refusals.ts';
import { CONFIGURATION_AT_START, DomainState, RULES_VERSION, configure } from './state.ts';

export { DomainState, type DomainConfiguration } from './state.ts';
export { image, restore, type ImageSection } from './image.ts';

/** No entry carries more events (limits.ts); a count beyond it gets one code, not a giant array. */
const EVENTS_MAX = 0x1_0000;
const U64_MAX = 0xffff_ffff_ffff_ffffn;

export function createState(): DomainState {
  return new DomainState(CONFIGURATION_AT_START);
}

/** Applies one command. `stamp.timeNs` must be later than every timestamp used before. */
export function apply(state: DomainState, command: Command, stamp: Stamp): Outcome {
  const lastTimeNs = stamp.timeNs + BigInt(Math.max(command.eventCount, 1) - 1);
  assert(stamp.timeNs > state.lastTimeNs, 'timestamps never repeat and never go back');
  assert(lastTimeNs <= U64_MAX, 'timestamps are 64-bit nanoseconds');
  assert(stamp.position >= state.position, 'positions never go back');
  assert(stamp.rulesVersion === RULES_VERSION, 'this release knows the rules of the entry');
  state.ledger.beginCommand(stamp.timeNs, state.configuration.dedupeWindowSeconds);
  const counted = command.eventCount >= 1 && command.eventCount <= EVENTS_MAX;
  const codes = new Uint16Array(counted ? command.eventCount : 1);
  const expired = counted ? carryOut(state, command, codes) : refuse(codes);
  state.ledger.transfersAccepted += state.ledger.accepted.count;
  state.lastTimeNs = lastTimeNs;
  state.position = stamp.position;
  assertBooksBalance(state);
  return { kind: command.kind, timeNs: stamp.timeNs, codes, expired };
}

/** Fills the codes; returns how many holds were released. */
function carryOut(state: DomainState, command: Command, codes: Uint16Array): number {
  switch (command.kind) {
    case CommandKind.transfers:
      return carryOutTransfers(state, command.payload, codes);
    case CommandKind.accounts:
      return carryOutAccounts(state, command.payload, codes);
    case CommandKind.ledgers: {
      const ledgers = codes.length === 1 ? readLedgers(command.payload) : undefined;
      if (ledgers === undefined) return refuse(codes);
      codes[0] = defineLedgers(state.ledger, ledgers);
      return 0;
    }
    case CommandKind.configure: {
      const request =
        codes.length === 1 ? readConfigure(command.payload, state.configuration) : undefined;
      if (request === undefined) return refuse(codes);
      codes[0] = configure(state, request.expectedVersion, request.wanted);
      return 0;
    }
    case CommandKind.accountFlags: {
      const request = codes.length === 1 ? readAccountFlags(command.payload) : undefined;
      if (request === undefined) return refuse(codes);
      codes[0] = changeAccountFlags(state.ledger, request);
      return 0;
    }
    case CommandKind.tick:
      if (codes.length !== 1 || !isEmptyObject(command.payload)) return refuse(codes);
      return releaseExpiredHolds(state.ledger);
    default:
      codes.fill(REFUSAL.command_unknown);
      return 0;
  }
}

function carryOutTransfers(state: DomainState, payload: Uint8Array, codes: Uint16Array): number {
  if (payload.byteLength !== codes.length * TRANSFER_BYTES) return refuse(codes);
  // Records are read in place; a payload that is not aligned is copied once.
  const bytes = payload.byteOffset % 4 === 0 ? payload : new Uint8Array(payload);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  applyTransfers(state.ledger, words, codes);
  return 0;
}

function carryOutAccounts(state: DomainState, payload: Uint8Array, codes: Uint16Array): number {
  const accounts = readAccounts(payload, codes.length);
  if (accounts === undefined) return refuse(codes);
  // The first account says whether this is an import.
  const importing = (accounts[0]!.flags & AccountFlag.imported) !== 0;
  for (const [index, account] of accounts.entries()) {
    state.ledger.beginEvent(index);
    codes[index] = createAccount(state.ledger, account, importing);
  }
  return 0;
}

function refuse(codes: Uint16Array): number {
  codes.fill(REFUSAL.command_malformed);
  return 0;
}

/** The earliest expiry of an unresolved hold: when the sequencer adds a tick. */
export function nextDeadlineNs(state: DomainState): bigint | undefined {
  return nextExpiryNs(state.ledger);
}

/** Debits = credits for each ledger, by the totals that follow every write. */
export function assertBooksBalance(state: DomainState): void {
  state.ledger.books.assertBalanced(state.ledgers.count);
}

/** The same by adding up every account, which must also give the totals. Takes time. */
export function assertBooksBalanceFully(state: DomainState): void {
  assertBooksBalance(state);
  assertFullSums(state.ledger);
}

/**
 * Takes memory ahead of need, so that no command has to wait for it: a slice of a few milliseconds
 * at most. Returns whether more is left. Nothing that can be observed changes by it.
 */
export function growAhead(state: DomainState): boolean {
  const { accounts, holds, remembered } = state.ledger;
  return accounts.growAhead() || holds.growAhead() || remembered.growAhead();
}

/**
 * Looks up what a batch of transfers will touch, while it waits for its sync: `apply` then need not
 * wait for memory. Worth it for large batches. Nothing that can be observed changes by it, as long
 * as the payload's bytes stay what they are until it is applied or another batch is.
 */
export function lookAhead(state: DomainState, { kind, payload }: Command): void {
  if (kind !== CommandKind.transfers || payload.byteOffset % 4 !== 0) return;
  if (payload.byteLength % TRANSFER_BYTES !== 0) return;
  const words = new Uint32Array(payload.buffer, payload.byteOffset, payload.byteLength / 4);
  state.ledger.ahead.prepare(words);
}

/** Two words that every balance ever written has gone into: part of the outcome digest. */
export function stateMix(state: DomainState): Uint32Array {
  return state.ledger.books.mix.slice();
}
