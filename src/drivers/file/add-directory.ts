// A directory joins the journal while payments go on: first the record says that it is being filled
// (a crash then leaves nothing that anybody needs), then everything is copied, each entry verified,
// and what has been appended meanwhile follows between two groups of appends. From then on it is
// written like the others, which the record says first.

import { join } from 'node:path';
import { OperationalError } from '../../base/errors.ts';
import { segmentsIn } from './discard.ts';
import { syncData, syncNames, withFile } from './file-system.ts';
import { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import { type FileJournalSettings, discardedDirectoryOf } from './options.ts';
import { writeZeros } from './preallocator.ts';
import { copyEntries, copySegment } from './repair.ts';
import { type Roster, lookAt } from './roster.ts';
import { PAGE_BYTES } from './segment-codec.ts';
import { type SegmentName, segmentsAmong } from './segment-name.ts';
import type { NamedSegment, SegmentWriter } from './segment-writer.ts';

export type JoiningParts = {
  readonly settings: FileJournalSettings;
  readonly roster: Roster;
  readonly lanes: Lanes;
  readonly writer: SegmentWriter;
  /** Segments with entries, in log order. */
  readonly segments: () => readonly SegmentName[];
  readonly signal: AbortSignal;
  /** The opening has decided that it joins; otherwise what it holds is looked at first. */
  readonly isDecided: boolean;
};

/** Nothing is changed in the others when it fails, but the record. */
export async function addDirectory(parts: JoiningParts, path: string): Promise<void> {
  const { settings, roster, lanes, writer, signal } = parts;
  if (roster.memberAt(path)?.state === 'active') return;
  const { own } = await lookAt(settings, path);
  if (!parts.isDecided) await refuseForeign(parts, path);
  await settings.fileSystem.makeDirectory(path);
  if (!roster.isLocked(path)) await roster.lock(path, signal);
  try {
    await writer.exclusively(() => lanes.record(() => roster.joining(path, own?.self)));
    const { record } = roster;
    if (record !== undefined) await roster.write(path, record);
    await new Filling(parts, path).run();
    settings.log('info', `${path} is filled and belongs to the journal.`);
  } catch (error) {
    const reasons = new Map([[path, `filling it failed: ${String(error)}`]]);
    await writer
      .exclusively(() => lanes.record(() => roster.withDropped(reasons, lanes.durablePosition)))
      .catch((left: unknown) => {
        settings.log('warning', `The record still says that ${path} joins: ${String(left)}`);
      });
    await roster.unlock(path).catch(() => undefined);
    throw error;
  }
}

/** What it holds will be written over: that must be nothing, or of this journal. */
async function refuseForeign({ settings, roster }: JoiningParts, path: string): Promise<void> {
  const { own, hasSegments, problem } = await lookAt(settings, path);
  if (problem !== undefined) throw problem;
  const isKnown = roster.members.some(
    (member) => member.state !== 'active' && (member.id === own?.self || member.path === path),
  );
  if (isKnown || !hasSegments) return;
  throw new OperationalError('DATA_FOLDER_UNUSABLE', {
    detail: `${path} holds a journal that does not belong to this one. Nothing was changed.`,
    wayOut: 'Name an empty directory, or empty this one if nobody needs what it holds.',
  });
}

class Filling {
  readonly #parts: JoiningParts;
  readonly #path: string;
  readonly #copied = new Set<string>();
  #isDone = false;

  constructor(parts: JoiningParts, path: string) {
    this.#parts = parts;
    this.#path = path;
  }

  async run(): Promise<void> {
    await this.#clear();
    await this.#copyDiscarded();
    const { writer, signal } = this.#parts;
    while (!this.#isDone) {
      signal.throwIfAborted();
      const { segment } = writer;
      await this.#copySealed(segment);
      const end = segment?.endByteOffset ?? 0;
      if (segment !== undefined) await this.#copyOpen(segment.name, { start: 0, end });
      await writer.exclusively(async (current) => {
        // A segment that was begun meanwhile: once more.
        if (current !== segment) return;
        await this.#finish(current, end);
        this.#isDone = true;
      });
    }
  }

  /** What an earlier life left there is not believed. */
  async #clear(): Promise<void> {
    const { fileSystem } = this.#parts.settings;
    for (const { name } of segmentsAmong(await fileSystem.list(this.#path))) {
      await fileSystem.remove(join(this.#path, name));
    }
    await syncNames(fileSystem, this.#path);
  }

  async #copyDiscarded(): Promise<void> {
    const { settings, segments } = this.#parts;
    const { fileSystem, log } = settings;
    const target = discardedDirectoryOf(settings, this.#path);
    const sources = this.#sources().map((directory) => discardedDirectoryOf(settings, directory));
    const discarded = await segmentsIn(fileSystem, sources);
    if (discarded.length > 0) await fileSystem.makeDirectory(target);
    for (const [index, segment] of discarded.entries()) {
      const nextPosition = (discarded[index + 1] ?? segments()[0])?.position;
      const copying = { fileSystem, segment, sources, target, nextPosition };
      if (await copySegment(copying)) continue;
      log('warning', `${segment.name} in ${sources.join(', ')} is damaged and was not copied.`);
    }
  }

  async #copySealed(open: NamedSegment | undefined): Promise<void> {
    const { settings, segments, signal } = this.#parts;
    const { fileSystem } = settings;
    const all = segments();
    for (const [index, segment] of all.entries()) {
      signal.throwIfAborted();
      if (segment.name === open?.name.name || this.#copied.has(segment.name)) continue;
      const nextPosition = (all[index + 1] ?? open?.name)?.position;
      const copying = { fileSystem, segment, sources: this.#sources(), target: this.#path };
      if (!(await copySegment({ ...copying, nextPosition }))) {
        throw new Error(`no directory has ${segment.name} whole`);
      }
      this.#copied.add(segment.name);
    }
  }

  /** The durable entries of a range of the segment being written. */
  async #copyOpen(
    { name }: SegmentName,
    { start, end }: { readonly start: number; readonly end: number },
  ): Promise<void> {
    const { fileSystem } = this.#parts.settings;
    const [source = ''] = this.#sources();
    await withFile(fileSystem.open(join(source, name), 'read'), (whole) =>
      withFile(
        fileSystem.open(join(this.#path, name), start === 0 ? 'create' : 'write'),
        async (file) => {
          if (end > start) {
            await copyEntries(whole, file, { byteOffset: start, endByteOffset: end });
          }
          await syncData(file);
        },
      ),
    );
  }

  /** Between two groups: the rest, the record, and from then on it is written. */
  async #finish(current: NamedSegment | undefined, copiedEnd: number): Promise<void> {
    const { settings, roster, lanes, writer } = this.#parts;
    const { fileSystem } = settings;
    let segment;
    if (current !== undefined) {
      const { name } = current.name;
      const { endByteOffset } = current;
      const allocatedBytes = (Math.ceil(endByteOffset / PAGE_BYTES) + 1) * PAGE_BYTES;
      if (endByteOffset > copiedEnd) {
        await this.#copyOpen(current.name, { start: copiedEnd, end: endByteOffset });
      }
      const file = await fileSystem.open(join(this.#path, name), 'through');
      await writeZeros(file, endByteOffset, allocatedBytes);
      await syncData(file);
      segment = { name, file, endByteOffset, allocatedBytes };
    }
    await syncNames(fileSystem, this.#path);
    const onFailure = (): void => {
      writer.laneFailed();
    };
    const lane = new Lane(settings, this.#path, { segment, onFailure });
    try {
      await lane.start();
      await lanes.record(() => roster.joined(this.#path), this.#path);
    } catch (error) {
      await lane.close();
      throw error;
    }
    lanes.add(lane);
  }

  #sources(): readonly string[] {
    return this.#parts.lanes.all.map(({ directory }) => directory);
  }
}
