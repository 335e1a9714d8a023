// What views must say, by the plainest means: the naive model's accounts at a position, and an
// array of everything that was accepted until then.

import type { Account } from '../../src/base/account.ts';
import { TransferFlag } from '../../src/base/transfer-record.ts';
import type { DomainState } from '../../src/domain/domain.ts';
import type { Mark } from '../../src/views/messages.ts';
import { NaiveLedger } from '../model/naive-ledger.ts';
import type { Sent } from '../properties/script.ts';
import { NaiveHistory } from './history-rig.ts';

const NS_PER_DAY = 86_400_000_000_000n;

/** The books at a position. */
export type BooksAt = {
  readonly mark: Mark;
  /** With holds that are due at that time given back. */
  readonly accounts: ReadonlyMap<bigint, Account>;
  /** Ids of holds that are pending. */
  readonly pending: ReadonlySet<bigint>;
};

export type Entry = {
  readonly number: number;
  readonly side: 'debit' | 'credit';
  readonly id: bigint;
  readonly amount: bigint;
  readonly timestampNs: bigint;
};

export class NaiveViews {
  readonly model = new NaiveLedger();
  readonly history = new NaiveHistory();
  readonly at: BooksAt[] = [];

  /** `state` has just applied it, with these codes. */
  take(state: DomainState, sent: Sent, codes: Uint16Array): BooksAt {
    this.model.apply(sent.command, sent.stamp);
    this.history.take(state, sent, codes);
    const { ledger, lastTimeNs } = state;
    const mark = {
      position: sent.stamp.position,
      transfers: ledger.transfersAccepted,
      accounts: ledger.accounts.count,
      ledgers: ledger.ledgers.count,
      timeNs: lastTimeNs,
    };
    const accounts = new Map([...this.model.accounts].map(([id, account]) => [id, { ...account }]));
    const pending = new Set<bigint>();
    for (const [id, { transfer, expiresNs }] of this.model.holds) {
      if (expiresNs === undefined || expiresNs > lastTimeNs) {
        pending.add(id);
        continue;
      }
      const debit = accounts.get(transfer.debitAccountId)!;
      const credit = accounts.get(transfer.creditAccountId)!;
      accounts.set(debit.id, { ...debit, debitsPending: debit.debitsPending - transfer.amount });
      const { creditsPending } = credit;
      accounts.set(credit.id, { ...credit, creditsPending: creditsPending - transfer.amount });
    }
    const at = { mark, accounts, pending };
    this.at.push(at);
    return at;
  }

  /** What was posted to an account through the first `transfers`, in order. */
  entries(account: bigint, transfers: number): Entry[] {
    const entries: Entry[] = [];
    for (const [number, { transfer }] of this.history.kept.slice(0, transfers).entries()) {
      const { id, amount, timestampNs, flags } = transfer;
      if ((flags & (TransferFlag.pending | TransferFlag.voidPending)) !== 0) continue;
      const fields = { number, id, amount, timestampNs };
      if (transfer.debitAccountId === account) entries.push({ ...fields, side: 'debit' });
      if (transfer.creditAccountId === account) entries.push({ ...fields, side: 'credit' });
    }
    return entries;
  }

  /** Count and sum of what one kind of transfer did in a ledger on a day. */
  day(ledger: number, day: number, kind: 'transfer' | 'hold' | 'post' | 'void', transfers: number) {
    let [count, sum] = [0, 0n];
    for (const { transfer } of this.history.kept.slice(0, transfers)) {
      if (transfer.ledger !== ledger || Number(transfer.timestampNs / NS_PER_DAY) !== day) continue;
      if (kindOf(transfer.flags) !== kind) continue;
      count += 1;
      sum += transfer.amount;
    }
    return { count, sum };
  }
}

function kindOf(flags: number): 'transfer' | 'hold' | 'post' | 'void' {
  if ((flags & TransferFlag.pending) !== 0) return 'hold';
  if ((flags & TransferFlag.postPending) !== 0) return 'post';
  return (flags & TransferFlag.voidPending) === 0 ? 'transfer' : 'void';
}

export function sumsOf(entries: readonly Entry[]): { debitsPosted: bigint; creditsPosted: bigint } {
  const sums = { debitsPosted: 0n, creditsPosted: 0n };
  for (const { side, amount } of entries) {
    sums[side === 'debit' ? 'debitsPosted' : 'creditsPosted'] += amount;
  }
  return sums;
}
