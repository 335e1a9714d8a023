// What a list of transfers or of accounts is asked with: the same fields at every door, in the
// books and in the history.

/** What its maker wrote into an account or a transfer, and when it was accepted. */
export type AccountFilter = {
  readonly userData128?: bigint | undefined;
  readonly userData64?: bigint | undefined;
  readonly userData32?: number | undefined;
  readonly code?: number | undefined;
  readonly ledger?: number | undefined;
  /** Bounds of the timestamp, nanoseconds, both inclusive. */
  readonly fromNs?: bigint | undefined;
  readonly untilNs?: bigint | undefined;
};

export type ListFilter = AccountFilter & {
  /**
   * Transfers only: debits or credits this account; with `side`, only that. An account nobody
   * opened has none.
   */
  readonly account?: bigint | undefined;
  readonly side?: 'debit' | 'credit' | undefined;
};

export type ListQuery = {
  readonly filter: ListFilter;
  readonly order: 'newest-first' | 'oldest-first';
  /** 1 to TRANSFERS_PER_REQUEST_MAX. */
  readonly limit: number;
  /** `next` of the page before: a number; the page begins behind it. */
  readonly after?: number | undefined;
};
