// What readers see of the files: which directories a reader beside another process's writer may
// believe, which segments are listed, and the discarded ones as a log of their own.

import { dirname } from 'node:path';
import { segmentsIn } from './discard.ts';
import { listIfThere } from './file-system.ts';
import { believedAmong } from './membership.ts';
import { type FileJournalSettings, discardedDirectoryOf } from './options.ts';
import type { LogView } from './reader.ts';
import { lookAt } from './roster.ts';
import { type SegmentName, segmentsAmong } from './segment-name.ts';

/** The settings' directories that are active by the newest record; all when there is none. */
export async function believedDirectories(
  settings: FileJournalSettings,
): Promise<readonly string[]> {
  const { directories } = settings;
  if (directories.length === 1) return directories;
  const found = [];
  for (const path of directories) found.push(await lookAt(settings, path));
  return believedAmong(found);
}

/** Segments in any of them, in log order. */
export async function listedSegments(
  settings: FileJournalSettings,
): Promise<readonly SegmentName[]> {
  const { fileSystem } = settings;
  const [only, ...others] = await believedDirectories(settings);
  if (only !== undefined && others.length === 0) {
    const names = await listIfThere(fileSystem, only);
    // A new cluster's first leader makes the directory, in a folder that is there.
    if (names.length === 0) await fileSystem.list(dirname(only));
    return segmentsAmong(names);
  }
  return await segmentsIn(fileSystem, only === undefined ? others : [only, ...others]);
}

/** The discarded segments, up to the first of the log. */
export function discardedView(view: LogView, settings: FileJournalSettings): LogView {
  const folders = async (): Promise<readonly string[]> =>
    (await view.directories()).map((directory) => discardedDirectoryOf(settings, directory));
  return {
    ...view,
    directories: folders,
    segments: async () => {
      const [first] = await view.segments();
      const discarded = await segmentsIn(settings.fileSystem, await folders());
      if (first === undefined) return discarded;
      const before = discarded.filter(({ name }) => name < first.name);
      // The first of the log stands behind them, so that the last one must lead up to it.
      return before.length === 0 ? [] : [...before, first];
    },
    endOf: () => undefined,
    endsBefore: async ({ name }) => {
      const [first] = await view.segments();
      return first !== undefined && name >= first.name;
    },
  };
}
