import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { FrameReader } from '../base/frame-reader.ts';
import { COPIED_PAYLOAD_BYTES_MAX, SendBuffer } from './send-buffer.ts';

const KIND = 16;

/** The requests and the first payload bytes of the frames in `pieces`. */
function framesOf(pieces: readonly Uint8Array[]): number[][] {
  const reader = new FrameReader({ crc32, payloadBytesMax: 1024 * 1024 });
  reader.push(Buffer.concat(pieces));
  const frames: number[][] = [];
  for (;;) {
    const reading = reader.next();
    if (reading.kind !== 'frame') {
      assert.equal(reading.kind, 'more');
      return frames;
    }
    frames.push([reading.frame.request, reading.frame.payload[0] ?? -1]);
  }
}

function filled(bytes: number, value: number): Uint8Array {
  return new Uint8Array(bytes).fill(value);
}

test('small frames leave as one piece, a large payload as it is between them', () => {
  const buffer = new SendBuffer(crc32);
  const large = filled(COPIED_PAYLOAD_BYTES_MAX + 8, 3);
  buffer.add(filled(128, 1), { kind: KIND, request: 1 });
  buffer.add(filled(0, 0), { kind: KIND, request: 2 });
  buffer.add(large, { kind: KIND, request: 3 });
  buffer.add(filled(128, 4), { kind: KIND, request: 4 });
  const pieces = buffer.take();
  assert.equal(pieces.length, 3);
  assert.equal(pieces[1], large);
  assert.deepEqual(framesOf(pieces), [
    [1, 1],
    [2, -1],
    [3, 3],
    [4, 4],
  ]);
  assert.deepEqual([buffer.take(), buffer.isEmpty], [[], true]);
});

test('what the network has not taken yet is not written over', () => {
  const buffer = new SendBuffer(crc32);
  const held: Uint8Array[] = [];
  const wanted: number[][] = [];
  for (let request = 1; request <= 3000; request++) {
    buffer.add(filled(128, request % 251), { kind: KIND, request });
    wanted.push([request, request % 251]);
    if (request % 7 === 0) held.push(...buffer.take());
  }
  assert.deepEqual(framesOf([...held, ...buffer.take()]), wanted);
});

test('what was added since the last piece is not lost when the network has taken that piece', () => {
  const buffer = new SendBuffer(crc32);
  buffer.add(filled(128, 1), { kind: KIND, request: 1 });
  const first = buffer.take();
  buffer.add(filled(128, 2), { kind: KIND, request: 2 });
  buffer.sent();
  assert.deepEqual(framesOf([...first, ...buffer.take()]), [
    [1, 1],
    [2, 2],
  ]);
  buffer.sent();
  buffer.add(filled(128, 3), { kind: KIND, request: 3 });
  const third = buffer.take();
  assert.equal(third[0]?.byteOffset, first[0]?.byteOffset);
  assert.deepEqual(framesOf(third), [[3, 3]]);
});
