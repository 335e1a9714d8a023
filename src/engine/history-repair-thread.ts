// The thread that reads the journal again for the history, with a journal and a replica of its own:
// payments go on meanwhile.

import { parentPort, workerData } from 'node:worker_threads';
import { HASH_KEY_BYTES, seedIdHashes } from '../domain/ledger/id-hash.ts';
import type { Journal } from '../ports/journal.ts';
import type { RepairResult } from '../history/repair.ts';
import type { RepairSetup } from './history-repair.ts';
import { replayForHistory } from './history-replay.ts';

type JournalModule = {
  readonly createJournal: (options: unknown) => Journal | Promise<Journal>;
};

async function repair({ journal: module, job }: RepairSetup): Promise<RepairResult> {
  const driver = (await import(module.url)) as JournalModule;
  const journal = await driver.createJournal(module.options);
  const { signal } = new AbortController();
  try {
    await journal.open({ mode: 'read', signal });
    return await replayForHistory(journal, job, signal);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { kind: 'failed', why, forGood: false };
  } finally {
    await journal.close();
  }
}

if (parentPort !== null) {
  seedIdHashes(crypto.getRandomValues(new Uint8Array(HASH_KEY_BYTES)));
  const result = await repair(workerData as RepairSetup);
  parentPort.postMessage(result);
}
