// `holdfast journal directories`: which directories make up the journal by their own record, what
// each of them holds, and what the next start would repair. It reads all of each directory and
// changes nothing.

import { reportDirectories } from '../drivers/file/directories.ts';
import { ExitCode } from './exit-codes.ts';
import { requireJournal } from './journal-folder.ts';
import type { Output } from './output.ts';

export async function showDirectories(options: {
  readonly output: Output;
  /** The one beside the data folder, and those that the environment names. */
  readonly directories: readonly string[];
}): Promise<number> {
  const { output, directories } = options;
  const [first] = directories;
  if (first !== undefined && directories.length === 1) await requireJournal(first);
  const report = await reportDirectories(directories);
  if (output.isJson) {
    output.json({
      directories: report.directories.map((directory) => ({
        path: directory.path,
        state: directory.state,
        detail: directory.detail,
        record: directory.record,
        segments: directory.segments,
        discarded_segments: directory.discarded,
        last_position: directory.lastPosition,
      })),
      repairs: report.repairs,
      halt: report.halt ?? null,
    });
  } else {
    output.table(
      [
        { title: 'directory' },
        { title: 'state' },
        { title: 'record', isNumber: true },
        { title: 'segments', isNumber: true },
        { title: 'discarded', isNumber: true },
        { title: 'last position', isNumber: true },
        { title: 'detail' },
      ],
      report.directories.map((directory) => [
        directory.path,
        directory.state,
        String(directory.record),
        String(directory.segments),
        String(directory.discarded),
        String(directory.lastPosition),
        directory.detail,
      ]),
    );
    for (const repair of report.repairs) output.line(`The next start repairs ${repair}.`);
    if (report.halt !== undefined) output.line(`The next start halts: ${report.halt}`);
  }
  return report.halt === undefined ? ExitCode.ok : ExitCode.failed;
}
