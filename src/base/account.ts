// Accounts as values: what callers see of them. The ledger keeps them in typed arrays.

/** Flag bits of an account. Bits not named here are reserved and refused. */
export const AccountFlag = {
  /** Refuse a transfer that would take debits (pending and posted) beyond posted credits. */
  debitsMustNotExceedCredits: 1 << 1,
  /** Refuse a transfer that would take credits (pending and posted) beyond posted debits. */
  creditsMustNotExceedDebits: 1 << 2,
} as const;

export const ACCOUNT_FLAGS_KNOWN = 0b110;

export type Account = {
  readonly id: bigint;
  readonly ledger: number;
  readonly code: number;
  readonly flags: number;
  readonly userData128: bigint;
  readonly userData64: bigint;
  readonly userData32: number;
  /** When it was opened: nanoseconds since 1970, unique and rising. */
  readonly timestampNs: bigint;
  readonly debitsPending: bigint;
  readonly debitsPosted: bigint;
  readonly creditsPending: bigint;
  readonly creditsPosted: bigint;
};
