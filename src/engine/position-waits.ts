// Who waits until the books here hold a position: readers that were told of it elsewhere.

import { OperationalError } from '../base/errors.ts';

type Wait = { readonly position: number; readonly resolve: () => void };

export class PositionWaits {
  readonly #waits = new Set<Wait>();

  /** The books hold everything through `position`. */
  applied(position: number): void {
    if (this.#waits.size === 0) return;
    for (const wait of this.#waits) if (wait.position <= position) wait.resolve();
  }

  /** Rejects with CATCH_UP_TIMEOUT when `signal` aborts first. `now`: what is applied already. */
  async until(position: number, now: () => number, signal: AbortSignal): Promise<void> {
    if (position <= now()) return;
    if (!signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#waits.delete(wait);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const wait = { position, resolve: done };
        this.#waits.add(wait);
        signal.addEventListener('abort', done);
      });
    }
    if (position > now()) throw notInTime(position, now());
  }
}

export function notInTime(position: number, applied: number): OperationalError {
  return new OperationalError('CATCH_UP_TIMEOUT', {
    detail: `Position ${position} was asked for; this node has applied ${applied}.`,
    wayOut: 'Read again, or at another node.',
  });
}
