// For tests: a history that is an array of every record that a real kernel accepted, filtered from
// one end to the other. Slow and plain, so that the answers of the doors have something to be
// compared with that cannot be wrong in the same way as an index.

import { HOLD_STATES, type HoldState } from '../../base/answers.ts';
import { OperationalError } from '../../base/errors.ts';
import { readIdWords } from '../../base/ids.ts';
import type { ListFilter, ListQuery } from '../../base/list-query.ts';
import {
  TRANSFER_BYTES,
  type Transfer,
  TransferFlag,
  decodeTransfer,
  encodeTransfer,
} from '../../base/transfer-record.ts';
import { type Command, CommandKind } from '../../domain/commands.ts';
import type { DomainState } from '../../domain/domain.ts';
import type { Outcome } from '../../domain/outcome.ts';
import {
  type FoundTransfer,
  type History,
  type HistoryStatus,
  type TransferPage,
} from '../contract.ts';

const WORD_BYTES = 4;
const ID_WORDS = 4;

export class MemoryHistory implements History {
  readonly #transfers: Transfer[] = [];
  readonly #holds = new Map<bigint, HoldState>();
  #position = 0;
  /** false = parts are missing: it refuses to answer. */
  complete = true;
  /** Records that one page looks at, at most, as a history without an index for it would. */
  examinedMax = Number.POSITIVE_INFINITY;

  /** Right after the kernel has applied the command. */
  applied(state: DomainState, command: Command, outcome: Outcome, position: number): void {
    this.#position = position;
    const { accepted } = state.ledger;
    for (let place = 0; place < accepted.expiredCount; place++) {
      this.#holds.set(readIdWords(accepted.expiredIds, ID_WORDS * place), 'expired');
    }
    if (command.kind !== CommandKind.transfers) return;
    const asked = viewOf(command.payload);
    const resolved = viewOf(accepted.records);
    for (let place = 0; place < accepted.count; place++) {
      const event = accepted.events[place]!;
      const recordPlace = accepted.recordPlaces[place]!;
      if (recordPlace !== -1) {
        this.#add(decodeTransfer(resolved, TRANSFER_BYTES * recordPlace));
        continue;
      }
      const transfer = decodeTransfer(asked, TRANSFER_BYTES * event);
      const timestampNs = transfer.timestampNs || outcome.timeNs + BigInt(event);
      this.#add({ ...transfer, timestampNs });
    }
  }

  #add(transfer: Transfer): void {
    this.#transfers.push(transfer);
    if ((transfer.flags & TransferFlag.pending) !== 0) this.#holds.set(transfer.id, 'pending');
    if ((transfer.flags & TransferFlag.postPending) !== 0) {
      this.#holds.set(transfer.pendingId, 'posted');
    }
    if ((transfer.flags & TransferFlag.voidPending) !== 0) {
      this.#holds.set(transfer.pendingId, 'voided');
    }
  }

  async find(id: bigint): Promise<FoundTransfer | undefined> {
    await this.#assertComplete();
    const number = this.#transfers.findIndex((transfer) => transfer.id === id);
    const transfer = this.#transfers[number];
    if (transfer === undefined) return undefined;
    const record = new Uint8Array(TRANSFER_BYTES);
    encodeTransfer(viewOf(record), 0, transfer);
    return { record, hold: this.#holdOf(transfer), number };
  }

  async query(query: ListQuery, signal: AbortSignal): Promise<TransferPage> {
    await this.#assertComplete();
    signal.throwIfAborted();
    const step = query.order === 'oldest-first' ? 1 : -1;
    const start = step === 1 ? -1 : this.#transfers.length;
    let number = (query.after ?? start) + step;
    let next: number | undefined;
    let examined = 0;
    const found: Transfer[] = [];
    for (; number >= 0 && number < this.#transfers.length; number += step) {
      if (found.length === query.limit || examined === this.examinedMax) {
        next = number - step;
        break;
      }
      examined++;
      const transfer = this.#transfers[number]!;
      if (fits(transfer, query.filter)) found.push(transfer);
    }
    const records = new Uint8Array(TRANSFER_BYTES * found.length);
    for (const [index, transfer] of found.entries()) {
      encodeTransfer(viewOf(records), TRANSFER_BYTES * index, transfer);
    }
    const holds = Uint8Array.from(found, (transfer) => HOLD_STATES.indexOf(this.#holdOf(transfer)));
    return { records, count: found.length, holds, next, position: this.#position };
  }

  status(): HistoryStatus {
    return {
      complete: this.complete,
      reason: this.complete ? undefined : 'A test took a part away.',
      transfers: this.#transfers.length,
      position: this.#position,
      runs: 0,
      bytes: TRANSFER_BYTES * this.#transfers.length,
      digestRuns: 0,
      digest: '0'.repeat(64),
    };
  }

  #holdOf(transfer: Transfer): HoldState {
    return this.#holds.get(transfer.id) ?? 'none';
  }

  async #assertComplete(): Promise<void> {
    // Not answered in the turn of the question, as a worker would not.
    await new Promise((resolve) => setImmediate(resolve));
    if (!this.complete) throw new OperationalError('HISTORY_INCOMPLETE');
  }
}

function fits(transfer: Transfer, filter: ListFilter): boolean {
  const { account, side } = filter;
  if (account !== undefined) {
    const isDebit = side !== 'credit' && transfer.debitAccountId === account;
    const isCredit = side !== 'debit' && transfer.creditAccountId === account;
    if (!isDebit && !isCredit) return false;
  }
  for (const name of ['userData128', 'userData64', 'userData32', 'code', 'ledger'] as const) {
    if (filter[name] !== undefined && filter[name] !== transfer[name]) return false;
  }
  if (filter.fromNs !== undefined && transfer.timestampNs < filter.fromNs) return false;
  return filter.untilNs === undefined || transfer.timestampNs <= filter.untilNs;
}

function viewOf(bytes: Uint8Array | Uint32Array): DataView {
  const { buffer, byteOffset, length } = bytes;
  const width = bytes instanceof Uint32Array ? WORD_BYTES : 1;
  return new DataView(buffer, byteOffset, length * width);
}
