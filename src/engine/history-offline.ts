// The history of a node that is not running, or is: what there is, whether every byte of it is as
// it was written, and making all of it again from the journal.

import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { OperationalError } from '../base/errors.ts';
import { faultOf, historyDigest, loadCatalog, writeCatalog } from '../history/catalog.ts';
import { syncFolder } from '../history/files.ts';
import { RUN_TRANSFERS } from '../history/layout.ts';
import { loadTail } from '../history/tail-file.ts';
import type { Journal } from '../ports/journal.ts';
import { replayForHistory } from './history-replay.ts';

export type HistorySurvey = {
  readonly folder: string;
  readonly runs: number;
  /** In runs and in the tail file. */
  readonly transfers: number;
  readonly bytes: number;
  /** Chained digest of the first `digestRuns` runs. */
  readonly digestRuns: number;
  readonly digest: string;
  /** Sentences: what is missing or not as it was written. */
  readonly faults: readonly string[];
};

const MAX_NS = 0xffff_ffff_ffff_ffffn;

/** `isThorough`: reads every byte; otherwise looks at the files' names and lengths. */
export function surveyHistory(
  folder: string,
  options: { readonly isThorough: boolean; readonly runTransfers?: number },
): HistorySurvey {
  const { isThorough, runTransfers = RUN_TRANSFERS } = options;
  const { entries, damaged, notes } = loadCatalog(folder, runTransfers, true);
  const faults = [...notes, ...[...damaged.values()].map((why) => `${why}.`)];
  const sorted = [...entries.values()].sort((a, b) => a.run - b.run);
  const end = (sorted.at(-1)?.run ?? -1) + 1;
  for (let run = 0; run < end; run++) {
    if (!entries.has(run)) faults.push(`Run ${run} is missing.`);
  }
  for (const entry of isThorough ? sorted : []) {
    const fault = damaged.has(entry.run) ? undefined : faultOf(folder, entry);
    if (fault !== undefined) faults.push(`${fault}.`);
  }
  let bytes = 0;
  for (const name of readdirSync(folder)) bytes += statSync(join(folder, name)).size;
  const tail = loadTail(folder, end, runTransfers)?.state.count ?? 0;
  const { runs: digestRuns, digest } = historyDigest(entries);
  const transfers = entries.size * runTransfers + tail;
  return { folder, runs: entries.size, transfers, bytes, digestRuns, digest, faults };
}

/**
 * Makes the history anew beside the old one, and then puts it in its place. `journal` must be open,
 * and nobody else may write to the folder. Young transfers get no run: the node takes them in when
 * it starts.
 */
export async function rebuildHistory(
  folder: string,
  journal: Journal,
  options: { readonly signal: AbortSignal; readonly runTransfers?: number },
): Promise<HistorySurvey> {
  const { signal, runTransfers: size = RUN_TRANSFERS } = options;
  const made = `${folder}.rebuilding`;
  const old = `${folder}.old`;
  for (const path of [made, old]) rmSync(path, { recursive: true, force: true });
  mkdirSync(made, { mode: 0o700, recursive: true });
  const job = { folder: made, size, wanted: 'all', fill: undefined, beforeNs: MAX_NS } as const;
  const result = await replayForHistory(journal, job, signal);
  if (result.kind === 'failed') {
    rmSync(made, { recursive: true, force: true });
    throw new OperationalError('HISTORY_INCOMPLETE', {
      detail: `The history cannot be made anew: ${result.why}.`,
      wayOut: 'The one that was there is as it was.',
    });
  }
  writeCatalog(made, size, new Map(result.entries.map((entry) => [entry.run, entry])));
  mkdirSync(folder, { recursive: true });
  renameSync(folder, old);
  renameSync(made, folder);
  syncFolder(dirname(folder));
  rmSync(old, { recursive: true, force: true });
  return surveyHistory(folder, { isThorough: true, runTransfers: size });
}
