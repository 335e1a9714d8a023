import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  END_MARK_BYTES,
  PAGE_BYTES,
  SECTOR_BYTES,
  endMarkOf,
  hasEndMark,
  isHeaderEndLost,
  isTorn,
  sectorEndOf,
} from './segment-codec.ts';
import {
  offsetOf,
  parseOffset,
  parseSegmentName,
  segmentNameOf,
  segmentsAmong,
} from './segment-name.ts';
import { sha256 } from './sha256.ts';

const allBytes = Array.from({ length: 256 }, (_value, index) => index);

/** Entries whose zeros, ends and headers stand where sectors begin and end. */
function* layouts(): Generator<{
  readonly name: string;
  readonly whole: Uint8Array<ArrayBuffer>;
  readonly byteOffset: number;
}> {
  for (const byteOffset of [0, 8, 264, 448, 504]) {
    const behindHeader = SECTOR_BYTES - ((byteOffset + 256) % SECTOR_BYTES);
    const contents: [string, Uint8Array<ArrayBuffer>][] = [
      ['zeros', new Uint8Array(4 * SECTOR_BYTES)],
      ['the mark alone in a sector', new Uint8Array(behindHeader + 2 * SECTOR_BYTES)],
      ['one byte in a sector', new Uint8Array(5 * SECTOR_BYTES).fill(3, 1030, 1031)],
      ['two bytes in a sector', new Uint8Array(5 * SECTOR_BYTES).fill(3, 1030, 1032)],
      ['full sectors between zeros', new Uint8Array(9 * SECTOR_BYTES).fill(3, 600, 2600)],
      ['no body', new Uint8Array()],
    ];
    for (const [name, body] of contents) {
      const whole = new Uint8Array(256 + body.byteLength);
      whole.set(body, 256);
      yield { name: `${name}, at ${byteOffset}`, whole: sealed(whole), byteOffset };
    }
  }
}

/** With a header of no zeros (but its last 32 bytes) and the right digest. */
function sealed(whole: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  whole.fill(5, 32, 224);
  whole.set(sha256(whole.subarray(32)));
  return whole;
}

/** Entry and end mark as they stand in the file. */
function storedAt(entryBytes: Uint8Array, byteOffset: number): Uint8Array<ArrayBuffer> {
  const stored = new Uint8Array(entryBytes.byteLength + END_MARK_BYTES);
  stored.set(entryBytes);
  stored.set(endMarkOf(entryBytes, byteOffset), entryBytes.byteLength);
  return stored;
}

void describe('the end mark of an entry', () => {
  void it('has two non-zero bytes in each half, whatever the length', () => {
    for (const bytes of [256, 264, 4096, 65_536, 1024 * 1024]) {
      const mark = endMarkOf(new Uint8Array(bytes).fill(1), 0);
      assert.ok(mark.subarray(0, 4).filter((byte) => byte !== 0).length >= 2);
      assert.ok(mark.subarray(4).filter((byte) => byte !== 0).length >= 2);
    }
  });

  void it('is right for its own entry and place only', () => {
    const zeros = new Uint8Array(10_000);
    const stored = storedAt(zeros, 0);
    assert.ok(hasEndMark(stored, zeros.byteLength, zeros, 0));
    assert.ok(!hasEndMark(stored, zeros.byteLength, zeros.subarray(8), 0));
    for (let bit = 0; bit < 64; bit++) {
      const flipped = stored.slice();
      const at = zeros.byteLength + Math.floor(bit / 8);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit % 8));
      assert.ok(!hasEndMark(flipped, zeros.byteLength, zeros, 0));
    }
  });
});

void describe('torn against corrupt', () => {
  const entry = new Uint8Array(3 * PAGE_BYTES).fill(9);

  void it('calls an entry torn when any of its pages is zero', () => {
    for (const byteOffset of [0, 8, 2048, 4088]) {
      const stored = storedAt(entry, byteOffset);
      assert.ok(!isTorn(stored, byteOffset));
      for (let page = 0; page < byteOffset + stored.byteLength; page += PAGE_BYTES) {
        const torn = stored.slice();
        torn.fill(0, Math.max(0, page - byteOffset), Math.max(0, page + PAGE_BYTES - byteOffset));
        assert.ok(isTorn(torn, byteOffset), `page ${page} of the entry at ${byteOffset}`);
      }
    }
  });

  void it('does not call it torn for a part of a sector', () => {
    const stored = storedAt(entry, 0);
    stored.fill(0, 10, SECTOR_BYTES);
    stored.fill(0, SECTOR_BYTES, 2 * SECTOR_BYTES - 1);
    assert.ok(!isTorn(stored, 0));
    stored.fill(0, SECTOR_BYTES, 2 * SECTOR_BYTES);
    assert.ok(isTorn(stored, 0));
  });

  void it('does not take zeros that belong to the entry for a missing page', () => {
    const sparse = entry.slice();
    sparse.fill(0, PAGE_BYTES, 2 * PAGE_BYTES);
    sparse[PAGE_BYTES + 5] = 1;
    const stored = storedAt(sparse, 0);
    stored[PAGE_BYTES + 5] = 0;
    assert.ok(!isTorn(stored, 0));
    stored.fill(0, 0, PAGE_BYTES);
    assert.ok(isTorn(stored, 0));
  });

  void it('never calls it torn for one changed byte, wherever its zeros and borders are', () => {
    for (const { name, whole, byteOffset } of layouts()) {
      const stored = storedAt(whole, byteOffset);
      assert.ok(!isTorn(stored, byteOffset), name);
      for (let index = 0; index < stored.byteLength; index++) {
        const before = stored[index] ?? 0;
        const isMark = index >= whole.byteLength;
        for (const value of isMark ? allBytes : [0, 1, before ^ 0x80]) {
          stored[index] = value;
          if (value === before) continue;
          assert.ok(!isTorn(stored, byteOffset), `${name}: byte ${index} became ${value}`);
        }
        stored[index] = before;
      }
    }
  });

  void it('calls it torn for any lost sector that was not all but empty, and for any prefix', () => {
    for (const { name, whole, byteOffset } of layouts()) {
      const stored = storedAt(whole, byteOffset);
      // Beside a sector of one byte it is not sure which of them was lost: in doubt corrupt.
      let start = name.startsWith('one byte') ? stored.byteLength : 0;
      while (start < stored.byteLength) {
        const end = sectorEndOf(byteOffset + start) - byteOffset;
        const torn = stored.slice();
        torn.fill(0, start, end);
        const isTelling = stored.some((value, at) => value !== torn[at]);
        assert.equal(isTorn(torn, byteOffset), isTelling, `${name}: sector at ${start}`);
        start = end;
      }
      for (let end = 256; end <= whole.byteLength; end += 8) {
        const torn = stored.slice();
        torn.fill(0, end);
        assert.ok(isTorn(torn, byteOffset), `${name}: ${end} bytes were written`);
      }
    }
  });

  void it('takes no header for one that lost its end because of one changed byte', () => {
    for (let byteOffset = 0; byteOffset < SECTOR_BYTES; byteOffset += 8) {
      const header = sealed(new Uint8Array(256)).subarray(0, 256);
      for (let index = 0; index < header.byteLength; index++) {
        const before = header[index] ?? 0;
        for (const value of [0, 1, before ^ 0x80]) {
          header[index] = value;
          assert.ok(!isHeaderEndLost(header, byteOffset), `byte ${index} at ${byteOffset}`);
        }
        header[index] = before;
      }
    }
  });

  void it('sees that a header lost its second page, unless that holds only zeros anyway', () => {
    const header = new Uint8Array(256).fill(1);
    header.fill(0, 224);
    const cut = header.slice();
    cut.fill(0, 96);
    assert.ok(isHeaderEndLost(cut, PAGE_BYTES - 96));
    assert.ok(!isHeaderEndLost(header, PAGE_BYTES - 96));
    assert.ok(!isHeaderEndLost(header, PAGE_BYTES - 224));
    assert.ok(!isHeaderEndLost(header, 0));
  });
});

void describe('names of segments and offsets', () => {
  void it('sort as the log does and are read back', () => {
    const names = [segmentNameOf(10, 2), segmentNameOf(9, 1), segmentNameOf(10, 10)];
    const sorted = segmentsAmong([...names.map(({ name }) => name), 'spare.ready', 'lock.sqlite']);
    assert.deepEqual(
      sorted.map(({ position, epoch }) => [position, epoch]),
      [
        [9, 1],
        [10, 2],
        [10, 10],
      ],
    );
    assert.equal(segmentNameOf(1, 1).name, '00000000000000000001-0000000001.journal');
    assert.equal(parseSegmentName('1-1.journal'), undefined);
    const { name } = segmentNameOf(3, 1);
    assert.deepEqual(parseOffset(offsetOf(name, 4096)), { segmentName: name, byteOffset: 4096 });
    assert.equal(parseOffset('nonsense'), undefined);
  });
});
