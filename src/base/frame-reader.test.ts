import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { FrameReader, type FrameReading } from './frame-reader.ts';
import { newFrame, sealFrame } from './protocol.ts';

function frameOf(request: number, payloadBytes: number): Uint8Array {
  const frame = newFrame(payloadBytes).fill(request & 0xff);
  return sealFrame(frame, { kind: 16, request }, crc32);
}

/** Whatever still looked at a chunk that has been given back would see this. */
function poison(chunk: Uint8Array): void {
  chunk.fill(0xee);
}

function readerOf(payloadBytesMax = 4096, admit = (): boolean => true): FrameReader {
  return new FrameReader({ crc32, payloadBytesMax, admit, onChunkRead: poison });
}

function readAll(reader: FrameReader, chunks: readonly Uint8Array[]): FrameReading[] {
  const readings: FrameReading[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (;;) {
      const reading = reader.next();
      if (reading.kind === 'more') break;
      readings.push(reading);
      if (reading.kind === 'fault') return readings;
    }
  }
  return readings;
}

test('however a stream is cut, the same frames come out of it', () => {
  const sizes = fc.array(fc.nat(40), { minLength: 1, maxLength: 12 });
  const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(sizes, cuts, (payloadWords, steps) => {
      const frames = payloadWords.map((words, index) => frameOf(index + 1, 8 * words));
      const stream = Buffer.concat(frames);
      const chunks: Uint8Array[] = [];
      for (let offset = 0, turn = 0; offset < stream.byteLength; turn++) {
        const end = Math.min(stream.byteLength, offset + steps[turn % steps.length]!);
        chunks.push(new Uint8Array(stream.subarray(offset, end)));
        offset = end;
      }
      const reader = readerOf();
      const readings = readAll(reader, chunks);
      assert.equal(reader.isInsideFrame, false);
      assert.equal(readings.length, frames.length);
      for (const [index, reading] of readings.entries()) {
        assert(reading.kind === 'frame');
        const { request, payload } = reading.frame;
        assert.equal(request, index + 1);
        assert.deepEqual(new Uint8Array(payload), new Uint8Array(frames[index]!.subarray(32)));
      }
    }),
    { numRuns: 200 },
  );
});

test('a payload in one chunk is a view of it, one that spans chunks is copied once', () => {
  const frame = frameOf(1, 64);
  const chunk = new Uint8Array(frame);
  const [whole] = readAll(readerOf(), [chunk]);
  assert(whole?.kind === 'frame');
  assert.equal(whole.frame.payload.buffer, chunk.buffer);
  const [split] = readAll(readerOf(), [frame.slice(0, 50), frame.slice(50)]);
  assert(split?.kind === 'frame');
  assert.deepEqual([split.frame.payload.byteOffset, split.frame.payload.byteLength], [0, 64]);
});

test('a small payload does not keep a large chunk alive', () => {
  const frames = [frameOf(1, 64), frameOf(2, 4000), frameOf(3, 4000), frameOf(4, 4000)];
  const chunk = new Uint8Array(Buffer.concat(frames));
  const buffers = readAll(readerOf(), [chunk]).map((reading) => {
    assert(reading.kind === 'frame');
    return reading.frame.payload.buffer === chunk.buffer;
  });
  assert.deepEqual(buffers, [false, true, true, true]);
});

test('a payload takes no memory before it is admitted, and comes when it is', () => {
  let isOpen = false;
  let asked = 0;
  const reader = readerOf(4096, () => {
    asked++;
    return isOpen;
  });
  reader.push(frameOf(1, 64));
  assert.equal(reader.next().kind, 'blocked');
  assert.equal(reader.next().kind, 'blocked');
  isOpen = true;
  assert.equal(reader.next().kind, 'frame');
  assert.equal(reader.next().kind, 'more');
  assert.equal(asked, 3);
});

test('a payload that is announced too large is refused by its header alone', () => {
  const header = frameOf(5, 4096 + 8).slice(0, 32);
  const [reading] = readAll(readerOf(), [header]);
  assert.deepEqual(reading, { kind: 'fault', fault: 'too_large', request: 5 });
});

test('every flipped bit of a frame is found, whichever part it is in', () => {
  const frame = frameOf(3, 64);
  for (let bit = 0; bit < frame.byteLength * 8; bit++) {
    const damaged = new Uint8Array(frame);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    const [reading] = readAll(readerOf(), [damaged]);
    assert.equal(reading?.kind, 'fault', `bit ${bit}`);
  }
});
