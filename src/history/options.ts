// What a history of the journal is made with.

import type { StartRepair } from './repair.ts';

/** A disk that does not answer for so long at the start: the payments begin without the history. */
export const OPEN_MS_MAX = 60_000;

export type HistoryOptions = {
  readonly folder: string;
  readonly log: (level: 'info' | 'warning', text: string) => void;
  /** Reads the journal again; undefined = what is missing stays missing. */
  readonly startRepair?: StartRepair | undefined;
  /** How long `open` waits for the files. */
  readonly openMsMax?: number | undefined;
  /** Transfers of a run; a folder has one size for all. */
  readonly runTransfers?: number | undefined;
  /** Transfers that chunks in memory may hold. */
  readonly poolTransfers?: number | undefined;
};
