// A system that works and keeps what its clients saw, for tests of the checker: faults are planted
// into what it kept.

import assert from 'node:assert/strict';
import type { Account } from '../../../src/base/account.ts';
import { transferIdFrom } from '../../../src/base/ids.ts';
import {
  type Transfer,
  TRANSFER_DEFAULTS,
  TransferFlag,
} from '../../../src/base/transfer-record.ts';
import { type AccountInput, tickCommand } from '../../../src/domain/commands.ts';
import {
  type Answer,
  type FinalTransfer,
  type History,
  type JournalCommand,
  type Operation,
  type Request,
  requestCommand,
} from '../history.ts';
import { NaiveLedger } from '../naive-ledger.ts';

/** What a transfer may be given besides the usual. */
export type TransferFields = Partial<Transfer>;

type Executed = Extract<Answer, { readonly kind: 'answered' }>;

const START_MS = Date.UTC(2026, 0, 5, 8);
const { linked, pending, postPending } = TransferFlag;

export class Recorder {
  readonly books = new NaiveLedger();
  readonly operations: Operation[] = [];
  readonly journal: JournalCommand[] = [];
  nowMs = START_MS;
  #ids = 0;

  transfer(debit: bigint, credit: bigint, amount: bigint, more: TransferFields = {}): Transfer {
    this.#ids += 1;
    return {
      ...TRANSFER_DEFAULTS,
      id: transferIdFrom(this.nowMs, BigInt(this.#ids)),
      debitAccountId: debit,
      creditAccountId: credit,
      amount,
      ledger: 978,
      code: 1,
      ...more,
    };
  }

  account(id: bigint, flags = 0): AccountInput {
    return {
      id: id.toString(16).padStart(32, '0'),
      ledger: 978,
      code: 1,
      flags,
      user_data_128: '0'.repeat(32),
      user_data_64: '0',
      user_data_32: 0,
    };
  }

  /** The last position of the journal. */
  get head(): number {
    return this.journal.at(-1)?.position ?? 0;
  }

  /** Executes a request, in an entry of its own or in the last one. Nobody is told. */
  execute(request: Request, entry: 'new' | 'last' = 'new'): Executed {
    const command = requestCommand(request);
    const last = this.journal.at(-1);
    const earliestNs = last === undefined ? 0n : last.timeNs + BigInt(last.command.eventCount);
    const nowNs = BigInt(this.nowMs) * 1_000_000n;
    const stamp = {
      position: this.head + (entry === 'new' ? 1 : 0),
      timeNs: nowNs < earliestNs ? earliestNs : nowNs,
      rulesVersion: 1,
    };
    const { codes } = this.books.apply(command, stamp);
    this.journal.push({ ...stamp, command });
    return { kind: 'answered', codes: [...codes], position: stamp.position };
  }

  /** Executes a request and records it, 10 ms after the one before. */
  send(request: Request, kind: Answer['kind'] = 'answered'): Operation {
    const answer = this.execute(request);
    return this.record(request, kind === 'answered' ? answer : { kind });
  }

  /** Records a request that never reached the books. */
  record(request: Request, answer: Answer): Operation {
    const operation: Operation = {
      label: `operation ${this.operations.length}`,
      invokedAtMs: this.nowMs,
      completedAtMs: answer.kind === 'unknown' ? undefined : this.nowMs + 5,
      request,
      answer,
    };
    this.nowMs += 10;
    this.operations.push(operation);
    return operation;
  }

  /** Records an operation otherwise than it was. */
  change(operation: Operation, change: Partial<Operation>): Operation {
    const changed = { ...operation, ...change };
    this.operations.splice(this.operations.indexOf(operation), 1, changed);
    return changed;
  }

  pay(debit: bigint, credit: bigint, amount: bigint): Operation {
    return this.send({ kind: 'transfers', transfers: [this.transfer(debit, credit, amount)] });
  }

  tick(afterMs: number): void {
    this.nowMs += afterMs;
    const position = this.head + 1;
    const stamp = { position, timeNs: BigInt(this.nowMs) * 1_000_000n, rulesVersion: 1 };
    this.books.apply(tickCommand(), stamp);
    this.journal.push({ ...stamp, command: tickCommand() });
  }

  history(resends = false): Required<History> {
    const transfers = new Map<bigint, FinalTransfer>();
    for (const { request } of this.operations) {
      if (request.kind !== 'transfers') continue;
      for (const { id } of request.transfers) {
        const found = this.books.transfer(id);
        if (found === undefined) transfers.set(id, { state: 'absent' });
        else if (found.state === 'failed') transfers.set(id, { state: 'failed' });
        else {
          const { timestampNs } = found.transfer;
          transfers.set(id, { state: 'accepted', timestampNs, hold: found.hold });
        }
      }
    }
    const accounts = [...this.books.accounts.values()];
    const timeNs = BigInt(this.nowMs) * 1_000_000n;
    return {
      operations: this.operations,
      journal: this.journal,
      final: { accounts, transfers, timeNs },
      resends,
    };
  }
}

export function opened(): Recorder {
  const recorder = new Recorder();
  recorder.send({ kind: 'ledgers', ledgers: [{ ledger: 978, currency: 'EUR', exponent: 2 }] });
  const accounts = [1n, 2n, 3n].map((id) => recorder.account(id, id === 3n ? 2 : 0));
  recorder.send({ kind: 'accounts', accounts });
  return recorder;
}

export function withAccount(history: Required<History>, id: bigint, change: Partial<Account>) {
  const accounts = history.final.accounts.map((account) =>
    account.id === id ? { ...account, ...change } : account,
  );
  return { ...history, final: { ...history.final, accounts } };
}

export function idOf(operation: Operation, index = 0): bigint {
  assert(operation.request.kind === 'transfers');
  return operation.request.transfers[index]!.id;
}

/** Payments, holds, expiry, refusals, retries, unknown ones that happened and ones that did not. */
export function busyRecorder(): Recorder {
  const recorder = opened();
  recorder.pay(1n, 2n, 100n);
  recorder.pay(3n, 2n, 5n);
  const hold = recorder.transfer(1n, 3n, 40n, { flags: pending, timeoutSeconds: 60 });
  const lapsing = recorder.transfer(1n, 3n, 40n, { flags: pending, timeoutSeconds: 1 });
  recorder.send({ kind: 'transfers', transfers: [hold, lapsing] });
  const post = recorder.transfer(0n, 0n, 30n, {
    flags: postPending | linked,
    pendingId: hold.id,
    ledger: 0,
    code: 0,
  });
  const fee = recorder.transfer(3n, 2n, 7n);
  recorder.send({ kind: 'transfers', transfers: [post, fee] }, 'unknown');
  recorder.send({ kind: 'transfers', transfers: [post, fee] });
  recorder.tick(2000);
  const never = recorder.transfer(1n, 2n, 9n);
  recorder.record({ kind: 'transfers', transfers: [never] }, { kind: 'unknown' });
  const shed = recorder.transfer(1n, 2n, 9n);
  recorder.record({ kind: 'transfers', transfers: [shed] }, { kind: 'not-executed' });
  recorder.pay(3n, 1n, 20n);
  return recorder;
}
