// A thread of the views, seen from the payments' thread: one question at a time has an answer, and
// a thread that ends by itself lets whoever waits know.

import { Worker } from 'node:worker_threads';

export class ViewThread<To, From> {
  readonly #worker: Worker;
  readonly #onMessage: (message: From) => void;
  readonly ended: Promise<void>;
  #isClosing = false;

  /** `name`: of a file beside this one, without its ending. */
  constructor(
    name: string,
    data: unknown,
    events: {
      readonly message: (message: From) => void;
      /** It ended and nobody had asked it to. */
      readonly death: (error: Error) => void;
    },
  ) {
    // In the published package this file and its neighbours are JavaScript.
    const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    this.#worker = new Worker(new URL(`./${name}${ending}`, import.meta.url), { workerData: data });
    this.#onMessage = events.message;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    let failure: Error | undefined;
    this.#worker.on('message', (message: From) => {
      if (!this.#isClosing) this.#onMessage(message);
    });
    this.#worker.on('error', (error: Error) => {
      failure = error;
    });
    this.#worker.on('exit', () => {
      resolve();
      if (!this.#isClosing) events.death(failure ?? new Error(`the thread ${name} ended`));
    });
  }

  /** What is in `transfer` is the thread's afterwards. */
  say(message: To, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, [...transfer]);
  }

  /** Its messages count for nothing from now on; what it is doing is cut short. */
  async terminate(): Promise<void> {
    this.#isClosing = true;
    await this.#worker.terminate();
  }
}
