// The exact checker of recorded client histories (I4, I15, I16, I23, I25 of the invariants). It
// puts everything into one order, plays it on the naive model and compares every answer, every
// final balance and every final lookup; then it looks whether the order agrees with real time. It
// shares no rule with the kernel: what it finds is either a bug of the system or of the model.

import type { Account } from '../../src/base/account.ts';
import { assert } from '../../src/base/assert.ts';
import type { Transfer } from '../../src/base/transfer-record.ts';
import { tickCommand } from '../../src/domain/commands.ts';
import { CREATED, REFUSAL, refusalByNumber } from '../../src/domain/refusals.ts';
import {
  type FinalReads,
  type FinalTransfer,
  type History,
  type JournalCommand,
  type Operation,
  type Placed,
  type Placing,
  transferName,
} from './history.ts';
import { comparePages } from './listed.ts';
import { idSecond, NaiveLedger } from './naive-ledger.ts';
import type { Remembered } from './naive-rules.ts';
import { placeByJournal } from './placing-by-journal.ts';
import { placeByReads } from './placing-by-reads.ts';
import { compareRealTime } from './real-time.ts';

export type Verdict = {
  /** Operations that were answered, whatever the answer. */
  readonly acknowledged: number;
  readonly unknown: number;
  readonly unknownDone: number;
  readonly unknownNotDone: number;
  /** Times that a request was carried out although it was sent again: so many at the least. */
  readonly hidden: number;
  /** Transfers acknowledged as created or existing whose effect is absent at the end. */
  readonly lost: number;
  /** Transfers whose effect is there twice. */
  readonly doubled: number;
  /** Everything that does not agree, lost and doubled included; empty means correct. */
  readonly mismatches: readonly string[];
};

type Effect = {
  readonly id: bigint;
  readonly debitAccountId: bigint;
  readonly creditAccountId: bigint;
  readonly amount: bigint;
  readonly column: 'Pending' | 'Posted';
};

export function checkHistory(history: History): Verdict {
  const { operations, final, journal } = history;
  const placing = placeAll(history);
  const checker = new HistoryChecker(final, placing.placed, journal === undefined);
  const unknown = operations.filter(({ answer }) => answer.kind === 'unknown');
  const done = new Set(placing.placed.map(({ operation }) => operation));
  const unknownDone = unknown.filter((operation) => done.has(operation)).length;
  const findings = checker.check(operations);
  return {
    acknowledged: operations.filter(({ answer }) => answer.kind === 'answered').length,
    unknown: unknown.length,
    unknownDone,
    unknownNotDone: unknown.length - unknownDone,
    hidden: placing.placed.filter(({ isHidden }) => isHidden).length,
    ...findings,
    mismatches: [...placing.mismatches, ...findings.mismatches],
  };
}

function placeAll({ operations, final, journal, resends = false }: History): Placing {
  if (journal !== undefined) {
    const codesAt = (indexes: ReadonlySet<number>) => codesByRules(journal, indexes);
    return placeByJournal(operations, journal, { resends, codesAt });
  }
  assert(!resends, 'where requests may be sent again, the journal belongs to the history');
  return placeByReads(operations, final);
}

/** What the commands at these indexes come to; the outcome of a command needs no answer. */
function codesByRules(
  journal: readonly JournalCommand[],
  indexes: ReadonlySet<number>,
): Map<number, Uint16Array> {
  const model = new NaiveLedger();
  const codes = new Map<number, Uint16Array>();
  for (const [index, { command, ...stamp }] of journal.entries()) {
    const outcome = model.apply(command, stamp);
    if (indexes.has(index)) codes.set(index, outcome.codes);
    if (codes.size === indexes.size) break;
  }
  return codes;
}

class HistoryChecker {
  readonly #model = new NaiveLedger();
  readonly #final: FinalReads;
  readonly #placed: readonly Placed[];
  /** Ticks are not in a client's history: they are added when the next command comes. */
  readonly #addsTicks: boolean;
  readonly #posted: Effect[] = [];
  /** Ids in the order of acceptance. */
  readonly #accepted: bigint[] = [];
  readonly #lost = new Set<bigint>();
  readonly #doubled = new Set<bigint>();
  readonly #mismatches: string[] = [];

  constructor(final: FinalReads, placed: readonly Placed[], addsTicks: boolean) {
    this.#final = final;
    this.#placed = placed;
    this.#addsTicks = addsTicks;
  }

  check(operations: readonly Operation[]): Pick<Verdict, 'lost' | 'doubled' | 'mismatches'> {
    for (const placed of this.#placed) this.#play(placed);
    if (this.#addsTicks && this.#final.timeNs !== undefined) this.#tickUntil(this.#final.timeNs);
    const acknowledged = this.#acknowledged(operations);
    this.#compareTransfers(operations, acknowledged);
    this.#compareAccounts();
    const known = this.#accepted.map((id) => this.#model.transfer(id));
    this.#mismatches.push(...comparePages(this.#final.pages ?? [], known));
    this.#attributeBalances(acknowledged);
    this.#mismatches.push(...compareRealTime(this.#placed, { byEntry: !this.#addsTicks }));
    return {
      lost: this.#lost.size,
      doubled: this.#doubled.size,
      mismatches: this.#mismatches,
    };
  }

  #play(placed: Placed): void {
    const { operation, command, position, timeNs, rulesVersion, isHidden } = placed;
    if (this.#addsTicks) this.#tickUntil(timeNs - 1n);
    const { codes } = this.#model.apply(command, { position, timeNs, rulesVersion });
    const transfers = operation?.request.kind === 'transfers' ? operation.request.transfers : [];
    for (const [index, { id }] of transfers.entries()) {
      if (codes[index] !== CREATED) continue;
      this.#accepted.push(id);
      this.#noteEffect(this.#model.transfer(id)?.transfer);
    }
    if (operation !== undefined && !isHidden) this.#compareAnswer(operation, codes);
  }

  #compareAnswer({ label, request, answer }: Operation, codes: Uint16Array): void {
    if (answer.kind !== 'answered') return;
    if (answer.codes.length !== codes.length) {
      this.#mismatches.push(`${label}: ${answer.codes.length} answers for ${codes.length} events`);
      return;
    }
    for (const [index, code] of answer.codes.entries()) {
      const at = `${label}, event ${index}`;
      if (code !== codes[index]) {
        this.#mismatches.push(
          `${at}: answered ${codeName(code)}, the rules say ${codeName(codes[index]!)}`,
        );
      }
      const told = answer.timestampsNs?.[index];
      const transfer = request.kind === 'transfers' ? request.transfers[index] : undefined;
      const timestampNs = transfer && this.#model.transfer(transfer.id)?.transfer.timestampNs;
      if (told !== undefined && timestampNs !== undefined && told !== timestampNs) {
        this.#mismatches.push(`${at}: answered timestamp ${told}, the rules say ${timestampNs}`);
      }
    }
  }

  #noteEffect(transfer: Transfer | undefined): void {
    if (transfer === undefined) return;
    const [pending, voids] = [2, 8];
    if ((transfer.flags & (pending | voids)) !== 0) return;
    const { id, debitAccountId, creditAccountId, amount } = transfer;
    this.#posted.push({ id, debitAccountId, creditAccountId, amount, column: 'Posted' });
  }

  #tickUntil(timeNs: bigint): void {
    let deadlineNs = this.#model.nextDeadlineNs();
    while (deadlineNs !== undefined && deadlineNs <= timeNs) {
      this.#model.apply(tickCommand(), { position: 0, timeNs: deadlineNs, rulesVersion: 1 });
      deadlineNs = this.#model.nextDeadlineNs();
    }
  }

  /**
   * Ids of which a client was told that they are there. Told twice to be created means that it
   * happened twice.
   */
  #acknowledged(operations: readonly Operation[]): ReadonlySet<bigint> {
    const created = new Set<bigint>();
    const told = new Set<bigint>();
    for (const { label, request, answer } of operations) {
      if (answer.kind !== 'answered' || request.kind !== 'transfers') continue;
      for (const [index, { id }] of request.transfers.entries()) {
        const code = answer.codes[index];
        if (code === CREATED || code === REFUSAL.exists) told.add(id);
        if (code !== CREATED) continue;
        if (created.has(id)) {
          this.#doubled.add(id);
          this.#mismatches.push(`${label}: ${transferName(id)} was acknowledged as created twice`);
        }
        created.add(id);
      }
    }
    return told;
  }

  #compareTransfers(operations: readonly Operation[], acknowledged: ReadonlySet<bigint>): void {
    const named = new Set(
      operations.flatMap(({ request }) =>
        request.kind === 'transfers' ? request.transfers.map(({ id }) => id) : [],
      ),
    );
    for (const id of named) {
      const found = this.#final.transfers.get(id);
      const known = this.#model.transfer(id);
      if (idSecond(id) < this.#model.edgeSecond) continue;
      if (found === undefined) {
        this.#mismatches.push(`${transferName(id)} was not looked up at the end`);
        continue;
      }
      if (acknowledged.has(id) && found.state !== 'accepted') {
        this.#lost.add(id);
        this.#mismatches.push(`${transferName(id)} was acknowledged and is lost: ${found.state}`);
      }
      const difference = finalDifference(found, known, this.#addsTicks);
      if (difference !== undefined) this.#mismatches.push(`${transferName(id)}: ${difference}`);
    }
  }

  #compareAccounts(): void {
    const found = new Map(this.#final.accounts.map((account) => [account.id, account]));
    for (const [id, expected] of this.#model.accounts) {
      const actual = found.get(id);
      found.delete(id);
      if (actual === undefined) {
        this.#mismatches.push(`account ${id} is missing at the end`);
        continue;
      }
      for (const key of Object.keys(expected) as (keyof Account)[]) {
        if (actual[key] === expected[key]) continue;
        this.#mismatches.push(
          `account ${id}: ${key} is ${actual[key]}, the rules say ${expected[key]}`,
        );
      }
    }
    for (const id of found.keys()) {
      this.#mismatches.push(`account ${id} is there, and nobody has opened it`);
    }
  }

  /** Which transfers explain balances that differ: one too many is doubled, one missing is lost. */
  #attributeBalances(acknowledged: ReadonlySet<bigint>): void {
    const differences = new Map<string, bigint>();
    for (const actual of this.#final.accounts) {
      const expected = this.#model.account(actual.id);
      if (expected === undefined) continue;
      for (const key of [
        'debitsPending',
        'debitsPosted',
        'creditsPending',
        'creditsPosted',
      ] as const) {
        const difference = actual[key] - expected[key];
        if (difference !== 0n) differences.set(`${actual.id} ${key}`, difference);
      }
    }
    if (differences.size === 0) return;
    const held = [...this.#model.holds.values()].map(({ transfer }): Effect => {
      const { id, debitAccountId, creditAccountId, amount } = transfer;
      return { id, debitAccountId, creditAccountId, amount, column: 'Pending' };
    });
    // Effects that explain a difference exactly come first, then those that explain a part of it.
    for (const exact of [true, false]) {
      for (const effect of [...this.#posted, ...held]) {
        const sign = explains(effect, differences, exact);
        if (sign === 0n) continue;
        take(effect, differences, sign);
        if (sign > 0n) this.#doubled.add(effect.id);
        else if (acknowledged.has(effect.id)) this.#lost.add(effect.id);
      }
    }
  }
}

function finalDifference(
  found: FinalTransfer,
  known: Remembered | undefined,
  withoutJournal: boolean,
): string | undefined {
  const expected = known?.state ?? 'absent';
  // A refusal that no client heard of has no place in an order made from answers.
  if (withoutJournal && found.state === 'failed' && expected === 'absent') return undefined;
  if (found.state !== expected) return `is ${found.state} at the end, the rules say ${expected}`;
  if (found.state !== 'accepted' || known === undefined) return undefined;
  if (found.timestampNs !== known.transfer.timestampNs) {
    return `has timestamp ${found.timestampNs}, the rules say ${known.transfer.timestampNs}`;
  }
  if (found.hold !== undefined && found.hold !== known.hold) {
    return `its hold is ${found.hold}, the rules say ${known.hold}`;
  }
  return undefined;
}

function explains(
  effect: Effect,
  differences: ReadonlyMap<string, bigint>,
  exact: boolean,
): -1n | 0n | 1n {
  const debit = differences.get(`${effect.debitAccountId} debits${effect.column}`) ?? 0n;
  const credit = differences.get(`${effect.creditAccountId} credits${effect.column}`) ?? 0n;
  const { amount } = effect;
  if (exact && debit === amount && credit === amount) return 1n;
  if (exact && debit === -amount && credit === -amount) return -1n;
  if (!exact && debit >= amount && credit >= amount) return 1n;
  if (!exact && debit <= -amount && credit <= -amount) return -1n;
  return 0n;
}

function take(effect: Effect, differences: Map<string, bigint>, sign: 1n | -1n): void {
  for (const key of [
    `${effect.debitAccountId} debits${effect.column}`,
    `${effect.creditAccountId} credits${effect.column}`,
  ]) {
    differences.set(key, (differences.get(key) ?? 0n) - sign * effect.amount);
  }
}

function codeName(code: number): string {
  if (code === CREATED) return 'created';
  const known: readonly number[] = Object.values(REFUSAL);
  return known.includes(code) ? refusalByNumber(code).name : `the unknown code ${code}`;
}
