// SHA-256 of chunks in a thread of its own: 2 MiB take one to three milliseconds, which payments
// need not wait for. A chunk's memory is handed over and comes back; nothing is copied.

import { Worker } from 'node:worker_threads';

/** A digest, and the memory that was handed over. */
export type HashedChunk = {
  /** 64 hex digits. */
  readonly digest: string;
  readonly memory: ArrayBuffer;
};

export interface ChunkHasher {
  /** Of the first `bytes` bytes. `memory` may not be touched until it comes back. */
  hash(memory: ArrayBuffer, bytes: number): Promise<HashedChunk>;
  /** What is under way rejects. Idempotent. */
  close(): Promise<void>;
}

/** What the thread is asked, and what it answers: one answer for each question, in order. */
export type HashQuestion = { readonly memory: ArrayBuffer; readonly bytes: number };

// Both as sources and as compiled files: nobody rewrites the address of a thread.
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './chunk-hasher-thread.ts' : './chunk-hasher-thread.js',
  import.meta.url,
);

export function createChunkHasher(): ChunkHasher {
  return new ThreadHasher();
}

class ThreadHasher implements ChunkHasher {
  readonly #worker = new Worker(THREAD);
  readonly #waiting: PromiseWithResolvers<HashedChunk>[] = [];
  #failure: Error | undefined;

  constructor() {
    this.#worker.on('message', (answer: HashedChunk) => this.#waiting.shift()?.resolve(answer));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('the hashing thread has ended')));
  }

  hash(memory: ArrayBuffer, bytes: number): Promise<HashedChunk> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const waiting = Promise.withResolvers<HashedChunk>();
    this.#waiting.push(waiting);
    const question: HashQuestion = { memory, bytes };
    this.#worker.postMessage(question, [memory]);
    return waiting.promise;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}
