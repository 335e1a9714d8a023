// A thread of the history, seen from the payments' thread: its start, its messages, its end. A
// thread that ends by itself is told to whoever made it, who starts another.

import { Worker } from 'node:worker_threads';

export type ThreadLinkOptions<From> = {
  /** Without its ending, beside this file. */
  readonly name: string;
  readonly data: unknown;
  readonly onMessage: (message: From) => void;
  /** It ended and nobody had asked it to. */
  readonly onDeath: (error: Error) => void;
};

export class ThreadLink<To, From> {
  readonly #worker: Worker;
  readonly ended: Promise<void>;
  #closing = false;

  constructor({ name, data, onMessage, onDeath }: ThreadLinkOptions<From>) {
    // In the published package this file and its neighbours are JavaScript.
    const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    this.#worker = new Worker(new URL(`./${name}${ending}`, import.meta.url), { workerData: data });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    let failure: Error | undefined;
    this.#worker.on('message', (message: From) => {
      if (!this.#closing) onMessage(message);
    });
    this.#worker.on('error', (error: Error) => {
      failure = error;
    });
    this.#worker.on('exit', () => {
      resolve();
      if (!this.#closing) onDeath(failure ?? new Error(`the thread ${name} ended`));
    });
  }

  say(message: To): void {
    this.#worker.postMessage(message);
  }

  /** Its messages count for nothing from now on; what it is doing is cut short. */
  async terminate(): Promise<void> {
    this.#closing = true;
    await this.#worker.terminate();
  }
}
