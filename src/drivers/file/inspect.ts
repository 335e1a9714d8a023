// Offline inspection of a journal directory: what `holdfast journal show` and `verify` print. It
// needs no lock, changes nothing, and gives a live writer's unfinished tail as a finding of its
// own.

import { join } from 'node:path';
import type { Entry } from '../../base/entry.ts';
import type { EngineOffset } from '../../ports/journal.ts';
import { type FileSystem, realFileSystem } from './file-system.ts';
import { CORRUPT_WAY_OUT, scanJournal } from './journal-scan.ts';
import { offsetOf } from './segment-name.ts';

export type InspectionItem =
  | {
      readonly kind: 'segment';
      readonly path: string;
      readonly name: string;
      readonly position: number;
      readonly epoch: number;
      readonly sizeBytes: number;
    }
  | {
      readonly kind: 'entry';
      readonly entry: Entry;
      readonly offset: EngineOffset;
      readonly byteOffset: number;
    }
  | {
      readonly kind: 'finding';
      /** `torn`: never acknowledged, the next start cuts it. `corrupt`: the node will not start. */
      readonly severity: 'torn' | 'corrupt';
      readonly path: string;
      readonly byteOffset: number;
      /** The position that should stand there. */
      readonly position: number;
      readonly found: string;
      readonly wayOut: string;
    }
  | {
      /** One directory differs from another that is whole there: the next start repairs it. */
      readonly kind: 'damage';
      readonly path: string;
      readonly byteOffset: number;
      readonly endByteOffset: number;
      readonly position: number;
      readonly source: string;
    };

export type InspectOptions = {
  readonly signal?: AbortSignal;
  readonly fileSystem?: FileSystem;
};

/**
 * Segments, entries and findings in log order. A corrupt finding is the last item: nothing behind
 * it can be trusted. Beside a running node the end of the last segment may look torn for a moment.
 */
export async function* inspectJournal(
  directory: string | readonly string[],
  options: InspectOptions = {},
): AsyncGenerator<InspectionItem> {
  const fileSystem = options.fileSystem ?? realFileSystem;
  const signal = options.signal ?? new AbortController().signal;
  const directories = typeof directory === 'string' ? [directory] : directory;
  const folders = directories.map((path) => join(path, 'discarded'));
  for await (const event of scanJournal(fileSystem, directories, { signal, folders })) {
    const path = join(event.directory, event.segment.name);
    if (event.kind === 'segment') {
      const { name, position, epoch } = event.segment;
      yield { kind: 'segment', path, name, position, epoch, sizeBytes: event.sizeBytes };
    } else if (event.kind === 'entries') {
      for (const { entry, byteOffset } of event.entries) {
        const offset = offsetOf(event.segment.name, byteOffset);
        yield { kind: 'entry', entry, offset, byteOffset };
      }
    } else if (event.kind === 'damage') {
      const { byteOffset, endByteOffset, position, source } = event.damage;
      const damaged = join(event.damage.directory, event.segment.name);
      yield { kind: 'damage', path: damaged, byteOffset, endByteOffset, position, source };
    } else if (event.kind === 'end') {
      const { byteOffset, position, verdict } = event;
      if (verdict.kind === 'clean') continue;
      const place = { kind: 'finding', path, byteOffset, position } as const;
      if (verdict.kind === 'corrupt') {
        yield { ...place, severity: 'corrupt', found: verdict.found, wayOut: CORRUPT_WAY_OUT };
        continue;
      }
      const found = `${verdict.endByteOffset - byteOffset} bytes of a write that was never acknowledged`;
      yield { ...place, severity: 'torn', found, wayOut: 'Nothing to do: the next start cuts it.' };
    }
  }
}
