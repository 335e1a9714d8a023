// Replay: a journal that a node wrote is read, checked and applied through the same parts as in a
// node that starts without a checkpoint: file driver, digests of every entry, reader rule, replica,
// outcome digests.

import { join } from 'node:path';
import { assertBooksBalanceFully } from '../../../src/domain/domain.ts';
import { ledgerTotals } from '../../../src/domain/queries.ts';
import { createJournal } from '../../../src/drivers/file/driver.ts';
import { ReaderRule } from '../../../src/recovery/reader-rule.ts';
import { Replica } from '../../../src/recovery/replica.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { loadUniform } from '../support/batch-load.ts';
import { BenchNode, openAccounts } from '../support/bench-node.ts';
import { BooksWrong } from '../support/failures.ts';
import { bytesOnDisk } from '../support/process-figures.ts';
import { rounded } from '../support/samples.ts';
import { mebibytes, rate } from '../support/texts.ts';
import { LEDGER } from '../support/transfer-stream.ts';
import type { Report, Surroundings, Workload } from '../support/workload.ts';

const JOURNAL_FOLDER = 'journal';

export const replayWorkload: Workload = {
  name: 'replay',
  summary: 'a file journal read, checked and applied as a node does at its start',
  options: {
    transfers: { kind: 'count', fallback: 10_000_000, min: 1, text: 'transfers in the journal' },
    accounts: { kind: 'count', fallback: 10_000, min: 2, text: 'accounts, taken alike' },
  },
  run,
};

async function run({ settings, parentFolder, tell }: Surroundings): Promise<Report> {
  const transfers = settings.count('transfers');
  const accounts = settings.count('accounts');
  await using folder = await TemporaryFolder.make(parentFolder);
  tell('a node writes the journal');
  const amount = await writeJournal(folder.path, accounts, transfers);
  const directory = join(folder.path, JOURNAL_FOLDER);
  const journalBytes = await bytesOnDisk(directory);
  tell('reading it');
  const replayed = await replay(directory, amount);
  const replayPerSecond = Math.round(transfers / replayed.seconds);
  const cpuNsPerTransfer = Math.round((replayed.cpuSeconds / transfers) * 1e9);
  const openSeconds = rounded(replayed.openSeconds, 3);
  const seconds = rounded(replayed.seconds, 3);
  return {
    method: [
      `${accounts} accounts, ${transfers} posted transfers in requests of 8,189, written by a node before; the file is warm in memory.`,
      'Counted is reading with all digests checked, reader rule and replica (outcome digests included), in this process, through the same parts as in a node that starts. Opening, which finds and verifies the end, is told apart.',
      'No warm-up. Afterwards every account is added up and compared with what was sent.',
    ],
    figures: {
      transfers,
      accounts,
      replayPerSecond,
      seconds,
      openSeconds,
      cpuNsPerTransfer,
      journalBytes,
    },
    tables: [
      {
        title: 'replay',
        columns: ['transfers a second', 'seconds', 'opening', 'CPU a transfer', 'journal'],
        rows: [
          [
            rate(replayPerSecond),
            String(seconds),
            `${openSeconds} s`,
            `${cpuNsPerTransfer} ns`,
            mebibytes(journalBytes),
          ],
        ],
      },
    ],
    budgets: [
      { what: 'replayPerSecond', bound: 'above', limit: 2_000_000, figure: replayPerSecond },
    ],
  };
}

async function writeJournal(data: string, accounts: number, transfers: number): Promise<number> {
  await using node = await BenchNode.start({ data });
  await using client = node.binaryClient();
  await openAccounts(client, { count: accounts });
  const { stream } = await loadUniform({ client, accounts, transfers });
  await client.close();
  await node.end('SIGTERM');
  return stream.expected.amount;
}

async function replay(directory: string, amount: number) {
  const signal = new AbortController().signal;
  const journal = createJournal({ directory });
  const openedMs = performance.now();
  await journal.open({ mode: 'read', signal });
  const openSeconds = (performance.now() - openedMs) / 1000;
  const replica = new Replica();
  const rule = new ReaderRule({ kind: 'genesis' });
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  // The node took checkpoints: what lies before them was discarded, and stands apart.
  const kept = journal.read({ from: null, follow: false, signal });
  for (const part of [journal.readDiscarded(signal), kept]) {
    for await (const batch of part) {
      for (const stored of batch) {
        if (rule.decide(stored).kind === 'accept') replica.apply(stored.entry);
      }
    }
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  await journal.close();
  assertBooksBalanceFully(replica.state);
  const sums = ledgerTotals(replica.state).find(({ ledger }) => ledger === LEDGER);
  if (sums?.debitsPosted !== BigInt(amount) || sums.creditsPosted !== BigInt(amount)) {
    throw new BooksWrong(`replayed were ${sums?.debitsPosted}, sent were ${amount}`);
  }
  return { seconds, openSeconds, cpuSeconds: (user + system) / 1_000_000 };
}
