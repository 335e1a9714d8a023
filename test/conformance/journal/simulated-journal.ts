// A file journal on a simulated disk: the small journal that fault tests damage, and how they open
// it.

import type { Entry } from '../../../src/base/entry.ts';
import { createJournal } from '../../../src/drivers/file/driver.ts';
import type { Journal, JournalOpening } from '../../../src/ports/journal.ts';
import { chainAfter, entryAfter, openingAfter, randomBody } from './entries.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';
import { collect } from './support.ts';

export const DIRECTORY = '/journal';
export const SEGMENT_BYTES = 12 * 1024;

export function journalOn(fileSystem: SimulatedFileSystem, segmentBytes = SEGMENT_BYTES): Journal {
  return createJournal({ directory: DIRECTORY, segmentBytes, lockWaitMs: 0, fileSystem });
}

/** Files of a journal that was closed in good order, and the entries that they hold. */
export type SavedJournal = {
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  readonly entries: readonly Entry[];
};

/**
 * Two segments, one for each epoch, every entry acknowledged before the next: small ones, one of
 * more than a page in each segment, and behind the last one a page and more of zeros.
 */
export async function smallJournal(): Promise<SavedJournal> {
  const first = openingAfter(undefined, 'a');
  const sealed = [first, ...chainAfter(first, 2, 120)];
  sealed.push(entryAfter(sealed.at(-1), { body: randomBody(4, 4200), durable: 3 }));
  const opening = openingAfter(sealed.at(-1), 'b', { durable: 4 });
  const last = [opening, ...chainAfter(opening, 2, 88)];
  last.push(entryAfter(last.at(-1), { body: randomBody(8, 4240), durable: 7 }));
  last.push(...chainAfter(last.at(-1), 1, 96));
  return await savedJournal([...sealed, ...last]);
}

export async function savedJournal(
  entries: readonly Entry[],
  segmentBytes = SEGMENT_BYTES,
): Promise<SavedJournal> {
  const fileSystem = new SimulatedFileSystem();
  const journal = journalOn(fileSystem, segmentBytes);
  await journal.open({ mode: 'write', signal: new AbortController().signal });
  for (const entry of entries) await journal.append(entry);
  await journal.close();
  const segments = fileSystem.paths().filter((path) => path.endsWith('.journal'));
  return { files: new Map(segments.map((path) => [path, fileSystem.bytesOf(path)])), entries };
}

/** The saved journal on a fresh disk, with some of its files replaced. */
export function diskWith(
  saved: SavedJournal,
  replaced: ReadonlyMap<string, Uint8Array<ArrayBuffer>> = new Map(),
): SimulatedFileSystem {
  const fileSystem = new SimulatedFileSystem();
  for (const [path, bytes] of saved.files) {
    fileSystem.setBytes(path, replaced.get(path) ?? bytes);
  }
  return fileSystem;
}

export type OpenResult =
  | { readonly kind: 'open'; readonly opening: JournalOpening; readonly entries: readonly Entry[] }
  | { readonly kind: 'halt'; readonly error: unknown };

/** Opens for writing, reads everything, closes. */
export async function openAndRead(fileSystem: SimulatedFileSystem): Promise<OpenResult> {
  const journal = journalOn(fileSystem);
  try {
    const opening = await journal.open({ mode: 'write', signal: new AbortController().signal });
    const stored = await collect(journal);
    return { kind: 'open', opening, entries: stored.map(({ entry }) => entry) };
  } catch (error) {
    return { kind: 'halt', error };
  } finally {
    await journal.close();
  }
}
