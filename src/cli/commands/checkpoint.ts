// `holdfast checkpoint take|list|verify`. The first two ask the node; verifying is offline, on the
// data folder, and changes nothing.

import type { Command } from 'commander';
import { readCheckpointKey } from '../../config/checkpoint-key.ts';
import type { JsonObject } from '../../client/wire.ts';
import { NODE_OPTION, connect, nodeFolder } from '../connection.ts';
import { ExitCode } from '../exit-codes.ts';
import { journalSettings } from '../journal-source.ts';
import { Output } from '../output.ts';
import type { Run } from '../run.ts';

type VerifyOptions = { readonly againstJournal?: boolean; readonly node?: string };

const COLUMNS = [
  { title: 'position', isNumber: true },
  { title: 'taken' },
  { title: 'bytes', isNumber: true },
  { title: 'transfers', isNumber: true },
  { title: 'release' },
] as const;

export function addCheckpointCommands(program: Command, run: Run): void {
  const group = program.command('checkpoint').description('the state written down at a position');
  group
    .command('take')
    .description('take one now; payments go on meanwhile')
    .action(
      run<object>(async ({ io, options }) => {
        const output = new Output(io, options);
        await using client = await connect(io, options);
        const taken = await client.checkpoints.take();
        if (output.isJson) output.json(taken);
        else {
          output.line(
            `position ${text(taken['position'])}: ${text(taken['bytes'])} bytes, ${text(taken['bytes_written'])} of them written, ${text(taken['duration_ms'])} ms`,
          );
        }
        return ExitCode.ok;
      }),
    );
  group
    .command('list')
    .description('the checkpoints that the node has, newest first')
    .action(
      run<object>(async ({ io, options }) => {
        const output = new Output(io, options);
        await using client = await connect(io, options);
        const listed = await client.checkpoints.list();
        if (output.isJson) output.json(listed);
        else showList(output, listed);
        return ExitCode.ok;
      }),
    );
  group
    .command('verify')
    .description('load each one afresh and prove digests, balance and totals, offline')
    .option('--against-journal', 'replay the journal too, and compare the states')
    .option(...NODE_OPTION)
    .action(
      run<VerifyOptions>(async ({ io, options }) => {
        const { verifyCheckpoints } = await import('../checkpoint-verify.ts');
        return verifyCheckpoints({
          output: new Output(io, options),
          journal: journalSettings(io, options),
          nodeFolder: nodeFolder(io, options),
          key: readCheckpointKey(io.environment['HOLDFAST_CHECKPOINT_KEY_FILE'] ?? ''),
          againstJournal: options.againstJournal === true,
        });
      }),
    );
}

function showList(output: Output, listed: JsonObject): void {
  const { checkpoints, notes } = listed;
  const rows = (Array.isArray(checkpoints) ? checkpoints : []) as readonly JsonObject[];
  output.table(
    COLUMNS,
    rows.map((row) =>
      ['position', 'created', 'bytes', 'transfers_accepted', 'release'].map((name) =>
        text(row[name]),
      ),
    ),
  );
  for (const note of Array.isArray(notes) ? notes : []) output.note(text(note));
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}
