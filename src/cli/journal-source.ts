// Where the tools read the journal: in the files of the data folder, or on the engine that
// HOLDFAST_JOURNAL names. They only read; nodes may be running.

import { join } from 'node:path';
import { isOperationalError } from '../base/errors.ts';
import { SETTINGS } from '../config/config.ts';
import { shownPlace } from '../config/journal-place.ts';
import { activeDirectories } from '../drivers/file/directories.ts';
import { type InspectionItem, inspectJournal } from '../drivers/file/inspect.ts';
import type { JournalSettings } from '../main.ts';
import type { Journal, StoredEntry } from '../ports/journal.ts';
import { dataFolder } from './connection.ts';
import { usageFailure } from './failure.ts';
import type { GlobalOptions, Io } from './io.ts';
import { clusterIdBeside, requireJournal } from './journal-folder.ts';

/** A journal to be read from its beginning to its present end. */
export type JournalSource = {
  /** Its directory, or its place. */
  readonly name: string;
  /** Of the data folder; undefined = not known there. */
  readonly clusterId: string | undefined;
  /** In log order; a corrupt finding is the last one. */
  items(): AsyncIterable<InspectionItem>;
};

export function journalSettings(io: Io, options: GlobalOptions): JournalSettings {
  const of = (name: 'journal' | 'journalPasswordFile' | 'journalWaived' | 'journalDirectories') => {
    const value = io.environment[SETTINGS[name].env] ?? '';
    return value === '' ? SETTINGS[name].fallback : value;
  };
  const journal = of('journal');
  try {
    SETTINGS.journal.parse(journal);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw usageFailure(`${SETTINGS.journal.env}=${shownPlace(journal)} ${why}`);
  }
  return {
    journal,
    journalPasswordFile: of('journalPasswordFile'),
    journalWaived: of('journalWaived'),
    journalDirectories: of('journalDirectories'),
    journalFolder: join(dataFolder(io, options), 'journal'),
  };
}

export function isInFiles({ journal }: JournalSettings): boolean {
  return journal === 'file';
}

export async function journalSource(settings: JournalSettings): Promise<JournalSource> {
  const { journal: place, journalFolder } = settings;
  const clusterId = await clusterIdBeside(journalFolder);
  if (!isInFiles(settings)) return { name: place, clusterId, items: () => itemsOf(settings) };
  await requireJournal(journalFolder);
  const directories = await activeDirectories(journalFolder);
  return { name: journalFolder, clusterId, items: () => inspectJournal(directories) };
}

/** Open for reading. */
export async function openJournal(settings: JournalSettings): Promise<Journal> {
  const { createJournal, describeJournal } = await import('../main.ts');
  const journal = await createJournal(await describeJournal(settings));
  try {
    await journal.open({ mode: 'read', signal: new AbortController().signal });
  } catch (error) {
    await journal.close();
    throw error;
  }
  return journal;
}

async function* itemsOf(settings: JournalSettings): AsyncGenerator<InspectionItem> {
  const journal = await openJournal(settings);
  let position = 0;
  try {
    for await (const { entry, offset } of entriesOf(journal)) {
      yield { kind: 'entry', entry, offset, byteOffset: 0 };
      position = entry.position;
    }
  } catch (error) {
    if (!isOperationalError(error, 'JOURNAL_CORRUPT')) throw error;
    const { detail, wayOut } = error;
    const found = detail.replace(/\.$/, '');
    const place = { path: settings.journal, byteOffset: 0, position: position + 1 };
    yield { kind: 'finding', severity: 'corrupt', ...place, found, wayOut };
  } finally {
    await journal.close();
  }
}

async function* entriesOf(journal: Journal): AsyncGenerator<StoredEntry> {
  const { signal } = new AbortController();
  for await (const batch of journal.readDiscarded(signal)) yield* batch;
  for await (const batch of journal.read({ from: null, follow: false, signal })) yield* batch;
}
