// What the payments' thread and the thread that writes the views say to each other. One batch is
// under way at a time: the views are fed as fast as they are written, and no faster.

import type { LedgerDefinition } from '../domain/queries.ts';
import type { ReportAnswer, ReportQuestion } from './report-types.ts';

/** The books after an entry: a view that has come here is the books at this position. */
export type Mark = {
  readonly position: number;
  /** Transfers accepted, accounts opened and ledgers defined so far. */
  readonly transfers: number;
  readonly accounts: number;
  readonly ledgers: number;
  /** The last timestamp that was used. */
  readonly timeNs: bigint;
};

export type Batch = {
  /** Ledgers, accounts and transfers that follow those before, in the order of their numbers. */
  readonly ledgers: readonly LedgerDefinition[];
  /** 32 words each, as the ledger's table has them (domain/ledger/account-table.ts). */
  readonly accounts: Uint32Array<ArrayBuffer>;
  /** 128 bytes each (base/transfer-record.ts). */
  readonly records: Uint8Array<ArrayBuffer>;
  /** What has been reached by it; undefined = a place between two entries. */
  readonly mark: Mark | undefined;
};

/**
 * The last transfer or account. The time belongs to it: what a journal has lost is sent again under
 * the same id, and may be of another amount.
 */
export type Last = {
  /** As the API shows it; '' = none. */
  readonly id: string;
  readonly timestampNs: bigint;
};

/** How far a view has come. */
export type Standing = {
  readonly transfers: number;
  readonly accounts: number;
  readonly ledgers: number;
  /** The last position that is in it as a whole. */
  readonly position: number;
  /** Time of that position. */
  readonly timeNs: bigint;
  /** It is the books at `position`; false while it is built or catching up from old times. */
  readonly isComplete: boolean;
  readonly lastTransfer: Last;
  readonly lastAccount: Last;
};

/** Whose books they are. */
export type Identity = {
  /** 32 hex digits. */
  readonly clusterId: string;
  readonly timeline: number;
};

/** How a thread of the views gets at its store. */
export type StoreModule = {
  /** A module with `createViewStore(schema, options)`. */
  readonly url: string;
  readonly options: { readonly [name: string]: unknown };
};

export type ThreadSetup = { readonly store: StoreModule; readonly identity: Identity };

export type ToWriter =
  | { readonly kind: 'batch'; readonly batch: Batch }
  /** Again, after a failure. */
  | { readonly kind: 'open' }
  /** Begin with nothing. */
  | { readonly kind: 'reset' };

export type FromWriter =
  | { readonly kind: 'opened'; readonly standing: Standing; readonly notes: readonly string[] }
  | {
      readonly kind: 'written';
      readonly standing: Standing;
      readonly rows: number;
      readonly durationMs: number;
    }
  | { readonly kind: 'reset'; readonly standing: Standing }
  /** `isDamaged`: what is there cannot be used. Otherwise it can be tried again. */
  | { readonly kind: 'failed'; readonly why: string; readonly isDamaged: boolean };

export type ToReporter = { readonly id: number; readonly question: ReportQuestion };

export type FromReporter =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: ReportAnswer }
  | { readonly kind: 'none'; readonly id: number; readonly why: string };
