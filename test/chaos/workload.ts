// Load with every kind of transfer: small and large batches, holds that are posted, voided or left
// to expire, linked chains, payments beyond limits, repeated requests. Unknown outcomes are mostly
// asked again with the same ids, sometimes never: the checker must then find out by itself.

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { transferIdFrom } from '../../src/base/ids.ts';
import type { Prng } from '../../src/base/prng.ts';
import { TRANSFER_DEFAULTS, type Transfer, TransferFlag } from '../../src/base/transfer-record.ts';
import { U128_MAX } from '../../src/base/u128.ts';
import type { Recorder } from './recorder.ts';

export const LEDGER = 978;
export const ACCOUNT_IDS: readonly bigint[] = Array.from({ length: 24 }, (_, index) =>
  BigInt(0xacc0000 + index),
);

/** Holds that expire do so within this time. */
export const HOLD_SECONDS_MAX = 3;

const HOLDS_KNOWN_MAX = 500;
/** Workers whose batches span many pages of the journal: only those can be torn by a kill. */
const LARGE_WORKERS = 2;
const LARGE_BATCH_MAX = 8000;
/**
 * Transfers in large batches between two kills: a faster machine must not make a longer history
 * than the checker can hold.
 */
const LARGE_ALLOWANCE = 10_000;
const ALLOWANCE_LOOK_MS = 10;

export class Workload {
  readonly #recorder: Recorder;
  readonly #random: Prng;
  /** Ids of holds that were acknowledged, for all workers. */
  readonly #holds: bigint[] = [];
  #isEnding = false;
  #largeLeft = LARGE_ALLOWANCE;

  constructor(recorder: Recorder, random: Prng) {
    this.#recorder = recorder;
    this.#random = random;
  }

  /** Runs `workers` loops until `end` is called; the first few send large batches. */
  async run(workers: number): Promise<void> {
    await Promise.all(
      Array.from({ length: workers }, (_, index) => this.#loop(index < LARGE_WORKERS)),
    );
  }

  /** Large batches may be sent again. */
  allowLarge(): void {
    this.#largeLeft = LARGE_ALLOWANCE;
  }

  end(): void {
    this.#isEnding = true;
  }

  async #loop(isLarge: boolean): Promise<void> {
    const random = this.#random.fork();
    while (!this.#isEnding) {
      if (isLarge && this.#largeLeft <= 0) {
        await sleep(ALLOWANCE_LOOK_MS);
        continue;
      }
      const batch = isLarge ? this.#largeBatch(random) : this.#mixedBatch(random);
      await this.#send(batch, random);
    }
  }

  async #send(batch: readonly Transfer[], random: Prng): Promise<void> {
    for (;;) {
      const answer = await this.#recorder.attempt(batch);
      if (answer.kind === 'answered') {
        this.#remember(batch, answer.codes);
        if (random.chance(0.02)) await this.#recorder.attempt(batch);
        return;
      }
      if (this.#isEnding || (answer.kind === 'unknown' && random.chance(0.2))) return;
      await sleep(5 + random.below(20));
    }
  }

  #remember(batch: readonly Transfer[], codes: readonly number[]): void {
    for (const [index, transfer] of batch.entries()) {
      if ((transfer.flags & TransferFlag.pending) === 0 || codes[index] !== 0) continue;
      this.#holds.push(transfer.id);
      if (this.#holds.length > HOLDS_KNOWN_MAX) this.#holds.shift();
    }
  }

  #largeBatch(random: Prng): Transfer[] {
    // Half of them fill most of an entry: only such writes last long enough to be hit (striker.ts).
    const least = random.chance(0.5) ? 200 : 5800;
    const count = least + random.below(LARGE_BATCH_MAX - least);
    this.#largeLeft -= count;
    return Array.from({ length: count }, () => this.#immediate(random));
  }

  #mixedBatch(random: Prng): Transfer[] {
    const batch: Transfer[] = [];
    const count = 1 + random.below(random.chance(0.5) ? 1 : 30);
    while (batch.length < count) {
      const draw = random.ratio();
      if (draw < 0.55) batch.push(this.#immediate(random));
      else if (draw < 0.7) batch.push(this.#pending(random));
      else if (draw < 0.85) batch.push(this.#resolution(random));
      else batch.push(...this.#chain(random));
    }
    return batch;
  }

  #immediate(random: Prng): Transfer {
    const debit = random.below(ACCOUNT_IDS.length);
    const credit = (debit + 1 + random.below(ACCOUNT_IDS.length - 1)) % ACCOUNT_IDS.length;
    return {
      ...TRANSFER_DEFAULTS,
      id: newId(),
      debitAccountId: ACCOUNT_IDS[debit]!,
      creditAccountId: ACCOUNT_IDS[credit]!,
      amount: BigInt(1 + random.below(10_000)),
      userData64: BigInt(random.below(1_000_000)),
      ledger: LEDGER,
      code: 1,
    };
  }

  #pending(random: Prng): Transfer {
    const timeoutSeconds = random.chance(0.5) ? 1 + random.below(HOLD_SECONDS_MAX) : 0;
    return { ...this.#immediate(random), flags: TransferFlag.pending, timeoutSeconds };
  }

  #resolution(random: Prng): Transfer {
    const pendingId = this.#holds.length === 0 ? newId() : random.pick(this.#holds);
    const isPost = random.chance(0.6);
    const partly = BigInt(1 + random.below(5000));
    return {
      ...TRANSFER_DEFAULTS,
      id: newId(),
      pendingId,
      amount: isPost ? (random.chance(0.5) ? U128_MAX : partly) : 0n,
      flags: isPost ? TransferFlag.postPending : TransferFlag.voidPending,
    };
  }

  #chain(random: Prng): Transfer[] {
    const length = 2 + random.below(3);
    return Array.from({ length }, (_, index) => {
      const transfer = random.chance(0.3) ? this.#pending(random) : this.#immediate(random);
      const linked = index < length - 1 ? TransferFlag.linked : 0;
      return { ...transfer, flags: transfer.flags | linked };
    });
  }
}

function newId(): bigint {
  return transferIdFrom(Date.now(), BigInt(`0x${randomBytes(10).toString('hex')}`));
}
