// The history of a data folder without a node: looked at, or made again from the journal.

import { join } from 'node:path';
import { OperationalError } from '../base/errors.ts';
import { type HistorySurvey, rebuildHistory, surveyHistory } from '../engine/history-offline.ts';
import { KernelLock } from '../drivers/local/kernel-lock.ts';
import { type JournalSettings, createJournal, describeJournal } from './journals.ts';

export type { HistorySurvey } from '../engine/history-offline.ts';

/** What there is of the history of a node; `isThorough`: every byte of it is read. */
export function lookAtHistory(nodeFolder: string, isThorough: boolean): HistorySurvey {
  return surveyHistory(join(nodeFolder, 'history'), { isThorough });
}

export type Remaking = {
  /** Whose history it is: the data folder itself, or `nodes/<name>` in it. */
  readonly nodeFolder: string;
  readonly journal: JournalSettings;
};

/**
 * Makes it again from the journal. JOURNAL_LOCKED while a node runs: any on a journal in files,
 * that very node where the journal is on an engine.
 */
export async function remakeHistory(remaking: Remaking): Promise<HistorySurvey> {
  const { nodeFolder } = remaking;
  const description = await describeJournal(remaking.journal);
  const isInFiles = description.driver === 'file';
  const lock = isInFiles ? undefined : lockNode(nodeFolder);
  const journal = await createJournal(description);
  const { signal } = new AbortController();
  try {
    await journal.open({ mode: isInFiles ? 'write' : 'read', signal });
    return await rebuildHistory(join(nodeFolder, 'history'), journal, { signal });
  } finally {
    await journal.close();
    lock?.release();
  }
}

/** As the node does (node-locks.ts): to open the journal for writing would depose a leader. */
function lockNode(nodeFolder: string): KernelLock {
  const lock = new KernelLock(join(nodeFolder, 'node.sqlite'));
  if (lock.tryTake()) return lock;
  throw new OperationalError('JOURNAL_LOCKED', {
    detail: `The node of ${nodeFolder} is running. Nothing was changed.`,
    wayOut: 'Stop it first.',
  });
}
