// Whether the engine of the journal answers this node, and since when not. It is told by whoever
// reads or appends; told on it is once for an outage and not once for each attempt. Reading and
// appending are apart: an engine without a majority can often be read.

import { OperationalError } from '../base/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { JournalFigures } from './contract.ts';

export type JournalPresenceOptions = {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** An outage begins (or shows another side), or is over after so many seconds. */
  readonly onChange: (error: OperationalError | undefined, awaySeconds: number) => void;
};

export class JournalPresence {
  readonly #options: JournalPresenceOptions;
  #reading: OperationalError | undefined;
  #writing: OperationalError | undefined;
  #told: OperationalError | undefined;
  #sinceMs = 0;
  #secondsBefore = 0;
  #outages = 0;

  constructor(options: JournalPresenceOptions) {
    this.#options = options;
  }

  /** Why it cannot be used; undefined = it can, as far as is known. */
  get error(): OperationalError | undefined {
    return this.#reading ?? this.#writing;
  }

  get isReadable(): boolean {
    return this.#reading === undefined;
  }

  get figures(): JournalFigures {
    const { error } = this;
    const nowSeconds = this.#nowSeconds();
    return {
      error,
      awaySeconds: nowSeconds,
      awaySecondsTotal: this.#secondsBefore + nowSeconds,
      outages: this.#outages,
    };
  }

  cannotRead(error: OperationalError): void {
    this.#reading = asAbsence(error);
    this.#look();
  }

  cannotWrite(error: OperationalError): void {
    this.#writing = asAbsence(error);
    this.#look();
  }

  canRead(): void {
    if (this.#reading === undefined) return;
    this.#reading = undefined;
    this.#look();
  }

  /** Appended here, or somebody else leads who can. */
  canWrite(): void {
    if (this.#writing === undefined) return;
    this.#writing = undefined;
    this.#look();
  }

  #nowSeconds(): number {
    if (this.#told === undefined) return 0;
    return (this.#options.clock.monotonicMs() - this.#sinceMs) / 1000;
  }

  #look(): void {
    const { error } = this;
    const before = this.#told;
    if (before?.code === error?.code) return;
    const awaySeconds = this.#nowSeconds();
    if (before === undefined) {
      this.#outages += 1;
      this.#sinceMs = this.#options.clock.monotonicMs();
    }
    if (error === undefined) this.#secondsBefore += awaySeconds;
    this.#told = error;
    this.#options.onChange(error, awaySeconds);
  }
}

/** Whatever an append became: that the engine does not answer is one kind of news. */
function asAbsence(error: OperationalError): OperationalError {
  if (error.code === 'JOURNAL_UNAVAILABLE' || error.code === 'JOURNAL_UNSAFE') return error;
  const { detail, wayOut } = error;
  return new OperationalError('JOURNAL_UNAVAILABLE', { detail, wayOut, cause: error });
}
