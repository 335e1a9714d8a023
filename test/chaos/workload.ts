// Load of several shapes, each with what can go wrong in it: small and large batches, single
// payments, one hot account, holds that are posted, voided or left to expire, and every special
// rule (chains, balancing, closing, freezing, imports, limits), through both doors. Unknown
// outcomes are mostly asked again with the same ids, sometimes never: the checker must then find
// out by itself.

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { transferIdFrom } from '../../src/base/ids.ts';
import { TRANSFERS_PER_REQUEST_MAX } from '../../src/base/limits.ts';
import type { Prng } from '../../src/base/prng.ts';
import { TRANSFER_DEFAULTS, type Transfer, TransferFlag } from '../../src/base/transfer-record.ts';
import { U128_MAX } from '../../src/base/u128.ts';
import type { Door, Recorder } from './recorder.ts';

export const LEDGER = 978;
export const ACCOUNT_IDS: readonly bigint[] = Array.from({ length: 24 }, (_, index) =>
  BigInt(0xacc0000 + index),
);
/** Everybody pays to it in the shape `hot`. */
const MERCHANT = ACCOUNT_IDS[1]!;
/** Few accounts are frozen and closed, so that most payments still find theirs open. */
const TROUBLED: readonly bigint[] = ACCOUNT_IDS.slice(-4);

/** Holds that expire do so within this time. */
export const HOLD_SECONDS_MAX = 3;

/** How often each kind of transfer is drawn; the rest are plain payments. */
type Weights = Partial<
  Record<'pending' | 'resolution' | 'chain' | 'balancing' | 'closing', number>
>;

type Shape = {
  /** Batches that span many pages of the journal: only those can be torn by a kill. */
  readonly hasLarge: boolean;
  readonly transfersMax: number;
  readonly weights: Weights;
  readonly isHot: boolean;
  /** Share of requests that freeze or unfreeze an account, or import the past. */
  readonly special: number;
};

const PLAIN: Shape = { hasLarge: false, transfersMax: 1, weights: {}, isHot: false, special: 0 };
const ALL_KINDS: Weights = { pending: 0.15, resolution: 0.15, chain: 0.15, balancing: 0.05 };

export const SHAPES = {
  mixed: { ...PLAIN, hasLarge: true, transfersMax: 30, weights: ALL_KINDS },
  batches: { ...PLAIN, hasLarge: true, transfersMax: 200 },
  single: PLAIN,
  hot: { ...PLAIN, transfersMax: 4, isHot: true },
  holds: { ...PLAIN, transfersMax: 60, weights: { pending: 0.5, resolution: 0.45 } },
  rules: {
    ...PLAIN,
    transfersMax: 12,
    weights: { ...ALL_KINDS, balancing: 0.2, closing: 0.04 },
    special: 0.1,
  },
} as const satisfies Readonly<Record<string, Shape>>;

export type ShapeName = keyof typeof SHAPES;
export const SHAPE_NAMES = Object.keys(SHAPES) as ShapeName[];

const HOLDS_KNOWN_MAX = 500;
const LARGE_WORKERS = 2;
/**
 * Transfers in large batches between two kills: a faster machine must not make a longer history
 * than the checker can hold.
 */
const LARGE_ALLOWANCE = 10_000;
const ALLOWANCE_LOOK_MS = 10;

/** Sends and records: to one node, or to whichever node of a cluster answers. */
export type Sender = Pick<Recorder, 'attempt' | 'freeze'>;

export class Workload {
  readonly #recorder: Sender;
  readonly #random: Prng;
  /** Ids of holds that were acknowledged, for all workers. */
  readonly #holds: bigint[] = [];
  readonly #thinkMsMax: number;
  #shape: Shape;
  #isEnding = false;
  #largeLeft = LARGE_ALLOWANCE;

  /** `thinkMsMax`: each worker rests up to so long after each request. */
  constructor(recorder: Sender, random: Prng, shape: ShapeName, thinkMsMax = 0) {
    this.#recorder = recorder;
    this.#random = random;
    this.#shape = SHAPES[shape];
    this.#thinkMsMax = thinkMsMax;
  }

  /** Runs `workers` loops until `end` is called; the first few send large batches. */
  async run(workers: number): Promise<void> {
    await Promise.all(
      Array.from({ length: workers }, (_, index) => this.#loop(index < LARGE_WORKERS)),
    );
  }

  turnTo(shape: ShapeName): void {
    this.#shape = SHAPES[shape];
  }

  /** Large batches may be sent again. */
  allowLarge(): void {
    this.#largeLeft = LARGE_ALLOWANCE;
  }

  end(): void {
    this.#isEnding = true;
  }

  async #loop(mayBeLarge: boolean): Promise<void> {
    const random = this.#random.fork();
    while (!this.#isEnding) {
      const isLarge = mayBeLarge && this.#shape.hasLarge;
      if (isLarge && this.#largeLeft <= 0) {
        await sleep(ALLOWANCE_LOOK_MS);
        continue;
      }
      const door = random.chance(0.5) ? 'http' : 'binary';
      if (!isLarge && random.chance(this.#shape.special)) await this.#special(random, door);
      else await this.#send(isLarge ? this.#largeBatch(random) : this.#batch(random), random, door);
      if (this.#thinkMsMax > 0) await sleep(random.below(this.#thinkMsMax + 1));
    }
  }

  async #special(random: Prng, door: Door): Promise<void> {
    if (random.chance(0.5)) {
      // Unfreezing is likelier: a ledger where all are frozen proves nothing.
      await this.#recorder.freeze(random.pick(TROUBLED), random.chance(0.4));
    } else {
      await this.#send(this.#importBatch(random), random, door);
    }
  }

  async #send(batch: readonly Transfer[], random: Prng, door: Door): Promise<void> {
    for (;;) {
      const answer = await this.#recorder.attempt(batch, door);
      if (answer.kind === 'answered') {
        this.#remember(batch, answer.codes);
        if (random.chance(0.02)) await this.#recorder.attempt(batch, otherDoor(door));
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
    const count = least + random.below(TRANSFERS_PER_REQUEST_MAX + 1 - least);
    this.#largeLeft -= count;
    return Array.from({ length: count }, () => this.#immediate(random));
  }

  #batch(random: Prng): Transfer[] {
    const batch: Transfer[] = [];
    const { transfersMax, weights } = this.#shape;
    const { pending = 0, resolution = 0, chain = 0, balancing = 0, closing = 0 } = weights;
    const count = 1 + random.below(random.chance(0.5) ? 1 : transfersMax);
    while (batch.length < count) {
      let draw = random.ratio();
      if ((draw -= pending) < 0) batch.push(this.#pending(random));
      else if ((draw -= resolution) < 0) batch.push(this.#resolution(random));
      else if ((draw -= chain) < 0) batch.push(...this.#chain(random));
      else if ((draw -= balancing) < 0) batch.push(this.#balancing(random));
      else if ((draw -= closing) < 0) batch.push(this.#closing(random));
      else batch.push(this.#immediate(random));
    }
    return batch;
  }

  #immediate(random: Prng): Transfer {
    const debit = random.below(ACCOUNT_IDS.length);
    const credit = (debit + 1 + random.below(ACCOUNT_IDS.length - 1)) % ACCOUNT_IDS.length;
    const debitAccountId = ACCOUNT_IDS[debit]!;
    const isToMerchant = this.#shape.isHot && debitAccountId !== MERCHANT;
    return {
      ...TRANSFER_DEFAULTS,
      id: newId(),
      debitAccountId,
      creditAccountId: isToMerchant ? MERCHANT : ACCOUNT_IDS[credit]!,
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

  #balancing(random: Prng): Transfer {
    const { balancingDebit, balancingCredit, pending } = TransferFlag;
    const sides = random.pick([balancingDebit, balancingCredit, balancingDebit | balancingCredit]);
    const flags = sides | (random.chance(0.3) ? pending : 0);
    const amount = random.chance(0.3) ? U128_MAX : BigInt(1 + random.below(1_000_000));
    return { ...this.#immediate(random), amount, flags };
  }

  /** Opens again by itself: the hold that closes expires. */
  #closing(random: Prng): Transfer {
    const isDebit = random.chance(0.5);
    const troubled = random.pick(TROUBLED);
    const other = ACCOUNT_IDS[random.below(ACCOUNT_IDS.length - TROUBLED.length)]!;
    return {
      ...this.#pending(random),
      debitAccountId: isDebit ? troubled : other,
      creditAccountId: isDebit ? other : troubled,
      timeoutSeconds: 1 + random.below(HOLD_SECONDS_MAX),
      flags:
        TransferFlag.pending | (isDebit ? TransferFlag.closingDebit : TransferFlag.closingCredit),
    };
  }

  /** A moment ago: later than the transfer before it only when nobody was faster. */
  #importBatch(random: Prng): Transfer[] {
    const firstNs = BigInt(Date.now() - random.below(5)) * 1_000_000n;
    return Array.from({ length: 1 + random.below(3) }, (_, index) => ({
      ...this.#immediate(random),
      flags: TransferFlag.imported,
      timestampNs: firstNs + BigInt(index),
    }));
  }
}

function otherDoor(door: Door): Door {
  return door === 'http' ? 'binary' : 'http';
}

function newId(): bigint {
  return transferIdFrom(Date.now(), BigInt(`0x${randomBytes(10).toString('hex')}`));
}
