// The history of a data folder without a node: looked at, or made again from the journal.

import { join } from 'node:path';
import { pathsOf } from '../config/config.ts';
import { JOURNAL_DRIVERS } from '../drivers/index.ts';
import { type HistorySurvey, rebuildHistory, surveyHistory } from '../engine/history-offline.ts';

export type { HistorySurvey } from '../engine/history-offline.ts';

/** What there is of the history of a node; `isThorough`: every byte of it is read. */
export function lookAtHistory(nodeFolder: string, isThorough: boolean): HistorySurvey {
  return surveyHistory(join(nodeFolder, 'history'), { isThorough });
}

export type Remaking = {
  readonly dataFolder: string;
  /** Whose history it is: the data folder itself, or `nodes/<name>` in it. */
  readonly nodeFolder: string;
  /** Where else the journal is, a comma between two. */
  readonly directories: string;
};

/** Makes it again from the journal; JOURNAL_LOCKED while a node runs. */
export async function remakeHistory(remaking: Remaking): Promise<HistorySurvey> {
  const { dataFolder, nodeFolder, directories } = remaking;
  const createJournal = await JOURNAL_DRIVERS.file();
  const directory = join(dataFolder, 'journal');
  const journal = createJournal({ directory, directories: pathsOf(directories) });
  const { signal } = new AbortController();
  try {
    await journal.open({ mode: 'write', signal });
    return await rebuildHistory(join(nodeFolder, 'history'), journal, { signal });
  } finally {
    await journal.close();
  }
}
