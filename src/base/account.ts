// Accounts as values: what callers see of them. The ledger keeps them in typed arrays.

/** Flag bits of an account. Bits not named here are reserved and refused. */
export const AccountFlag = {
  /** Refuse a transfer that would take debits (pending and posted) beyond posted credits. */
  debitsMustNotExceedCredits: 1 << 1,
  /** Refuse a transfer that would take credits (pending and posted) beyond posted debits. */
  creditsMustNotExceedDebits: 1 << 2,
  /** Opened with a timestamp of its own, by a migration from other books. */
  imported: 1 << 4,
  /** Set by a closing hold, taken off when that hold is voided or expires. Never asked for. */
  closed: 1 << 5,
  /** Set and taken off by `account_flags`. Never asked for. */
  frozen: 1 << 6,
} as const;

/** What may be asked for when an account is opened. */
export const ACCOUNT_FLAGS_KNOWN = 0b1_0110;

export type Account = {
  readonly id: bigint;
  readonly ledger: number;
  readonly code: number;
  readonly flags: number;
  readonly userData128: bigint;
  readonly userData64: bigint;
  readonly userData32: number;
  /** When it was opened (or the one it was imported with): nanoseconds since 1970, rising. */
  readonly timestampNs: bigint;
  readonly debitsPending: bigint;
  readonly debitsPosted: bigint;
  readonly creditsPending: bigint;
  readonly creditsPosted: bigint;
};
