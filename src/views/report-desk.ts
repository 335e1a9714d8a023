// Where reports are asked for on the payments' thread. The thread that answers is started by the
// first question: a node that nobody asks has none.

import { OperationalError } from '../base/errors.ts';
import type { FromReporter, StoreModule, ToReporter } from './messages.ts';
import type { ReportAnswer, ReportQuestion } from './report-types.ts';
import { ViewThread } from './thread.ts';

/** Questions under way; more are refused. */
const QUESTIONS_MAX = 64;

export class ReportDesk {
  readonly #store: StoreModule;
  readonly #asked = new Map<number, PromiseWithResolvers<ReportAnswer>>();
  #thread: ViewThread<ToReporter, FromReporter> | undefined;
  #last = 0;
  #isClosed = false;

  constructor(store: StoreModule) {
    this.#store = store;
  }

  /** Rejects with VIEWS_INCOMPLETE, or with OVERLOADED when too many ask or `signal` aborts. */
  async ask(question: ReportQuestion, signal: AbortSignal): Promise<ReportAnswer> {
    if (this.#isClosed) throw incomplete('The node is stopping.');
    if (this.#asked.size >= QUESTIONS_MAX || signal.aborted) throw tooMuch();
    this.#thread ??= this.#start();
    this.#last += 1;
    const id = this.#last;
    const asked = Promise.withResolvers<ReportAnswer>();
    this.#asked.set(id, asked);
    const abort = (): void => asked.reject(tooMuch());
    signal.addEventListener('abort', abort, { once: true });
    this.#thread.say({ id, question });
    try {
      return await asked.promise;
    } finally {
      signal.removeEventListener('abort', abort);
      this.#asked.delete(id);
    }
  }

  #start(): ViewThread<ToReporter, FromReporter> {
    return new ViewThread<ToReporter, FromReporter>('report-thread', this.#store, {
      message: (message) => {
        const asked = this.#asked.get(message.id);
        if (message.kind === 'answer') asked?.resolve(message.answer);
        else asked?.reject(incomplete(message.why));
      },
      death: (error) => {
        this.#thread = undefined;
        this.#rejectAll(error.message);
      },
    });
  }

  /** What it reads from has been replaced. */
  async restart(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    this.#rejectAll('They are being built.');
    await thread?.terminate();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.restart();
  }

  #rejectAll(why: string): void {
    for (const { reject } of this.#asked.values()) reject(incomplete(why));
  }
}

function incomplete(detail: string): OperationalError {
  return new OperationalError('VIEWS_INCOMPLETE', { detail });
}

function tooMuch(): OperationalError {
  const detail = 'The report was not made in time. Nothing was changed; ask again.';
  return new OperationalError('OVERLOADED', { detail });
}
