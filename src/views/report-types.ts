// Questions to the views and their answers. Amounts are minor units; days are UTC, counted from
// 1970; every answer says which state of the books it is of.

import type { LedgerDefinition } from '../domain/queries.ts';

export type ReportQuestion =
  | { readonly kind: 'trial-balance' }
  | {
      readonly kind: 'statement';
      /** As the API shows it. */
      readonly account: string;
      /** First and last moment, both included. */
      readonly fromNs: bigint;
      readonly throughNs: bigint;
      /** Movements of one answer. */
      readonly limit: number;
      /** `next` of the answer before: a transfer's number; goes on behind it. */
      readonly after: number | undefined;
    }
  | {
      readonly kind: 'daily-totals';
      readonly fromDay: number;
      readonly throughDay: number;
      /** Undefined = all. */
      readonly ledger: number | undefined;
      readonly limit: number;
      /** Place of the last row of the answer before. */
      readonly after: { readonly day: number; readonly ledger: number } | undefined;
    };

/** The books that an answer is of. */
export type ReportedAt = { readonly position: number; readonly timeNs: bigint };

export type PostedSums = { readonly debitsPosted: bigint; readonly creditsPosted: bigint };
export type FourSums = PostedSums & {
  readonly debitsPending: bigint;
  readonly creditsPending: bigint;
};

export type TrialBalance = ReportedAt & {
  readonly kind: 'trial-balance';
  readonly ledgers: readonly (LedgerDefinition &
    FourSums & {
      readonly accounts: number;
      /** By code of the accounts. */
      readonly codes: readonly (FourSums & {
        readonly code: number;
        readonly accounts: number;
      })[];
    })[];
};

export type StatementLine = {
  readonly number: number;
  readonly transfer: string;
  /** A transfer, or a hold that was posted. */
  readonly movement: 'transfer' | 'post';
  readonly side: 'debit' | 'credit';
  readonly contraAccount: string;
  readonly amount: bigint;
  readonly code: number;
  /** 32 hex digits. */
  readonly userData128: string;
  readonly timestampNs: bigint;
};

export type Statement = ReportedAt & {
  readonly kind: 'statement';
  readonly account: string;
  readonly ledger: LedgerDefinition;
  readonly opening: PostedSums;
  readonly closing: PostedSums;
  readonly lines: readonly StatementLine[];
  readonly next: number | undefined;
};

export type DailyTotals = ReportedAt & {
  readonly kind: 'daily-totals';
  readonly days: readonly (LedgerDefinition & {
    readonly day: number;
    readonly transfers: number;
    readonly transferred: bigint;
    readonly holds: number;
    readonly held: bigint;
    readonly posts: number;
    readonly posted: bigint;
    readonly voids: number;
  })[];
  readonly next: { readonly day: number; readonly ledger: number } | undefined;
};

/** `absent`: nobody opened the account. */
export type ReportAnswer =
  | TrialBalance
  | Statement
  | DailyTotals
  | (ReportedAt & { readonly kind: 'absent' });
