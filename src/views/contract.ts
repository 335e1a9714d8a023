// What the rest of the house sees of the views: reports, how far they are, and what the node feeds
// them with. Views are derived from the ledger and the history: they can be thrown away and built
// again, and nothing waits for them.

import type { DomainState } from '../domain/domain.ts';
import type { Mark } from './messages.ts';
import type { ReportAnswer, ReportQuestion } from './report-types.ts';

export type ViewsStatus = {
  /** The last position that is in the views as a whole, and its time. */
  readonly position: number;
  readonly timeNs: bigint;
  /** False while they are built, or catching up from before the start of this node. */
  readonly isComplete: boolean;
  /** One sentence when they are not complete. */
  readonly reason: string | undefined;
  /** How many positions the node is ahead of them. */
  readonly lag: number;
  readonly transfers: number;
};

export interface Views {
  status(): ViewsStatus;

  /** Resolves when the views hold `position`; rejects with VIEWS_INCOMPLETE at `signal`. */
  until(position: number, signal: AbortSignal): Promise<void>;

  /** Rejects with VIEWS_INCOMPLETE while they are being built, or at `signal`. */
  report(question: ReportQuestion, signal: AbortSignal): Promise<ReportAnswer>;
}

/** What the views are fed from. */
export type ViewsSource = {
  readonly state: () => DomainState;
  /** Records of accepted transfers by their numbers; HISTORY_INCOMPLETE where some are missing. */
  readonly recordsFrom: (
    number: number,
    limit: number,
    signal: AbortSignal,
  ) => Promise<Uint8Array<ArrayBuffer>>;
};

/** What the node does with the views that it keeps. Nothing here throws or waits. */
export interface NodeViews extends Views {
  attach(source: ViewsSource): void;

  /** The books are at the end of the journal, or have been read from it again. */
  settle(mark: Mark): void;

  /** An entry has been applied. */
  applied(mark: Mark): void;

  /** Ends its threads; what is not written is fed again at the next start. Idempotent. */
  close(): Promise<void>;
}
