// From a waiter to a promise and a signal, for callers who ask now and then and like to `await`.

import type { OperationalError } from '../base/errors.ts';
import type { Command } from '../domain/commands.ts';
import type { Engine, SubmitResult, Waiter } from './contract.ts';

/** `Engine.submit`, by `Engine.ask`. */
export function submitByAsking(
  engine: Pick<Engine, 'ask'>,
  command: Command,
  signal: AbortSignal,
): Promise<SubmitResult> {
  const { promise, resolve, reject } = Promise.withResolvers<SubmitResult>();
  const waiter = new PromisedWaiter(signal, resolve, reject);
  const asked = engine.ask(command, waiter);
  waiter.watch(() => asked.abandon());
  return promise;
}

class PromisedWaiter implements Waiter {
  readonly #signal: AbortSignal;
  readonly #resolve: (result: SubmitResult) => void;
  readonly #reject: (error: OperationalError) => void;
  #abandon: (() => void) | undefined;
  #isSettled = false;

  constructor(
    signal: AbortSignal,
    resolve: (result: SubmitResult) => void,
    reject: (error: OperationalError) => void,
  ) {
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Abandons when the signal says so; it may have said so already, or the answer be there. */
  watch(abandon: () => void): void {
    if (this.#isSettled) return;
    if (this.#signal.aborted) return abandon();
    this.#abandon = abandon;
    this.#signal.addEventListener('abort', abandon, { once: true });
  }

  accepted(result: SubmitResult): void {
    this.#forget();
    this.#resolve(result);
  }

  failed(error: OperationalError): void {
    this.#forget();
    this.#reject(error);
  }

  /** A signal that outlives its requests must not collect listeners. */
  #forget(): void {
    this.#isSettled = true;
    if (this.#abandon !== undefined) this.#signal.removeEventListener('abort', this.#abandon);
  }
}
