// `holdfast journal show|verify|directories`: offline, on the data folder; nothing of it is
// changed.

import type { Command } from 'commander';
import { join, resolve } from 'node:path';
import { SETTINGS, pathsOf } from '../../config/config.ts';
import { dataFolder } from '../connection.ts';
import { readNumber } from '../inputs.ts';
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
        const directory = join(dataFolder(io, options), 'journal');
        return showJournal({ output: new Output(io, options), directory, from, limit });
      }),
    );
  group
    .command('verify')
    .description('check every byte, the chain, and the books by replaying all of it')
    .action(
      run<object>(async ({ io, options }) => {
        const { verifyJournal } = await import('../journal-verify.ts');
        const directory = join(dataFolder(io, options), 'journal');
        return verifyJournal({ output: new Output(io, options), directory });
      }),
    );
  group
    .command('directories')
    .description('what each directory of the journal holds, and what a start would repair')
    .action(
      run<object>(async ({ io, options }) => {
        const { showDirectories } = await import('../journal-directories.ts');
        const first = join(dataFolder(io, options), 'journal');
        const others = pathsOf(io.environment[SETTINGS.journalDirectories.env] ?? '');
        const directories = [first, ...others].map((path) => resolve(path));
        return showDirectories({ output: new Output(io, options), directories });
      }),
    );
}
