// One closed-loop client that sends batches: the next request when the last is answered, one under
// way. While it waits it writes the next request, in slices, so that the one on its way is not
// held up.

import { setImmediate as turn } from 'node:timers/promises';
import { TRANSFERS_PER_REQUEST_MAX } from '../../../src/base/limits.ts';
import { TRANSFER_BYTES } from '../../../src/base/transfer-record.ts';
import type { BinaryClient } from '../../../src/client/binary-client.ts';
import { BooksWrong } from './failures.ts';
import { Samples } from './samples.ts';
import { AMOUNT_MEAN, TransferStream } from './transfer-stream.ts';

const SLICE = 512;

export type BatchLoadOptions = {
  readonly client: BinaryClient;
  readonly stream: TransferStream;
  readonly transfers: number;
  /** Requests under way at once; 1. With more their order is open, so no holds then. */
  readonly depth?: number;
  /** Called once, when so many transfers are acknowledged. */
  readonly mark?: { readonly transfers: number; readonly reached: () => void };
};

export type BatchLoad = {
  readonly seconds: number;
  readonly latenciesMs: Samples;
  /** Transfers acknowledged at the mark, and when. */
  readonly markTransfers: number | null;
  readonly markSeconds: number | null;
  /** Of the last entry. */
  readonly position: number;
};

export async function runBatches(options: BatchLoadOptions): Promise<BatchLoad> {
  const run = new BatchRun(options);
  await Promise.all(Array.from({ length: options.depth ?? 1 }, () => run.loop()));
  const seconds = run.seconds;
  const { latenciesMs, markTransfers, markSeconds, position } = run;
  return { seconds, latenciesMs, markTransfers, markSeconds, position };
}

/** What the loops of one load share. */
class BatchRun {
  readonly #options: BatchLoadOptions;
  readonly #batches: Batches;
  readonly latenciesMs = new Samples();
  markTransfers: number | null = null;
  markSeconds: number | null = null;
  position = 0;
  #acknowledged = 0;
  /** When the first request was sent. */
  #startedMs = 0;

  constructor(options: BatchLoadOptions) {
    this.#options = options;
    this.#batches = new Batches(options.stream, options.transfers);
  }

  get seconds(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }

  /** One request under way, and one that is written meanwhile, until there is none any more. */
  async loop(): Promise<void> {
    const buffers = [roomForBatch(), roomForBatch()] as const;
    let next = await this.#batches.make(buffers[0]);
    for (let made = 1; next.byteLength > 0; made++) {
      const sent = next;
      const sentMs = performance.now();
      this.#startedMs ||= sentMs;
      const answered = this.#options.client.transfers.createBatch(sent).then((answer) => {
        this.latenciesMs.add(performance.now() - sentMs);
        return answer;
      });
      // A failure of the request is awaited below, after the next one has been made.
      answered.catch(() => undefined);
      next = await this.#batches.make(buffers[made % 2]!);
      const { refused, position } = await answered;
      if (refused.length > 0) throw new BooksWrong(`a transfer was refused: ${refused[0]?.code}`);
      this.position = Math.max(this.position, position);
      this.#acknowledge(sent.byteLength / TRANSFER_BYTES);
    }
  }

  #acknowledge(transfers: number): void {
    const { mark } = this.#options;
    this.#acknowledged += transfers;
    if (mark === undefined || this.markSeconds !== null) return;
    if (this.#acknowledged < mark.transfers) return;
    this.markTransfers = this.#acknowledged;
    this.markSeconds = this.seconds;
    mark.reached();
  }
}

/** The requests of all loops, in the order of the stream. */
class Batches {
  readonly #stream: TransferStream;
  #left: number;

  constructor(stream: TransferStream, transfers: number) {
    this.#stream = stream;
    this.#left = transfers;
  }

  /** The next request, written into `buffer`; empty when there is none. */
  async make(buffer: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    const count = Math.min(TRANSFERS_PER_REQUEST_MAX, this.#left);
    this.#left -= count;
    const view = new DataView(buffer.buffer);
    for (let first = 0; first < count; first += SLICE) {
      await turn();
      const end = Math.min(count, first + SLICE);
      buffer.fill(0, first * TRANSFER_BYTES, end * TRANSFER_BYTES);
      this.#stream.write(view, first, end);
    }
    return buffer.subarray(0, count * TRANSFER_BYTES);
  }
}

function roomForBatch(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(TRANSFERS_PER_REQUEST_MAX * TRANSFER_BYTES);
}

/** The plain load of the workloads that need a history: accounts taken alike. */
export async function loadUniform(options: {
  readonly client: BinaryClient;
  readonly accounts: number;
  readonly transfers: number;
}): Promise<{ readonly stream: TransferStream; readonly load: BatchLoad }> {
  const { client, accounts, transfers } = options;
  const distribution = 'uniform';
  const stream = new TransferStream({ accounts, distribution, amountMean: AMOUNT_MEAN, transfers });
  return { stream, load: await runBatches({ client, stream, transfers }) };
}
