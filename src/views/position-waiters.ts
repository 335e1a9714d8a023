// Who waits until the views hold a position.

import { OperationalError } from '../base/errors.ts';
import type { ViewsStatus } from './contract.ts';

type Waiter = { readonly position: number; readonly resolve: () => void };

export class PositionWaiters {
  readonly #waiters = new Set<Waiter>();

  /** The views have come as far as this. */
  look({ position, isComplete }: ViewsStatus): void {
    if (!isComplete) return;
    for (const waiter of this.#waiters) if (waiter.position <= position) waiter.resolve();
  }

  /** Rejects with VIEWS_INCOMPLETE when `signal` aborts first. */
  async until(position: number, status: () => ViewsStatus, signal: AbortSignal): Promise<void> {
    const isThere = (): boolean => status().isComplete && status().position >= position;
    if (isThere()) return;
    if (!signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#waiters.delete(waiter);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const waiter = { position, resolve: done };
        this.#waiters.add(waiter);
        signal.addEventListener('abort', done);
      });
    }
    if (isThere()) return;
    const { position: reached, reason } = status();
    const detail = reason ?? `Position ${position} was asked for; the views hold ${reached}.`;
    throw new OperationalError('VIEWS_INCOMPLETE', { detail });
  }
}
