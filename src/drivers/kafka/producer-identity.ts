// Who appends, in Kafka's words. A journal has one producer id, whichever node writes: it stands in
// every record batch, so whoever opens the journal finds it in the batch of the last entry and goes
// on with it. The producer epoch is the entry's epoch, so a broker that has seen a higher one
// refuses the lower. It has 15 bits: each 32,768 epochs a new producer id is used, and at that one
// change of epochs, as at the first opening of all, the readers' rule alone keeps the old one out.

import type { Chain, ProducerTail } from './chain.ts';
import type { BatchIdentity } from './record-batch.ts';

const EPOCHS_PER_PRODUCER = 32_768;

export class ProducerIdentity {
  readonly #allocate: () => Promise<bigint>;
  /** Producer ids by the number of their 32,768 epochs. */
  readonly #producerIds = new Map<number, bigint>();
  /** Where the log's last record of the producer leaves off. */
  #tail: (ProducerTail & { readonly producerId: bigint }) | undefined;
  #epoch: number | undefined;
  #nextSequence = 0;

  constructor(allocate: () => Promise<bigint>, chain: Chain) {
    this.#allocate = allocate;
    const { producerId, producerTail, epoch } = chain;
    if (producerId === undefined) return;
    this.#producerIds.set(eraOf(epoch), producerId);
    if (producerTail !== undefined) this.#tail = { ...producerTail, producerId };
  }

  isPrepared(epoch: number): boolean {
    return this.#producerIds.has(eraOf(epoch));
  }

  /** Allocates a producer id where the journal has none for this epoch. */
  async prepare(epoch: number): Promise<void> {
    if (this.isPrepared(epoch)) return;
    this.#producerIds.set(eraOf(epoch), await this.#allocate());
  }

  /** For the next `count` records of the epoch. Prepared before. */
  take(epoch: number, count: number): BatchIdentity {
    const producerId = this.#producerIds.get(eraOf(epoch));
    if (producerId === undefined) throw new Error(`No producer id for epoch ${epoch}.`);
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#nextSequence = this.#firstSequence(producerId, epoch);
    }
    const sequence = this.#nextSequence;
    this.#nextSequence = (sequence + count) % 2 ** 31;
    return { producerId, producerEpoch: producerEpochOf(epoch), sequence };
  }

  /**
   * 0, but where the log holds records of the same epoch: void ones, too. Had an opening that was
   * overtaken used up the 0, every later one of the same epoch would be taken for its repetition.
   */
  #firstSequence(producerId: bigint, epoch: number): number {
    const tail = this.#tail;
    const isOf = tail?.producerId === producerId && tail.producerEpoch === producerEpochOf(epoch);
    return isOf ? tail.nextSequence : 0;
  }
}

function eraOf(epoch: number): number {
  return Math.floor(epoch / EPOCHS_PER_PRODUCER);
}

function producerEpochOf(epoch: number): number {
  return epoch % EPOCHS_PER_PRODUCER;
}
