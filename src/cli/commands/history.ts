// `holdfast history status|verify|rebuild`: offline, on the data folder.

import type { Command } from 'commander';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { HistorySurvey } from '../../main.ts';
import { NODE_OPTION, nodeFolder } from '../connection.ts';
import { ExitCode } from '../exit-codes.ts';
import { CliFailure, usageFailure } from '../failure.ts';
import { requireJournal } from '../journal-folder.ts';
import { isInFiles, journalSettings } from '../journal-source.ts';
import { Output } from '../output.ts';
import type { Run } from '../run.ts';

type OfNode = { readonly node?: string };

const NEEDS_NODE =
  'With a journal on an engine each node has a history of its own: name it with --node.';

const MONEY = 'No payment and no balance depends on it; nothing was changed.';

export function addHistoryCommands(program: Command, run: Run): void {
  const group = program.command('history').description('the history of all transfers, offline');
  group
    .command('status')
    .description('which files there are, and their digest; reads names and lengths')
    .option(...NODE_OPTION)
    .action(run<OfNode>(({ io, options }) => tell(nodeFolder(io, options), false, io, options)));
  group
    .command('verify')
    .description('check every byte of it against its digests')
    .option(...NODE_OPTION)
    .action(run<OfNode>(({ io, options }) => tell(nodeFolder(io, options), true, io, options)));
  group
    .command('rebuild')
    .description('make it again from the journal; the node must be stopped')
    .option(...NODE_OPTION)
    .action(
      run<OfNode>(async ({ io, options }) => {
        const journal = journalSettings(io, options);
        if (isInFiles(journal)) await requireJournal(journal.journalFolder);
        else if (options.node === undefined) throw usageFailure(NEEDS_NODE);
        const { remakeHistory } = await import('../../main.ts');
        const survey = await remakeHistory({ nodeFolder: nodeFolder(io, options), journal });
        return show(survey, new Output(io, options));
      }),
    );
}

type Parameters = ConstructorParameters<typeof Output>;

async function tell(
  folder: string,
  isThorough: boolean,
  io: Parameters[0],
  options: Parameters[1],
): Promise<number> {
  await requireHistory(join(folder, 'history'));
  const { lookAtHistory } = await import('../../main.ts');
  return show(lookAtHistory(folder, isThorough), new Output(io, options));
}

async function requireHistory(folder: string): Promise<void> {
  try {
    await readdir(folder);
  } catch (cause) {
    throw new CliFailure(
      {
        exitCode: ExitCode.notFound,
        code: 'history_not_found',
        message: `There is no history in ${folder}.`,
        money: 'Nothing was read or changed.',
        action:
          'Name the data folder with --data, and with --node one of several nodes; a node makes ' +
          'its history when it starts.',
      },
      cause,
    );
  }
}

function show(survey: HistorySurvey, output: Output): number {
  const { folder, runs, transfers, bytes, digestRuns, digest, faults } = survey;
  const isWhole = faults.length === 0;
  if (output.isJson) {
    const verdict = isWhole ? 'whole' : 'broken';
    output.json({
      verdict,
      folder,
      runs,
      transfers,
      bytes,
      digest_runs: digestRuns,
      digest,
      faults,
    });
  } else {
    output.pairs([
      ['history', folder],
      ['verdict', isWhole ? output.good('whole') : output.bad('BROKEN')],
      ['runs', String(runs)],
      ['transfers', String(transfers)],
      ['bytes', String(bytes)],
      ['digest', `${digest} (${digestRuns} runs)`],
    ]);
  }
  const [fault] = faults;
  if (fault === undefined) return ExitCode.ok;
  throw new CliFailure({
    exitCode: ExitCode.failed,
    code: 'history_broken',
    message: faults.length === 1 ? fault : `${fault} (and ${faults.length - 1} more)`,
    money: MONEY,
    action: 'A running node mends it by itself; or stop it and run `holdfast history rebuild`.',
  });
}
