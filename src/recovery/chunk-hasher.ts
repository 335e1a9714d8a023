// SHA-256 of chunks in a thread of its own: 2 MiB take one to three milliseconds, which payments
// need not wait for. The thread reads a chunk where it lies, in shared memory: what is handed from
// one thread to the other counts as new garbage each time, and V8 collects everything for it.

import { Worker } from 'node:worker_threads';

export interface ChunkHasher {
  /** 64 hex digits, of the first `bytes` bytes. Nobody may write to them until it has answered. */
  hash(memory: SharedArrayBuffer, bytes: number): Promise<string>;
  /** What is under way rejects. Idempotent. */
  close(): Promise<void>;
}

/** What the thread is asked, and what it answers: one answer for each question, in order. */
export type HashQuestion = { readonly memory: SharedArrayBuffer; readonly bytes: number };

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
  readonly #waiting: PromiseWithResolvers<string>[] = [];
  #failure: Error | undefined;

  constructor() {
    this.#worker.on('message', (digest: string) => this.#waiting.shift()?.resolve(digest));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('the hashing thread has ended')));
  }

  hash(memory: SharedArrayBuffer, bytes: number): Promise<string> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const waiting = Promise.withResolvers<string>();
    this.#waiting.push(waiting);
    const question: HashQuestion = { memory, bytes };
    this.#worker.postMessage(question);
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
