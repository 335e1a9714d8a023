// Single transfers that are asked for at the same time travel as one request: whatever gathered in
// the same turn of the loop (or in `gatherMs`), up to a full batch. Each caller has his own
// outcome, deadline and signal; a refusal of one does not touch the others.

import type { TransfersCreated } from '../base/answers.ts';
import { type Transfer, TransferFlag } from '../base/transfer-record.ts';
import { OutcomeUnknown } from './problems.ts';

/** `code` 0 = created, otherwise the number of a refusal. */
export type TransferOutcome = {
  readonly code: number;
  readonly position: number;
  readonly timestampNs: bigint;
};

export type GathererOptions = {
  readonly transfersMax: number;
  /** 0 = until the end of this turn of the loop. */
  readonly gatherMs: number;
  readonly send: (transfers: readonly Transfer[], deadlineMs: number) => Promise<TransfersCreated>;
};

type Member = {
  readonly transfer: Transfer;
  readonly resolve: (outcome: TransferOutcome) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
  isSent: boolean;
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

  add(
    transfer: Transfer,
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<TransferOutcome> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<TransferOutcome>();
    const member: Member = {
      transfer,
      resolve,
      reject,
      signal,
      onAbort: () => this.#aborted(member),
      isSent: false,
    };
    signal?.addEventListener('abort', member.onAbort, { once: true });
    if ((transfer.flags & TransferFlag.linked) !== 0) {
      // Beside others it would form a chain with a stranger.
      this.#send([member], deadlineMs);
      return promise;
    }
    if (this.#members.length > 0 && this.#deadlineMs !== deadlineMs) this.flush();
    this.#deadlineMs = deadlineMs;
    this.#members.push(member);
    if (this.#members.length >= this.#options.transfersMax) this.flush();
    else this.#schedule();
    return promise;
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
    const transfers = members.map(({ transfer }) => transfer);
    this.#options.send(transfers, deadlineMs).then(
      ({ position, timestampNs, codes }) => {
        for (const [index, member] of members.entries()) {
          forget(member);
          const code = codes[index]!;
          member.resolve({ code, position, timestampNs: timestampNs + BigInt(index) });
        }
      },
      (error: unknown) => {
        for (const member of members) {
          forget(member);
          member.reject(error);
        }
      },
    );
  }

  #aborted(member: Member): void {
    const reason: unknown = member.signal?.reason;
    if (member.isSent) {
      member.reject(new OutcomeUnknown(1, reason));
      return;
    }
    this.#members = this.#members.filter((other) => other !== member);
    member.reject(reason);
  }
}

function forget({ signal, onAbort }: Member): void {
  signal?.removeEventListener('abort', onAbort);
}
