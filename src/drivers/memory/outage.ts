// A hook of the memory driver: the engine behind the log is away, for everybody or for one node.
// Opening and reading reject, and appends wait for its return or get lost on the way.

import { OperationalError } from '../../base/errors.ts';

/**
 * What becomes of an append meanwhile: it waits and then succeeds; it gets lost; it is written and
 * only its answer gets lost.
 */
export type AppendsMeanwhile = 'wait' | 'unknown' | 'unanswered';

export type OutageOptions = {
  readonly appends?: AppendsMeanwhile;
  /** What opening and reading reject with; JOURNAL_UNAVAILABLE where it is left out. */
  readonly error?: () => OperationalError;
  /** The engine takes no appends, and can be read: opening for writing rejects, reading goes on. */
  readonly isReadable?: boolean;
};

export class Outage {
  #now: OutageOptions | undefined;
  #over = Promise.withResolvers<void>();
  readonly #listeners = new Set<() => void>();
  /** How often somebody tried in vain to open or to read. */
  refusals = 0;

  get isOn(): boolean {
    return this.#now !== undefined;
  }

  get appends(): AppendsMeanwhile {
    return this.#now?.appends ?? 'unknown';
  }

  begin(options: OutageOptions = {}): void {
    this.#now = options;
    for (const listener of this.#listeners) listener();
  }

  end(): void {
    this.#now = undefined;
    this.#over.resolve();
    this.#over = Promise.withResolvers();
  }

  /** Resolves when it ends, at once where there is none. */
  get untilOver(): Promise<void> {
    return this.isOn ? this.#over.promise : Promise.resolve();
  }

  /** What somebody hears who opens or reads now. */
  refusal(mode: 'write' | 'read'): OperationalError | undefined {
    if (this.#now === undefined) return undefined;
    if (mode === 'read' && this.#now.isReadable === true) return undefined;
    this.refusals += 1;
    return this.#now.error?.() ?? new OperationalError('JOURNAL_UNAVAILABLE');
  }

  /** Who waits at the end of the log hears that it begins. Returns what ends it. */
  onBegin(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
