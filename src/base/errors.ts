// The second of the three kinds of failure: the outside fails (disk, engine, load, time). Input
// that the business refuses is a value (domain/refusals.ts); a bug is an assertion. HTTP statuses
// are not known here: api/status-map.ts gives them.

/**
 * Operational error codes. `retryable`: the same request with the same ids may be sent again and
 * can then succeed. `outcome` says what the caller may conclude about his money:
 * `not-executed` (nothing happened), `unknown` (ask again with the same ids), `none` (no request).
 */
export const OPERATIONAL_ERRORS = {
  JOURNAL_FENCED: {
    retryable: true,
    outcome: 'unknown',
    text: 'Another writer has opened a higher epoch; this writer may not append any more.',
  },
  JOURNAL_UNKNOWN_OUTCOME: {
    retryable: true,
    outcome: 'unknown',
    text: 'The append may or may not have become durable.',
  },
  JOURNAL_FULL: {
    retryable: true,
    outcome: 'not-executed',
    text: 'There is no room for the entry; nothing of it was written.',
  },
  JOURNAL_LOCKED: {
    retryable: true,
    outcome: 'none',
    text: 'Another process holds the write lock of this journal.',
  },
  JOURNAL_CORRUPT: {
    retryable: false,
    outcome: 'none',
    text: 'The journal holds bytes that no writer of it can have left there.',
  },
  JOURNAL_DIVERGED: {
    retryable: false,
    outcome: 'none',
    text: "This node's history is not the journal's history.",
  },
  JOURNAL_FAILED: {
    retryable: false,
    outcome: 'unknown',
    text: 'The storage failed in a way that cannot be retried (a failed sync is a crash).',
  },
  JOURNAL_UNAVAILABLE: {
    retryable: true,
    outcome: 'not-executed',
    text: 'The engine of the journal cannot be reached, or takes no appends now.',
  },
  JOURNAL_UNSAFE: {
    retryable: false,
    outcome: 'none',
    text: 'The engine of the journal is set up so that acknowledged payments could be lost.',
  },
  JOURNAL_CLOSED: {
    retryable: true,
    outcome: 'not-executed',
    text: 'The journal is closed.',
  },
  CLOCK_JUMPED: {
    retryable: true,
    outcome: 'not-executed',
    text: "The machine's clock jumped; nothing is numbered until it is right again.",
  },
  OVERLOADED: {
    retryable: true,
    outcome: 'not-executed',
    text: 'The queue of admitted commands is full; the request was not admitted.',
  },
  SHUTTING_DOWN: {
    retryable: true,
    outcome: 'not-executed',
    text: 'The node is draining; the request was not admitted.',
  },
  NOT_READY: {
    retryable: true,
    outcome: 'not-executed',
    text: 'The node is not serving yet; the request was not admitted.',
  },
  CATCH_UP_TIMEOUT: {
    retryable: true,
    outcome: 'none',
    text: 'This node has not got as far in the journal in time; nothing was read.',
  },
  SWITCHOVER_REFUSED: {
    retryable: true,
    outcome: 'none',
    text: 'The leadership cannot be handed over now; the leader goes on.',
  },
  HISTORY_INCOMPLETE: {
    retryable: true,
    outcome: 'none',
    text: 'A part of the history that the answer needs is missing on this node or being rebuilt.',
  },
  VIEWS_INCOMPLETE: {
    retryable: true,
    outcome: 'none',
    text: 'The views of this node are being built, or have not got as far as was asked for.',
  },
  VIEWS_UNUSABLE: {
    retryable: true,
    outcome: 'none',
    text: 'What the views are kept in is damaged; they are built again.',
  },
  CHECKPOINT_FAILED: {
    retryable: true,
    outcome: 'none',
    text: 'No checkpoint could be taken; payments are not concerned.',
  },
  CHECKPOINT_CORRUPT: {
    retryable: false,
    outcome: 'none',
    text: 'A checkpoint is damaged or incomplete, or belongs to another journal.',
  },
  OUTCOME_UNKNOWN: {
    retryable: true,
    outcome: 'unknown',
    text: 'The command was admitted but its outcome is not known; retry with the same ids.',
  },
  CONFIGURATION_INVALID: {
    retryable: false,
    outcome: 'none',
    text: 'The configuration cannot be used.',
  },
  DATA_FOLDER_UNUSABLE: {
    retryable: false,
    outcome: 'none',
    text: 'The data folder cannot be used.',
  },
} as const;

export type OperationalCode = keyof typeof OPERATIONAL_ERRORS;

export type OperationalOptions = {
  /** What happened, with names and positions. */
  readonly detail?: string;
  /** What the reader of the message can do. */
  readonly wayOut?: string;
  readonly cause?: unknown;
};

export class OperationalError extends Error {
  override readonly name = 'OperationalError';
  readonly code: OperationalCode;
  readonly detail: string;
  readonly wayOut: string;

  constructor(code: OperationalCode, options: OperationalOptions = {}) {
    const detail = options.detail ?? OPERATIONAL_ERRORS[code].text;
    const wayOut = options.wayOut ?? '';
    super(wayOut === '' ? `${code}: ${detail}` : `${code}: ${detail} ${wayOut}`, {
      cause: options.cause,
    });
    this.code = code;
    this.detail = detail;
    this.wayOut = wayOut;
  }

  get retryable(): boolean {
    return OPERATIONAL_ERRORS[this.code].retryable;
  }
}

export function isOperationalError(
  error: unknown,
  code?: OperationalCode,
): error is OperationalError {
  return error instanceof OperationalError && (code === undefined || error.code === code);
}
