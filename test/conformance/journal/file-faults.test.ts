// What a damaged file journal does when it is opened: it halts and says where, or cuts what was
// never acknowledged. Never another history (I29, I33). A sample of the bytes, every one of them in
// a lane of its own: HOLDFAST_FLIP_ALL=1.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Entry, equalBytes } from '../../../src/base/entry.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import { ENTRY_HEADER_BYTES } from '../../../src/base/limits.ts';
import { Prng } from '../../../src/base/prng.ts';
import { inspectJournal } from '../../../src/drivers/file/inspect.ts';
import {
  END_MARK_BYTES,
  PAGE_BYTES,
  SECTOR_BYTES,
} from '../../../src/drivers/file/segment-codec.ts';
import { chainAfter, entryAfter, openingAfter, randomBody } from './entries.ts';
import {
  DIRECTORY,
  type OpenResult,
  type SavedJournal,
  diskWith,
  openAndRead,
  savedJournal,
  smallJournal,
} from './simulated-journal.ts';

const ONE_SEGMENT_BYTES = 32 * 1024;
/** Prime, so that every place within a word, a header and a mark has its turn. */
const STRIDE = process.env['HOLDFAST_FLIP_ALL'] === '1' ? 1 : 5;

void describe('a damaged file journal', () => {
  void it('halts, or loses nothing, whichever byte is flipped', async () => {
    const saved = await smallJournal();
    for (const [path, pristine] of saved.files) {
      const end = endOfNonZero(pristine);
      let haltCount = 0;
      for (const { index, pattern } of flips(end, pristine.byteLength)) {
        const bytes = pristine.slice();
        bytes[index] = (bytes[index] ?? 0) ^ pattern;
        const result = await openAndRead(diskWith(saved, new Map([[path, bytes]])));
        assertNothingLost(result, saved, path);
        if (result.kind === 'halt') haltCount += 1;
        else assert.ok(index >= end, `byte ${index} of ${path} was flipped and not found`);
      }
      assert.ok(haltCount >= Math.floor(end / STRIDE));
    }
  });

  void it('never cuts an acknowledged last entry for one flipped byte, wherever it stands', async () => {
    for (const { name, saved } of await layouts()) {
      const [path, pristine] = lastFile(saved);
      const end = endOfStored(saved);
      const markStart = end - END_MARK_BYTES;
      const start = byteOffsetOfLast(saved);
      const bodyStart = start + ENTRY_HEADER_BYTES;
      for (let index = start; index < end; index += 1) {
        // Of a body every ninth byte, so that all places within 8 bytes have their turn.
        if (index >= bodyStart && index < markStart && index % (9 * STRIDE) !== 0) continue;
        const patterns = index < markStart ? [1 << (index % 8)] : [1, 2, 4, 8, 16, 32, 64, 128];
        for (const pattern of patterns) {
          const bytes = pristine.slice();
          bytes[index] = (bytes[index] ?? 0) ^ pattern;
          const result = await openAndRead(diskWith(saved, new Map([[path, bytes]])));
          assert.equal(result.kind, 'halt', `${name}: byte ${index} ^ ${pattern}`);
        }
      }
    }
  });

  void it('starts again behind any sectors lost of a last entry, wherever it stands', async () => {
    for (const { saved } of await layouts()) {
      const [path, pristine] = lastFile(saved);
      const start = byteOffsetOfLast(saved);
      const end = endOfStored(saved);
      const prng = new Prng(1);
      for (let choice = 0; choice < 100; choice++) {
        const bytes = pristine.slice();
        for (let at = start - (start % SECTOR_BYTES); at < end; at += SECTOR_BYTES) {
          if (prng.chance(0.5))
            bytes.fill(0, Math.max(start, at), Math.min(end, at + SECTOR_BYTES));
        }
        const result = await openAndRead(diskWith(saved, new Map([[path, bytes]])));
        assert.equal(result.kind, 'open');
        if (result.kind !== 'open') continue;
        // Zeros that were lost and zeros that were written are the same.
        const isWhole = equalBytes(bytes, pristine);
        assertHistory(result.entries, isWhole ? saved.entries : saved.entries.slice(0, -1));
      }
    }
  });

  void it('cuts a last entry whose end mark was not written, as a killed process leaves it', async () => {
    const { saved } = (await layouts())[0] ?? assert.fail();
    const [path, pristine] = lastFile(saved);
    const bytes = pristine.slice().fill(0, endOfStored(saved) - END_MARK_BYTES);
    const result = await openAndRead(diskWith(saved, new Map([[path, bytes]])));
    assert.ok(result.kind === 'open' && result.opening.tornBytes > 0);
    assertHistory(result.entries, saved.entries.slice(0, -1));
  });

  void it('halts when a file was cut short inside or right behind its entries', async () => {
    const saved = await smallJournal();
    for (const [path, pristine] of saved.files) {
      const end = endOfNonZero(pristine);
      for (let size = 0; size < pristine.byteLength; size += 512) {
        const replaced = new Map([[path, pristine.slice(0, size)]]);
        assertNothingLost(await openAndRead(diskWith(saved, replaced)), saved, path);
      }
      const exactly = new Map([[path, pristine.slice(0, end)]]);
      assertNothingLost(await openAndRead(diskWith(saved, exactly)), saved, path);
    }
  });

  void it('halts when a segment in the middle is missing', async () => {
    const first = openingAfter(undefined, 'a');
    const saved = await savedJournal([first, ...chainAfter(first, 24, 1000)]);
    const paths = [...saved.files.keys()];
    assert.ok(paths.length >= 3);
    const disk = diskWith(saved);
    await disk.remove(paths[1] ?? '');
    const result = await openAndRead(disk);
    assert.equal(result.kind, 'halt');
    assertCorrupt(result.kind === 'halt' ? result.error : undefined, paths[2] ?? '');
  });

  void it('cuts a last entry of which any page is missing, and goes on behind what is whole', async () => {
    const saved = await journalWithTornCandidate();
    const [path, pristine] = lastFile(saved);
    const start = byteOffsetOfLast(saved);
    const end = endOfNonZero(pristine);
    let cuts = 0;
    for (const lost of pageSubsets(start, end)) {
      const bytes = pristine.slice();
      for (const page of lost)
        bytes.fill(0, Math.max(start, page), Math.min(end, page + PAGE_BYTES));
      const disk = diskWith(saved, new Map([[path, bytes]]));
      const result = await openAndRead(disk);
      assert.equal(result.kind, 'open');
      if (result.kind !== 'open') continue;
      assertHistory(result.entries, saved.entries.slice(0, -1));
      if (endOfNonZero(bytes) > start) {
        assert.ok(result.opening.tornBytes > 0);
        cuts += 1;
      }
      assert.equal(endOfNonZero(disk.bytesOf(path)), start, 'the cut left zeros');
    }
    assert.ok(cuts > 5);
  });

  void it('halts when an earlier entry misses a page, since a later one says it was acknowledged', async () => {
    const opening = openingAfter(undefined, 'a');
    const large = entryAfter(opening, { body: randomBody(1, 9000), durable: 1 });
    const saved = await savedJournal([opening, large, ...chainAfter(large, 2)], ONE_SEGMENT_BYTES);
    const [path, pristine] = lastFile(saved);
    const bytes = pristine.slice();
    bytes.fill(0, PAGE_BYTES, 2 * PAGE_BYTES);
    const result = await openAndRead(diskWith(saved, new Map([[path, bytes]])));
    assert.equal(result.kind, 'halt');
    assertCorrupt(result.kind === 'halt' ? result.error : undefined, path);
  });

  void it('halts when zeros that an entry legally holds hide a flipped byte', async () => {
    const opening = openingAfter(undefined, 'a');
    const body = new Uint8Array(3 * PAGE_BYTES);
    body[5000] = 1;
    const saved = await savedJournal(
      [opening, entryAfter(opening, { body, durable: 1 })],
      ONE_SEGMENT_BYTES,
    );
    const [path, pristine] = lastFile(saved);
    const end = endOfNonZero(pristine);
    for (let index = byteOffsetOfLast(saved); index < end; index += index % 64 === 0 ? 1 : 7) {
      const bytes = pristine.slice();
      bytes[index] = (bytes[index] ?? 0) ^ 1;
      const result = await openAndRead(diskWith(saved, new Map([[path, bytes]])));
      assert.equal(result.kind, 'halt', `byte ${index}`);
    }
  });

  void it('clears garbage in the zeros behind the last entry, or halts beside it', async () => {
    const saved = await smallJournal();
    const [path, pristine] = lastFile(saved);
    const end = endOfNonZero(pristine);
    const results = { open: 0, halt: 0 };
    for (let at = end; at + 100 <= pristine.byteLength; at += 128) {
      const bytes = pristine.slice();
      bytes.set(randomBody(at, 100), at);
      const disk = diskWith(saved, new Map([[path, bytes]]));
      const result = await openAndRead(disk);
      assertNothingLost(result, saved, path);
      results[result.kind] += 1;
      if (result.kind === 'open') assert.equal(endOfNonZero(disk.bytesOf(path)), end);
    }
    assert.ok(results.open > 0 && results.halt > 0);
  });

  void it('removes a segment in which no entry was ever written', async () => {
    const saved = await smallJournal();
    const disk = diskWith(saved);
    const name = `${DIRECTORY}/00000000000000000010-0000000003.journal`;
    disk.setBytes(name, new Uint8Array(8192));
    const result = await openAndRead(disk);
    assert.equal(result.kind, 'open');
    assertNothingLost(result, saved, name);
    assert.ok(!disk.paths().includes(name));
  });

  void it('shows findings to an inspector without changing anything', async () => {
    const saved = await journalWithTornCandidate();
    const [path, pristine] = lastFile(saved);
    const torn = pristine.slice();
    const start = byteOffsetOfLast(saved);
    torn.fill(0, Math.ceil(start / PAGE_BYTES) * PAGE_BYTES, endOfNonZero(pristine));
    const corrupt = pristine.slice();
    corrupt[start + 300] = (corrupt[start + 300] ?? 0) ^ 1;
    for (const [bytes, severity] of [
      [torn, 'torn'],
      [corrupt, 'corrupt'],
    ] as const) {
      const disk = diskWith(saved, new Map([[path, bytes]]));
      let entryCount = 0;
      const findings = [];
      for await (const item of inspectJournal(DIRECTORY, { fileSystem: disk })) {
        if (item.kind === 'entry') entryCount += 1;
        if (item.kind === 'finding') findings.push(item);
      }
      assert.equal(entryCount, saved.entries.length - 1);
      assert.equal(findings.length, 1);
      assert.equal(findings[0]?.severity, severity);
      assert.equal(findings[0]?.path, path);
      assert.equal(findings[0]?.byteOffset, start);
      assert.equal(findings[0]?.position, saved.entries.length);
      assert.ok(equalBytes(disk.bytesOf(path), bytes));
    }
  });
});

/**
 * Every byte of the entries, some in a second way; the zeros behind them are alike but at first.
 */
function* flips(end: number, sizeBytes: number): Generator<{ index: number; pattern: number }> {
  for (let index = 0; index < end; index += STRIDE) {
    yield { index, pattern: 1 << ((index * 5) % 8) };
    if (index % 16 === 0) yield { index, pattern: 0xff };
  }
  for (let index = end; index < sizeBytes; index += index < end + 300 ? STRIDE : 13 * STRIDE) {
    yield { index, pattern: 1 << (index % 8) };
  }
}

type Layout = { readonly name: string; readonly saved: SavedJournal };

/**
 * Journals whose last entry stands across the borders of sectors and pages, in all the ways that
 * matter to the judge; bodies like batches of records without content have sectors of zeros.
 */
async function layouts(): Promise<readonly Layout[]> {
  const opening = openingAfter(undefined, 'a');
  const openingStored = opening.bytes.byteLength + END_MARK_BYTES;
  const records: Uint8Array<ArrayBuffer> = new Uint8Array(12 * 128);
  for (let at = 0; at < records.byteLength; at += 640) records.fill(9, at, at + 24);
  // Where the last entry begins: its header crosses a sector's border, or a page's, or none.
  const starts = [SECTOR_BYTES - 96, PAGE_BYTES - 200, PAGE_BYTES - 8, 2 * SECTOR_BYTES];
  const found: Layout[] = [];
  for (const start of starts) {
    const padding = start - openingStored - 256 - END_MARK_BYTES;
    const before =
      padding < 0 ? [] : [entryAfter(opening, { body: randomBody(2, padding), durable: 1 })];
    const last = before.at(-1) ?? opening;
    const lastStart = before.length === 0 ? openingStored : start;
    const behindHeader = SECTOR_BYTES - ((lastStart + 256) % SECTOR_BYTES);
    const bodies: [string, Uint8Array][] = [
      ['zeros', new Uint8Array(3 * SECTOR_BYTES)],
      ['records', records],
      ['the mark alone in its sector', randomBody(4, behindHeader + SECTOR_BYTES)],
    ];
    for (const [name, body] of bodies) {
      const entry = entryAfter(last, { body, durable: last.position });
      const saved = await savedJournal([opening, ...before, entry]);
      found.push({ name: `${name}, at ${lastStart}`, saved });
    }
  }
  return found;
}

/** Its last entry was written but may not have been acknowledged. */
async function journalWithTornCandidate(): Promise<SavedJournal> {
  const opening = openingAfter(undefined, 'a');
  const entries = [opening, ...chainAfter(opening, 9, 112)];
  entries.push(entryAfter(entries.at(-1), { body: randomBody(3, 6000), durable: 9 }));
  return await savedJournal(entries, ONE_SEGMENT_BYTES);
}

/** Every choice of pages between two offsets but none: each of them may be lost in a crash. */
function pageSubsets(start: number, end: number): number[][] {
  const pages: number[] = [];
  for (let page = Math.floor(start / PAGE_BYTES) * PAGE_BYTES; page < end; page += PAGE_BYTES) {
    pages.push(page);
  }
  const subsets: number[][] = [];
  for (let choice = 1; choice < 2 ** pages.length; choice++) {
    subsets.push(pages.filter((_page, index) => (choice & (1 << index)) !== 0));
  }
  return subsets;
}

function lastFile(saved: SavedJournal): readonly [string, Uint8Array<ArrayBuffer>] {
  const file = [...saved.files].at(-1);
  assert.ok(file !== undefined);
  return file;
}

/** Where the last entry of a one-segment journal begins. */
function byteOffsetOfLast(saved: SavedJournal): number {
  const before = saved.entries.slice(0, -1);
  return before.reduce((sum, { bytes }) => sum + bytes.byteLength + 8, 0);
}

/** The end of the last entry's end mark. */
function endOfStored(saved: SavedJournal): number {
  const last = saved.entries.at(-1)?.bytes.byteLength ?? 0;
  return byteOffsetOfLast(saved) + last + END_MARK_BYTES;
}

function endOfNonZero(bytes: Uint8Array): number {
  let end = bytes.byteLength;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return end;
}

function assertNothingLost(result: OpenResult, saved: SavedJournal, path: string): void {
  if (result.kind === 'halt') assertCorrupt(result.error, path);
  else assertHistory(result.entries, saved.entries);
}

function assertHistory(found: readonly Entry[], expected: readonly Entry[]): void {
  assert.equal(found.length, expected.length);
  for (const [index, entry] of found.entries()) {
    assert.ok(equalBytes(entry.bytes, expected[index]?.bytes ?? new Uint8Array()));
  }
}

/** Names the file, the byte and the position, and says what to do. */
function assertCorrupt(error: unknown, path: string): void {
  assert.ok(isOperationalError(error, 'JOURNAL_CORRUPT'), String(error));
  assert.ok(error.detail.includes(path), error.detail);
  assert.match(error.detail, /, byte \d+, position \d+: found /);
  assert.ok(error.wayOut.length > 0);
}
