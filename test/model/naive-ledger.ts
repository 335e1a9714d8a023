// The naive model of the ledger: Map and BigInt, one check after the other, written from
// docs/reference/ledger-rules.md and not from the kernel. It is the judge: properties compare the
// kernel with it, and the exact checker plays recorded histories on it. It is slow on purpose;
// whoever reads a rule in the text must find it here as one line.

import type { Account } from '../../src/base/account.ts';
import { assertNever } from '../../src/base/assert.ts';
import { TransferFlag, type Transfer } from '../../src/base/transfer-record.ts';
import type {
  AccountFlagsInput,
  AccountInput,
  Command,
  ConfigureInput,
  LedgerInput,
} from '../../src/domain/commands.ts';
import type { Outcome, Stamp } from '../../src/domain/outcome.ts';
import { CREATED, REFUSAL, refusalByNumber } from '../../src/domain/refusals.ts';
import { decodeCommand, type NaiveCommand } from './naive-decode.ts';
import {
  accountRefusal,
  compareAgain,
  amountMoved,
  areExclusive,
  CLOSED,
  FROZEN,
  type Hold,
  isImported,
  ledgerRefusal,
  moneyRefusal,
  type Remembered,
  resolutionRefusal,
  shapeRefusal,
} from './naive-rules.ts';

export type NaiveConfiguration = {
  readonly version: number;
  readonly windowSeconds: number;
  readonly bytesMax: number;
  readonly rulesVersion: number;
};

export type NaiveTotals = {
  readonly debitsPending: bigint;
  readonly debitsPosted: bigint;
  readonly creditsPending: bigint;
  readonly creditsPosted: bigint;
};

type Event = {
  readonly transfer: Transfer;
  readonly timestampNs: bigint;
  readonly nowNs: bigint;
  readonly last: boolean;
  readonly batchImported: boolean;
};

const ID_MAX = (1n << 128n) - 1n;
const SECOND_NS = 1_000_000_000n;
const ACCOUNT_IMPORTED = 16;
const EXPIRED_PER_TICK_MAX = 8189;
const BYTES_PER_ID = 160;
const AHEAD_MS_MAX = 300_000n;

export function idSecond(id: bigint): number {
  return Number((id >> 80n) / 1000n);
}

export class NaiveLedger {
  readonly ledgers = new Map<number, { readonly currency: string; readonly exponent: number }>();
  readonly accounts = new Map<bigint, Account>();
  readonly holds = new Map<bigint, Hold>();
  /** Remembered ids, in buckets by the second in the id. */
  readonly buckets = new Map<number, Map<bigint, Remembered>>();
  edgeSecond = 0;
  configuration: NaiveConfiguration = {
    version: 0,
    windowSeconds: 604_800,
    bytesMax: 1024 * 1024 * 1024,
    rulesVersion: 1,
  };
  /** Timestamps of the transfer accepted last, and of the account opened last. */
  lastTransferNs = 0n;
  #lastAccountNs = 0n;
  /** How to take back what the chain at hand has done, oldest first. */
  #undoSteps: (() => void)[] = [];

  apply(command: Command, stamp: Stamp): Outcome {
    const nowSecond = Number(stamp.timeNs / SECOND_NS);
    this.#raiseEdge(nowSecond - this.configuration.windowSeconds);
    const reading = decodeCommand(command);
    const expired = reading.kind === 'tick' ? this.#tick(stamp) : 0;
    const codes = Uint16Array.from(this.#answers(reading, stamp));
    return { kind: command.kind, timeNs: stamp.timeNs, codes, expired };
  }

  account(id: bigint): Account | undefined {
    return this.accounts.get(id);
  }

  /** The remembered transfer, accepted or failed. */
  transfer(id: bigint): Remembered | undefined {
    return this.buckets.get(idSecond(id))?.get(id);
  }

  /** Earliest expiry of a hold that is not resolved. */
  nextDeadlineNs(): bigint | undefined {
    let next: bigint | undefined;
    for (const { expiresNs } of this.holds.values()) {
      if (expiresNs !== undefined && (next === undefined || expiresNs < next)) next = expiresNs;
    }
    return next;
  }

  /** Sums of all balances, by ledger. */
  totals(): Map<number, NaiveTotals> {
    const totals = new Map<number, NaiveTotals>();
    for (const account of this.accounts.values()) {
      const sum = totals.get(account.ledger);
      totals.set(account.ledger, {
        debitsPending: (sum?.debitsPending ?? 0n) + account.debitsPending,
        debitsPosted: (sum?.debitsPosted ?? 0n) + account.debitsPosted,
        creditsPending: (sum?.creditsPending ?? 0n) + account.creditsPending,
        creditsPosted: (sum?.creditsPosted ?? 0n) + account.creditsPosted,
      });
    }
    return totals;
  }

  get rememberedCount(): number {
    let count = 0;
    for (const bucket of this.buckets.values()) count += bucket.size;
    return count;
  }

  get capacity(): number {
    return Math.floor(this.configuration.bytesMax / BYTES_PER_ID);
  }

  #answers(reading: NaiveCommand, stamp: Stamp): number[] {
    switch (reading.kind) {
      case 'transfers':
        return this.#transfers(reading.transfers, stamp);
      case 'accounts':
        return reading.accounts.map((input, index) =>
          this.#openAccount(input, stamp, index, reading.accounts[0]!.flags),
        );
      case 'ledgers':
        return [this.#defineLedgers(reading.ledgers)];
      case 'configure':
        return [this.#configure(reading.change)];
      case 'tick':
        return [CREATED];
      case 'account_flags':
        return [this.#freeze(reading.change)];
      case 'malformed':
        return [REFUSAL.command_malformed];
      case 'unknown':
        return [REFUSAL.command_unknown];
      default:
        return assertNever(reading, 'a command is read as one of these');
    }
  }

  // Accounts, ledgers, configuration, ticks.

  #openAccount(input: AccountInput, stamp: Stamp, index: number, firstFlags: number): number {
    const asked: Account = {
      id: BigInt(`0x${input.id}`),
      ledger: input.ledger,
      code: input.code,
      flags: input.flags,
      userData128: BigInt(`0x${input.user_data_128}`),
      userData64: BigInt(input.user_data_64),
      userData32: input.user_data_32,
      timestampNs: BigInt(input.timestamp_ns ?? '0'),
      debitsPending: 0n,
      debitsPosted: 0n,
      creditsPending: 0n,
      creditsPosted: 0n,
    };
    const refusal = accountRefusal(
      asked,
      this.accounts.get(asked.id),
      this.ledgers.has(asked.ledger),
      {
        batchImported: (firstFlags & ACCOUNT_IMPORTED) !== 0,
        nowNs: stamp.timeNs,
        lastNs: this.#lastAccountNs,
      },
    );
    if (refusal !== CREATED) return refusal;
    const imported = (asked.flags & ACCOUNT_IMPORTED) !== 0;
    const timestampNs = imported ? asked.timestampNs : stamp.timeNs + BigInt(index);
    this.accounts.set(asked.id, { ...asked, timestampNs });
    this.#lastAccountNs = timestampNs;
    return CREATED;
  }

  #freeze(change: AccountFlagsInput): number {
    const id = BigInt(`0x${change.account}`);
    const account = this.accounts.get(id);
    if (account === undefined) return REFUSAL.account_not_found;
    const frozen = (account.flags & FROZEN) !== 0;
    if (frozen !== change.expected_frozen) return REFUSAL.account_flags_changed_meanwhile;
    const flags = change.frozen ? account.flags | FROZEN : account.flags & ~FROZEN;
    this.accounts.set(id, { ...account, flags });
    return CREATED;
  }

  #defineLedgers(inputs: readonly LedgerInput[]): number {
    const defined = new Map(this.ledgers);
    for (const input of inputs) {
      const refusal = ledgerRefusal(input, defined.get(input.ledger));
      if (refusal === REFUSAL.ledger_exists) continue;
      if (refusal !== CREATED) return refusal;
      defined.set(input.ledger, { currency: input.currency, exponent: input.exponent });
    }
    if (defined.size === this.ledgers.size) return REFUSAL.ledger_exists;
    for (const [number, ledger] of defined) this.ledgers.set(number, ledger);
    return CREATED;
  }

  #configure(change: ConfigureInput): number {
    const now = this.configuration;
    if (change.expected_version !== now.version) return REFUSAL.configuration_changed_meanwhile;
    const windowSeconds = change.dedupe_window_seconds ?? now.windowSeconds;
    const bytesMax = change.dedupe_bytes_max ?? now.bytesMax;
    const rulesVersion = change.rules_version ?? now.rulesVersion;
    if (windowSeconds < 60 || windowSeconds > 1_000_000) return REFUSAL.configuration_out_of_range;
    if (bytesMax < 2560 || bytesMax > 256 * 2 ** 30) return REFUSAL.configuration_out_of_range;
    if (rulesVersion !== 1) return REFUSAL.configuration_rules_version_unknown;
    this.configuration = { version: now.version + 1, windowSeconds, bytesMax, rulesVersion };
    while (this.rememberedCount > this.capacity) this.#forgetOldestBucket();
    return CREATED;
  }

  #tick(stamp: Stamp): number {
    const due = [...this.holds.values()]
      .filter(({ expiresNs }) => expiresNs !== undefined && expiresNs <= stamp.timeNs)
      .sort((a, b) => {
        const order =
          a.expiresNs! - b.expiresNs! || a.transfer.timestampNs - b.transfer.timestampNs;
        return order < 0n ? -1 : 1;
      })
      .slice(0, EXPIRED_PER_TICK_MAX);
    for (const { transfer } of due) this.#resolveHold(transfer, 'expired');
    this.#undoSteps = [];
    return due.length;
  }

  // Remembered ids.

  #raiseEdge(second: number): void {
    if (second <= this.edgeSecond) return;
    this.edgeSecond = second;
    for (const bucketSecond of this.buckets.keys()) {
      if (bucketSecond < second) this.buckets.delete(bucketSecond);
    }
  }

  #forgetOldestBucket(): void {
    this.#raiseEdge(Math.min(...this.buckets.keys()) + 1);
  }

  #setRemembered(id: bigint, remembered: Remembered | undefined): void {
    const second = idSecond(id);
    // Undoing must not bring back what was forgotten in between.
    if (second < this.edgeSecond) return;
    const bucket = this.buckets.get(second) ?? new Map<bigint, Remembered>();
    if (remembered === undefined) bucket.delete(id);
    else bucket.set(id, remembered);
    if (bucket.size === 0) this.buckets.delete(second);
    else this.buckets.set(second, bucket);
  }

  // Every change of a transfer goes through these five, so that a chain can be undone.

  #setLastTransfer(timestampNs: bigint): void {
    const before = this.lastTransferNs;
    this.#undoSteps.push(() => (this.lastTransferNs = before));
    this.lastTransferNs = timestampNs;
  }

  /** Closes or opens the accounts that the hold names by its flags. */
  #setClosed(held: Transfer, closed: boolean): void {
    const sides = [
      [TransferFlag.closingDebit, held.debitAccountId],
      [TransferFlag.closingCredit, held.creditAccountId],
    ] as const;
    for (const [flag, id] of sides) {
      if ((held.flags & flag) === 0) continue;
      const before = this.accounts.get(id)!;
      this.#undoSteps.push(() => this.accounts.set(id, before));
      const flags = closed ? before.flags | CLOSED : before.flags & ~CLOSED;
      this.accounts.set(id, { ...before, flags });
    }
  }

  #remember(id: bigint, remembered: Remembered): void {
    const before = this.transfer(id);
    this.#undoSteps.push(() => this.#setRemembered(id, before));
    this.#setRemembered(id, remembered);
  }

  #setHold(id: bigint, hold: Hold | undefined): void {
    const before = this.holds.get(id);
    this.#undoSteps.push(() => {
      if (before === undefined) this.holds.delete(id);
      else this.holds.set(id, before);
    });
    if (hold === undefined) this.holds.delete(id);
    else this.holds.set(id, hold);
  }

  #addTo(accountId: bigint, side: 'debits' | 'credits', pending: bigint, posted: bigint): void {
    const before = this.accounts.get(accountId)!;
    this.#undoSteps.push(() => this.accounts.set(accountId, before));
    this.accounts.set(accountId, {
      ...before,
      [`${side}Pending`]: before[`${side}Pending`] + pending,
      [`${side}Posted`]: before[`${side}Posted`] + posted,
    });
  }

  // Transfers.

  #transfers(transfers: readonly Transfer[], stamp: Stamp): number[] {
    const codes: number[] = [];
    let chain: Event[] = [];
    for (const [index, transfer] of transfers.entries()) {
      const last = index === transfers.length - 1;
      const timestampNs = stamp.timeNs + BigInt(index);
      const batchImported = isImported(transfers[0]!);
      chain.push({ transfer, timestampNs, nowNs: stamp.timeNs, last, batchImported });
      if (isLinked(transfer) && !last) continue;
      codes.push(...this.#chain(chain));
      chain = [];
    }
    return codes;
  }

  /** A chain, or a transfer that stands alone: a chain of one. */
  #chain(events: readonly Event[]): number[] {
    this.#undoSteps = [];
    let codes: number[] = [];
    let broken = false;
    for (const event of events) {
      if (broken) {
        codes.push(
          isLinked(event.transfer) && event.last
            ? REFUSAL.linked_event_chain_open
            : REFUSAL.linked_event_failed,
        );
        continue;
      }
      const code = this.#attempt(event);
      const fits = codes.length > 0 ? code === codes[0] : isDoneNowOrBefore(code);
      if (fits) {
        codes.push(code);
        continue;
      }
      broken = true;
      while (this.#undoSteps.length > 0) this.#undoSteps.pop()!();
      codes = codes.map(failedWhenCreated);
      codes.push(failedWhenCreated(code));
      if (code !== CREATED && refusalByNumber(code).transient) {
        const { transfer } = event;
        this.#setRemembered(transfer.id, {
          transfer,
          state: 'failed',
          hold: 'none',
          whole: false,
        });
      }
    }
    return codes;
  }

  #attempt(event: Event): number {
    const { transfer } = event;
    if (isLinked(transfer) && event.last) return REFUSAL.linked_event_chain_open;
    const { batchImported, nowNs } = event;
    const time = { batchImported, nowNs, lastNs: this.lastTransferNs };
    const refusal = shapeRefusal(transfer, time) || this.#idRefusal(event);
    if (refusal !== CREATED) return refusal;
    if (areExclusive(transfer.flags)) return REFUSAL.flags_are_mutually_exclusive;
    const resolves = TransferFlag.postPending | TransferFlag.voidPending;
    if ((transfer.flags & resolves) !== 0) return this.#resolve(event);
    return this.#move(event);
  }

  #idRefusal({ transfer, nowNs }: Event): number {
    const { id } = transfer;
    if (idSecond(id) < this.edgeSecond) return REFUSAL.id_expired;
    if (id >> 80n > nowNs / 1_000_000n + AHEAD_MS_MAX) return REFUSAL.id_from_the_future;
    const remembered = this.transfer(id);
    if (remembered?.state === 'failed') return REFUSAL.id_already_failed;
    if (remembered?.state === 'accepted') return compareAgain(transfer, remembered);
    while (this.rememberedCount >= this.capacity) this.#forgetOldestBucket();
    if (idSecond(id) < this.edgeSecond) return REFUSAL.id_expired;
    return CREATED;
  }

  #move({ transfer, timestampNs }: Event): number {
    const debit = this.accounts.get(transfer.debitAccountId);
    const credit = this.accounts.get(transfer.creditAccountId);
    const refusal = moneyRefusal(transfer, timestampNs, debit, credit, this.lastTransferNs);
    if (refusal !== CREATED) return refusal;
    const pending = (transfer.flags & TransferFlag.pending) !== 0;
    const amount = amountMoved(transfer, debit!, credit!);
    const held = pending ? amount : 0n;
    const posted = pending ? 0n : amount;
    this.#addTo(transfer.debitAccountId, 'debits', held, posted);
    this.#addTo(transfer.creditAccountId, 'credits', held, posted);
    const record = { ...transfer, amount, timestampNs: recordTimeNs(transfer, timestampNs) };
    this.#setLastTransfer(record.timestampNs);
    if (pending) {
      this.#setClosed(transfer, true);
      const timeoutNs = BigInt(transfer.timeoutSeconds) * SECOND_NS;
      const expiresNs = timeoutNs === 0n ? undefined : timestampNs + timeoutNs;
      this.#setHold(transfer.id, { transfer: record, expiresNs });
    }
    const hold = pending ? 'pending' : 'none';
    this.#remember(transfer.id, { transfer: record, state: 'accepted', hold, whole: false });
    return CREATED;
  }

  #resolve({ transfer, timestampNs }: Event): number {
    const remembered = this.transfer(transfer.pendingId);
    const accepted = remembered?.state === 'accepted' ? remembered : undefined;
    const hold = this.holds.get(transfer.pendingId);
    const refusal = resolutionRefusal(transfer, timestampNs, accepted, hold, {
      lastNs: this.lastTransferNs,
      accountOf: (id) => this.accounts.get(id)!,
    });
    if (refusal !== CREATED) return refusal;
    const held = hold!.transfer;
    const posts = (transfer.flags & TransferFlag.postPending) !== 0;
    const whole = !posts || transfer.amount === ID_MAX || transfer.amount === held.amount;
    const amount = whole ? held.amount : transfer.amount;
    this.#resolveHold(held, posts ? 'posted' : 'voided');
    if (posts) {
      this.#addTo(held.debitAccountId, 'debits', 0n, amount);
      this.#addTo(held.creditAccountId, 'credits', 0n, amount);
    }
    const { debitAccountId, creditAccountId, ledger, code } = held;
    this.#setLastTransfer(recordTimeNs(transfer, timestampNs));
    this.#remember(transfer.id, {
      transfer: {
        ...transfer,
        debitAccountId,
        creditAccountId,
        ledger,
        code,
        amount,
        timestampNs: recordTimeNs(transfer, timestampNs),
      },
      state: 'accepted',
      hold: 'none',
      whole,
    });
    return CREATED;
  }

  /** Takes the held amount from the pending balances; the hold is resolved for good. */
  #resolveHold(held: Transfer, state: 'posted' | 'voided' | 'expired'): void {
    this.#addTo(held.debitAccountId, 'debits', -held.amount, 0n);
    this.#addTo(held.creditAccountId, 'credits', -held.amount, 0n);
    this.#setHold(held.id, undefined);
    if (state !== 'posted') this.#setClosed(held, false);
    const remembered = this.transfer(held.id);
    if (remembered !== undefined) this.#remember(held.id, { ...remembered, hold: state });
  }
}

function isLinked(transfer: Transfer): boolean {
  return (transfer.flags & TransferFlag.linked) !== 0;
}

function isDoneNowOrBefore(code: number): boolean {
  return code === CREATED || code === REFUSAL.exists;
}

function failedWhenCreated(code: number): number {
  return code === CREATED ? REFUSAL.linked_event_failed : code;
}

function recordTimeNs(transfer: Transfer, timestampNs: bigint): bigint {
  return isImported(transfer) ? transfer.timestampNs : timestampNs;
}
