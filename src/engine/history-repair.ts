// Starts the thread that reads the journal again for the history, and waits for it.

import { Worker } from 'node:worker_threads';
import type { Repair, RepairJob, RepairResult } from '../history/repair.ts';

/** How the thread gets a journal of its own, to read. */
export type JournalModule = {
  /** A module whose `createJournal(options)` makes one, or promises to. */
  readonly url: string;
  /** Plain data: it is handed to the thread. */
  readonly options: { readonly [name: string]: unknown };
};

export type RepairSetup = { readonly journal: JournalModule; readonly job: RepairJob };

export function startRepair(journal: JournalModule, job: RepairJob): Repair {
  // In the published package this file and its neighbours are JavaScript.
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const url = new URL(`./history-repair-thread${ending}`, import.meta.url);
  const workerData: RepairSetup = { journal, job };
  const worker = new Worker(url, { workerData });
  const { promise, resolve } = Promise.withResolvers<RepairResult>();
  const failed = (why: string): void => resolve({ kind: 'failed', why, forGood: false });
  worker.on('message', (result: RepairResult) => resolve(result));
  worker.on('error', (error: Error) => failed(error.message));
  worker.on('exit', () => failed('the thread that reads the journal again ended'));
  return {
    result: promise,
    stop: async () => {
      await worker.terminate();
    },
  };
}
