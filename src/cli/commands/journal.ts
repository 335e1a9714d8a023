// `holdfast journal show|verify|directories`: without a node, on the data folder or on the engine
// that HOLDFAST_JOURNAL names; nothing of it is changed.

import type { Command } from 'commander';
import { resolve } from 'node:path';
import { pathsOf } from '../../config/config.ts';
import { ExitCode } from '../exit-codes.ts';
import { CliFailure } from '../failure.ts';
import { readNumber } from '../inputs.ts';
import { isInFiles, journalSettings, journalSource } from '../journal-source.ts';
import { Output } from '../output.ts';
import type { Run } from '../run.ts';

type ShowOptions = { readonly from: string; readonly limit: string };

const POSITION_RANGE = { min: 1, max: Number.MAX_SAFE_INTEGER };

export function addJournalCommands(program: Command, run: Run): void {
  const group = program.command('journal').description('read the journal itself, offline');
  group
    .command('show')
    .description('entries with their commands, legibly')
    .option('--from <position>', 'first position to show', '1')
    .option('--limit <count>', 'at most so many entries', '1000')
    .action(
      run<ShowOptions>(async ({ io, options }) => {
        const from = readNumber('--from', options.from, POSITION_RANGE);
        const limit = readNumber('--limit', options.limit, POSITION_RANGE);
        const { showJournal } = await import('../journal-show.ts');
        const source = await journalSource(journalSettings(io, options));
        return showJournal({ output: new Output(io, options), source, from, limit });
      }),
    );
  group
    .command('verify')
    .description('check every byte, the chain, and the books by replaying all of it')
    .action(
      run<object>(async ({ io, options }) => {
        const { verifyJournal } = await import('../journal-verify.ts');
        const source = await journalSource(journalSettings(io, options));
        return verifyJournal({ output: new Output(io, options), source });
      }),
    );
  group
    .command('directories')
    .description('what each directory of the journal holds, and what a start would repair')
    .action(
      run<object>(async ({ io, options }) => {
        const { showDirectories } = await import('../journal-directories.ts');
        const settings = journalSettings(io, options);
        if (!isInFiles(settings)) throw hasNoDirectories(settings.journal);
        const { journalFolder, journalDirectories } = settings;
        const directories = [journalFolder, ...pathsOf(journalDirectories)];
        return showDirectories({
          output: new Output(io, options),
          directories: directories.map((path) => resolve(path)),
        });
      }),
    );
}

function hasNoDirectories(place: string): CliFailure {
  return new CliFailure({
    exitCode: ExitCode.usage,
    code: 'journal_not_in_files',
    message: `The journal is on an engine (${place}) and has no directories.`,
    money: 'Nothing was read or changed.',
    action:
      "Its members are the engine's: ask its own tools. `holdfast journal verify` checks what they hold.",
  });
}
