// One segment in all directories of the journal, read side by side. Its bytes are the same in each,
// so one copy is parsed and hashed and the others are only compared. Where the copy in the lead has
// no whole entry, another that has takes the lead: what is whole anywhere is kept, what differs is
// told as damage, and two different whole entries in one place are two histories (I2, I33).

import { join } from 'node:path';
import { OperationalError } from '../../base/errors.ts';
import { ChainCheck } from './chain-check.ts';
import { EntryCursor, type PlacedEntry } from './entry-cursor.ts';
import { type FileSystem, type OpenFile, errorCodeOf } from './file-system.ts';
import { storedBytesOf } from './segment-codec.ts';
import type { SegmentName } from './segment-name.ts';
import { type TailVerdict, judgeTail } from './tail-judge.ts';

/** A range of a directory's segment that must be written again from another directory. */
export type Damage = {
  readonly segment: SegmentName;
  /** Of the directory that is damaged, and of one that is whole there. */
  readonly directory: string;
  readonly source: string;
  readonly byteOffset: number;
  endByteOffset: number;
  /** First position in the range, and how many entries stand in it; none = it must be zeros. */
  readonly position: number;
  entryCount: number;
  readonly isFileMissing: boolean;
};

export type CopiesStep =
  | {
      readonly kind: 'entries';
      readonly entries: readonly PlacedEntry[];
      readonly damages: readonly Damage[];
    }
  /** No copy has a whole entry that fits; `misfit` = a whole one that does not. */
  | { readonly kind: 'stop'; readonly misfit: string | undefined };

type Copy = {
  readonly directory: string;
  readonly file: OpenFile | undefined;
  sizeBytes: number;
};

export type CopyEnd = {
  readonly directory: string;
  readonly isThere: boolean;
  readonly sizeBytes: number;
  readonly verdict: TailVerdict;
};

export class SegmentCopies {
  readonly #segment: SegmentName;
  readonly #copies: readonly Copy[];
  #lead: Copy;
  #cursor: EntryCursor | undefined;
  #byteOffset = 0;

  private constructor(
    segment: SegmentName,
    copies: readonly Copy[],
    lead: Copy,
    byteOffset: number,
  ) {
    this.#segment = segment;
    this.#copies = copies;
    this.#lead = lead;
    this.#byteOffset = byteOffset;
  }

  /** From `byteOffset` on. Rejects with ENOENT when no directory has the segment. */
  static async open(
    fileSystem: FileSystem,
    directories: readonly string[],
    segment: SegmentName,
    byteOffset = 0,
  ): Promise<SegmentCopies> {
    const copies: Copy[] = [];
    let absence: unknown;
    for (const directory of directories) {
      try {
        const file = await fileSystem.open(join(directory, segment.name), 'read');
        copies.push({ directory, file, sizeBytes: await file.sizeBytes() });
      } catch (error) {
        if (errorCodeOf(error) !== 'ENOENT') throw error;
        absence = error;
        copies.push({ directory, file: undefined, sizeBytes: 0 });
      }
    }
    const lead = copies.find(({ file }) => file !== undefined);
    if (lead === undefined) throw absence;
    return new SegmentCopies(segment, copies, lead, byteOffset);
  }

  /** Of the copy that is read; it changes where that one is damaged. */
  get directory(): string {
    return this.#lead.directory;
  }

  get sizeBytes(): number {
    return this.#lead.sizeBytes;
  }

  /** The chain as it must go on inside the segment; undefined = no entry of it stands there. */
  async chainHere(): Promise<ChainCheck | undefined> {
    const { file, sizeBytes } = this.#lead;
    if (file === undefined || this.#byteOffset % 8 !== 0) return undefined;
    const step = await new EntryCursor(file, this.#byteOffset).next(sizeBytes);
    const first = step.kind === 'entries' ? step.entries[0]?.entry : undefined;
    const { epoch, position } = this.#segment;
    if (first?.epoch !== epoch || first.position <= position) return undefined;
    return new ChainCheck(first.position, epoch);
  }

  /** The next entries, verified, and what of the other copies differs. */
  async next(chain: ChainCheck): Promise<CopiesStep> {
    let misfit: string | undefined;
    let unreadable: unknown;
    for (const copy of this.#inTurn()) {
      if (copy.file === undefined) continue;
      if (copy !== this.#lead || this.#cursor === undefined) {
        this.#cursor = new EntryCursor(copy.file, this.#byteOffset);
      }
      const step = await this.#cursor.next(copy.sizeBytes).catch((error: unknown) => {
        unreadable ??= error;
      });
      if (step?.kind !== 'entries') {
        this.#cursor = undefined;
        continue;
      }
      const { entries, fault } = fitting(step.entries, chain);
      if (fault !== undefined) this.#cursor = undefined;
      if (entries.length === 0) {
        misfit ??= fault;
        continue;
      }
      this.#lead = copy;
      const damages = await this.#compareOthers(entries);
      const last = entries.at(-1);
      if (last !== undefined) this.#byteOffset = endOf(last);
      return { kind: 'entries', entries, damages };
    }
    if (unreadable !== undefined) throw unreadable;
    return { kind: 'stop', misfit };
  }

  /** What stands behind the last entry, in each copy. Sizes are looked at anew. */
  async judge(chain: ChainCheck, hasSuccessor: boolean): Promise<readonly CopyEnd[]> {
    const ends: CopyEnd[] = [];
    for (const copy of this.#copies) {
      const { directory, file } = copy;
      if (file === undefined) {
        ends.push({ directory, isThere: false, sizeBytes: 0, verdict: { kind: 'clean' } });
        continue;
      }
      copy.sizeBytes = await file.sizeBytes();
      const { sizeBytes } = copy;
      const place = { file, sizeBytes, byteOffset: this.#byteOffset, chain, hasSuccessor };
      ends.push({ directory, isThere: true, sizeBytes, verdict: await judgeTail(place) });
    }
    return ends;
  }

  async close(): Promise<void> {
    for (const { file } of this.#copies) await file?.close();
  }

  #inTurn(): readonly Copy[] {
    return [this.#lead, ...this.#copies.filter((copy) => copy !== this.#lead)];
  }

  async #compareOthers(entries: readonly PlacedEntry[]): Promise<Damage[]> {
    const damages: Damage[] = [];
    const [first] = entries;
    const last = entries.at(-1);
    if (first === undefined || last === undefined || this.#copies.length === 1) return damages;
    // The entries of one step are views into one chunk: with their end marks they are one range.
    const { buffer, byteOffset } = first.entry.bytes;
    const range = Buffer.from(buffer, byteOffset, endOf(last) - first.byteOffset);
    for (const copy of this.#copies) {
      if (copy === this.#lead) continue;
      const bytes = Buffer.alloc(copy.file === undefined ? 0 : range.byteLength);
      // What cannot be read is damaged: writing it again is what mends a bad sector.
      const count = (await copy.file?.read(bytes, first.byteOffset).catch(() => 0)) ?? 0;
      if (count === range.byteLength && range.equals(bytes)) continue;
      for (const placed of entries) {
        const start = placed.byteOffset - first.byteOffset;
        const end = endOf(placed) - first.byteOffset;
        if (end <= count && range.subarray(start, end).equals(bytes.subarray(start, end))) continue;
        await this.#refuseOtherEntry(copy, placed);
        addDamage(damages, this.#damageOf(copy, placed));
      }
    }
    return damages;
  }

  async #refuseOtherEntry(copy: Copy, { entry, byteOffset }: PlacedEntry): Promise<void> {
    if (copy.file === undefined) return;
    const cursor = new EntryCursor(copy.file, byteOffset);
    const step = await cursor.next(copy.sizeBytes).catch(() => undefined);
    const other = step?.kind === 'entries' ? step.entries[0]?.entry : undefined;
    if (other === undefined || other.position !== entry.position) return;
    const paths = [this.#lead, copy].map(({ directory }) => join(directory, this.#segment.name));
    const place = `at byte ${byteOffset}, position ${entry.position}`;
    throw new OperationalError('JOURNAL_DIVERGED', {
      detail: `${paths.join(' and ')} hold two different whole entries ${place}: two histories. Nothing was changed.`,
      wayOut:
        'Keep both. See what each holds with `holdfast journal directories`; find out which one the cluster wrote, and start with that one alone.',
    });
  }

  #damageOf(copy: Copy, placed: PlacedEntry): Damage {
    return {
      segment: this.#segment,
      directory: copy.directory,
      source: this.#lead.directory,
      byteOffset: placed.byteOffset,
      endByteOffset: endOf(placed),
      position: placed.entry.position,
      entryCount: 1,
      isFileMissing: copy.file === undefined,
    };
  }
}

/** Joins what belongs together, so that a lost segment is one damage. */
export function addDamage(damages: Damage[], damage: Damage): void {
  const before = damages.findLast(({ directory }) => directory === damage.directory);
  const isNext =
    before !== undefined &&
    before.segment.name === damage.segment.name &&
    before.source === damage.source &&
    before.entryCount > 0 &&
    damage.entryCount > 0 &&
    before.endByteOffset === damage.byteOffset;
  if (!isNext) {
    damages.push(damage);
    return;
  }
  before.endByteOffset = damage.endByteOffset;
  before.entryCount += damage.entryCount;
}

function endOf({ entry, byteOffset }: PlacedEntry): number {
  return byteOffset + storedBytesOf(entry.bytes.byteLength);
}

/** The entries up to the first that does not fit; the chain goes on behind the last. */
function fitting(
  entries: readonly PlacedEntry[],
  chain: ChainCheck,
): { readonly entries: readonly PlacedEntry[]; readonly fault: string | undefined } {
  for (const [index, { entry }] of entries.entries()) {
    const fault = chain.faultOf(entry);
    if (fault !== undefined) return { entries: entries.slice(0, index), fault };
    chain.advance(entry);
  }
  return { entries, fault: undefined };
}
