// From what the settings say of the journal to the journal. The description between is plain data:
// the thread that reads the journal again for the history gets it handed over and makes a journal
// of its own from it, and so do the tools.

import { readFile } from 'node:fs/promises';
import { OperationalError } from '../base/errors.ts';
import { pathsOf } from '../config/config.ts';
import { type EnginePlace, journalPlaceOf } from '../config/journal-place.ts';
import { ENGINE_JOURNALS, JOURNAL_DRIVERS } from '../drivers/index.ts';
import type { Journal } from '../ports/journal.ts';
import type { DriverLog } from './driver-log.ts';

export type JournalSettings = {
  /** As HOLDFAST_JOURNAL and its neighbours. */
  readonly journal: string;
  readonly journalPasswordFile: string;
  readonly journalWaived: string;
  readonly journalDirectories: string;
  /** Where it is when it is in files. */
  readonly journalFolder: string;
};

type FileDescription = {
  readonly driver: 'file';
  readonly directory: string;
  /** Other directories that hold it too. */
  readonly directories: readonly string[];
};

type EngineDescription = EnginePlace & {
  readonly password: string;
  readonly waived: readonly string[];
};

/** Can be handed to a thread. Holds the password. */
export type JournalDescription = FileDescription | EngineDescription;

/** Rejects with CONFIGURATION_INVALID, or throws RangeError where the place is none. */
export async function describeJournal(settings: JournalSettings): Promise<JournalDescription> {
  const place = journalPlaceOf(settings.journal);
  if (place.driver === 'file') {
    const { journalFolder: directory, journalDirectories } = settings;
    return { driver: 'file', directory, directories: pathsOf(journalDirectories) };
  }
  if (place.driver === 'embedded') {
    throw new OperationalError('CONFIGURATION_INVALID', {
      detail: 'The PostgreSQL that comes with Holdfast is run by `holdfast up --nodes`.',
      wayOut:
        'Nothing was started. Add --nodes, or name the servers: postgres://USER@HOST:PORT,.../NAME (those of a running one are in postgres/ports.json of its data folder).',
    });
  }
  const password = await readPassword(settings.journalPasswordFile);
  return { ...place, password, waived: pathsOf(settings.journalWaived) };
}

/** One that reads, or on an engine also writes; a node's own in files has more options. */
export async function createJournal(
  description: JournalDescription,
  log: DriverLog = () => undefined,
): Promise<Journal> {
  if (description.driver === 'file') {
    const { directory, directories } = description;
    return (await JOURNAL_DRIVERS.file())({ directory, directories });
  }
  const create = await ENGINE_JOURNALS[description.driver]?.();
  if (create === undefined) {
    const detail = `This release has no journal driver for ${description.driver}.`;
    throw new OperationalError('CONFIGURATION_INVALID', { detail });
  }
  return create({ ...description, log });
}

async function readPassword(path: string): Promise<string> {
  if (path === '') return '';
  try {
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
  } catch (error) {
    throw new OperationalError('CONFIGURATION_INVALID', {
      detail: `The password file of the journal's engine, ${path}, cannot be read.`,
      cause: error,
    });
  }
}
