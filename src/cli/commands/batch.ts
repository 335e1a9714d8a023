// `holdfast account batch` and `holdfast transfer batch`: the body of a batch request from a file,
// sent byte by byte as it stands there. What is in it is read by nobody but the node, strictly: a
// parser here would forgive a member that stands twice.

import type { Command } from 'commander';
import { formatId } from '../../base/ids.ts';
import type { BatchResult } from '../../client/wire.ts';
import { connect, readIfThere } from '../connection.ts';
import { ExitCode } from '../exit-codes.ts';
import { refusedLocally } from '../failure.ts';
import { Output } from '../output.ts';
import type { Run } from '../run.ts';

type BatchOptions = { readonly file: string };

export function addBatchCommand(group: Command, run: Run, kind: 'account' | 'transfer'): void {
  const name = `${kind}s` as const;
  group
    .command('batch')
    .description(`${name} of a JSON file as one command; transfers may be linked`)
    .requiredOption('--file <file>', `{"${name}":[...]}, as in the HTTP API`)
    .action(
      run<BatchOptions>(async ({ io, options }) => {
        const text = await readIfThere(options.file);
        if (text === undefined) {
          throw refusedLocally('file_not_found', `There is no file ${options.file}.`);
        }
        const output = new Output(io, options);
        await using client = await connect(io, options);
        const { position, results } = await client[name].createBatchText(text);
        show(output, kind, position, results);
        const isRefused = results.some(({ status }) => status === 'refused');
        return isRefused ? ExitCode.refused : ExitCode.ok;
      }),
    );
}

function show(
  output: Output,
  kind: 'account' | 'transfer',
  position: number,
  results: readonly BatchResult[],
): void {
  if (output.isJson) {
    output.json({
      position,
      results: results.map(({ id, status, code, detail }) => ({
        id: formatId(kind, id),
        status,
        ...(status === 'refused' && { code, detail }),
      })),
    });
    return;
  }
  output.table(
    [{ title: kind }, { title: 'status' }, { title: 'code' }],
    results.map(({ id, status, code }) => [formatId(kind, id), status, code]),
  );
}
