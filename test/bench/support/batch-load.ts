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
  const { client, transfers, mark } = options;
  const latenciesMs = new Samples();
  const batches = new Batches(options.stream, transfers);
  let markTransfers: number | null = null;
  let markSeconds: number | null = null;
  let acknowledged = 0;
  let position = 0;
  let next = await batches.make();
  const startedMs = performance.now();
  while (next.byteLength > 0) {
    const sentMs = performance.now();
    const sent = next;
    const answered = client.transfers.createBatch(sent).then((answer) => {
      latenciesMs.add(performance.now() - sentMs);
      return answer;
    });
    // A failure of the request is awaited below, after the next one has been made.
    answered.catch(() => undefined);
    next = await batches.make();
    const { refused, ...answer } = await answered;
    if (refused.length > 0) throw new BooksWrong(`a transfer was refused: ${refused[0]?.code}`);
    acknowledged += sent.byteLength / TRANSFER_BYTES;
    position = answer.position;
    if (mark !== undefined && markSeconds === null && acknowledged >= mark.transfers) {
      markTransfers = acknowledged;
      markSeconds = (performance.now() - startedMs) / 1000;
      mark.reached();
    }
  }
  const seconds = (performance.now() - startedMs) / 1000;
  return { seconds, latenciesMs, markTransfers, markSeconds, position };
}

/** Requests, written by turns into two buffers: one is on its way while the other is made. */
class Batches {
  readonly #stream: TransferStream;
  readonly #buffers = [roomForBatch(), roomForBatch()];
  #left: number;
  #made = 0;

  constructor(stream: TransferStream, transfers: number) {
    this.#stream = stream;
    this.#left = transfers;
  }

  /** The next request; empty when there is none. */
  async make(): Promise<Uint8Array> {
    const buffer = this.#buffers[this.#made++ % 2]!;
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
