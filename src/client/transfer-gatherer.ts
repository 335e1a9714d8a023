// Single transfers that are asked for at the same time travel as one request: whatever gathered in
// the same turn of the loop (or in `gatherMs`), up to a full batch. Each caller has his own
// outcome, deadline and signal; a refusal of one does not touch the others.

import { type TransfersCreated, readCreatedTransfers } from '../base/answers.ts';
import type { Frame } from '../base/frame-reader.ts';
import { type Transfer, TransferFlag } from '../base/transfer-record.ts';
import type { CallWaiter } from './binary-calls.ts';
import { AnswerUnreadable, OutcomeUnknown } from './problems.ts';
import { recordsOf } from './transfer-records.ts';

/** `code` 0 = created, otherwise the number of a refusal. */
export type TransferOutcome = {
  readonly code: number;
  readonly position: number;
  readonly timestampNs: bigint;
};

/** Who waits for one transfer: it hears one of the two, once. */
export interface TransferWaiter {
  decided(outcome: TransferOutcome): void;
  failed(error: unknown): void;
}

export type GathererOptions = {
  readonly transfersMax: number;
  /** 0 = until the end of this turn of the loop. */
  readonly gatherMs: number;
  readonly send: (records: Uint8Array, deadlineMs: number, waiter: CallWaiter) => void;
};

export type AddOptions = {
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  readonly waiter: TransferWaiter;
};

export class TransferGatherer {
  readonly #options: GathererOptions;
  #members: Member[] = [];
  #deadlineMs = 0;
  #turn: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: GathererOptions) {
    this.#options = options;
  }

  add(transfer: Transfer, { deadlineMs, signal, waiter }: AddOptions): void {
    if (signal?.aborted === true) return waiter.failed(signal.reason);
    const member = new Member(transfer, waiter);
    if (signal !== undefined) {
      member.watch(signal, () => {
        this.#members = this.#members.filter((other) => other !== member);
      });
    }
    const isAlone = this.#options.transfersMax === 1;
    // Beside others a linked one would form a chain with a stranger.
    if (isAlone || (transfer.flags & TransferFlag.linked) !== 0) {
      this.#send([member], deadlineMs);
      return;
    }
    if (this.#members.length > 0 && this.#deadlineMs !== deadlineMs) this.flush();
    this.#deadlineMs = deadlineMs;
    this.#members.push(member);
    if (this.#members.length >= this.#options.transfersMax) this.flush();
    else this.#schedule();
  }

  /** Sends what has gathered. */
  flush(): void {
    clearImmediate(this.#turn);
    clearTimeout(this.#timer);
    this.#turn = undefined;
    this.#timer = undefined;
    const members = this.#members;
    this.#members = [];
    if (members.length > 0) this.#send(members, this.#deadlineMs);
  }

  #schedule(): void {
    const { gatherMs } = this.#options;
    if (gatherMs > 0) this.#timer ??= setTimeout(() => this.flush(), gatherMs);
    else this.#turn ??= setImmediate(() => this.flush());
  }

  #send(members: readonly Member[], deadlineMs: number): void {
    for (const member of members) member.isSent = true;
    const records = recordsOf(members.map(({ transfer }) => transfer));
    this.#options.send(records, deadlineMs, new SentTogether(members));
  }
}

/** One caller's transfer. */
class Member {
  readonly transfer: Transfer;
  readonly #waiter: TransferWaiter;
  #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;
  isSent = false;

  constructor(transfer: Transfer, waiter: TransferWaiter) {
    this.transfer = transfer;
    this.#waiter = waiter;
  }

  /** `takeOut` = it has not been sent and is not to be. */
  watch(signal: AbortSignal, takeOut: () => void): void {
    this.#signal = signal;
    this.#onAbort = () => {
      if (!this.isSent) takeOut();
      this.failed(this.isSent ? new OutcomeUnknown(1, signal.reason) : signal.reason);
    };
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  decided(outcome: TransferOutcome): void {
    this.#forget();
    this.#waiter.decided(outcome);
  }

  failed(error: unknown): void {
    this.#forget();
    this.#waiter.failed(error);
  }

  #forget(): void {
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}

/** Those who travel in one request. */
class SentTogether implements CallWaiter {
  readonly #members: readonly Member[];

  constructor(members: readonly Member[]) {
    this.#members = members;
  }

  answered(frame: Frame): void {
    const members = this.#members;
    let created: TransfersCreated;
    try {
      created = transfersCreatedOf(frame, members.length);
    } catch (error) {
      this.failed(error);
      return;
    }
    const { position, timestampNs, codes } = created;
    for (let index = 0; index < members.length; index++) {
      const code = codes[index]!;
      members[index]!.decided({ code, position, timestampNs: timestampNs + BigInt(index) });
    }
  }

  failed(error: unknown): void {
    for (const member of this.#members) member.failed(error);
  }
}

/** Throws AnswerUnreadable when the frame is not the answer to `count` transfers. */
export function transfersCreatedOf(frame: Frame, count: number): TransfersCreated {
  const answer = readCreatedTransfers(frame.payload);
  if (answer === undefined || answer.codes.length !== count) {
    throw new AnswerUnreadable('The answer to a batch has another size than the batch.');
  }
  return answer;
}
