// Bytes that no client of ours would send. Whatever comes, the door neither crashes nor changes the
// books nor keeps memory, and it goes on serving others.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameKind } from '../../base/protocol.ts';
import { encodeQuery } from '../../base/query-frame.ts';
import { Prng } from '../../base/prng.ts';
import { counts, findAccount } from '../../domain/queries.ts';
import { FAKE_API_KEY } from '../testing/fake-node.ts';
import { type BinaryNode, createBinaryNode } from './testing/binary-node.ts';
import { RawPeer, batch, codeOf, frame, jsonPayload } from './testing/raw-peer.ts';

const MUTATED = 2000;
const LOUD = 500;
const AT_ONCE = 25;
const { problem: PROBLEM, answer: ANSWER } = FrameKind;

const HELLO = frame(FrameKind.hello, 0, jsonPayload({ key: FAKE_API_KEY, version_min: 1 }));

const QUESTION = encodeQuery({ filter: {}, order: 'newest-first', limit: 2 });

/** Nothing in these can change the books: questions, and transfers that exist already. */
const HARMLESS = [
  frame(FrameKind.ping, 1, new Uint8Array(0)),
  frame(FrameKind.createTransfers, 2, batch(1, 3)),
  frame(FrameKind.lookupTransfers, 3, new Uint8Array(32)),
  frame(FrameKind.createAccounts, 4, jsonPayload({ accounts: [] })),
  frame(FrameKind.defineLedger, 5, jsonPayload({ ledger: 978, currency: 'EUR', exponent: 2 })),
  frame(FrameKind.status, 6, new Uint8Array(0)),
  frame(FrameKind.queryTransfers, 7, QUESTION),
  frame(FrameKind.queryAccounts, 8, QUESTION),
  frame(FrameKind.revertTransfer, 9, new Uint8Array(16)),
  frame(FrameKind.createPosting, 10, jsonPayload({ id: 'po_1', legs: [] })),
];

function harmlessStream(chance: Prng): Buffer {
  const frames = Array.from({ length: 1 + chance.below(4) }, () => {
    return HARMLESS[chance.below(HARMLESS.length)]!;
  });
  return Buffer.concat([HELLO, ...frames]);
}

/** One of: a flipped bit, cut short, bytes doubled, bytes left out, a random run, a huge length. */
function mutate(chance: Prng, stream: Buffer): Buffer {
  const bytes = Buffer.from(stream);
  const at = chance.below(bytes.byteLength);
  const run = 1 + chance.below(64);
  switch (chance.below(6)) {
    case 0:
      bytes[at]! ^= 1 << chance.below(8);
      return bytes;
    case 1:
      return bytes.subarray(0, at);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - run))]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + run)]);
    case 4:
      for (let index = at; index < Math.min(at + run, bytes.byteLength); index++) {
        bytes[index] = chance.below(256);
      }
      return bytes;
    default: {
      const begin = Math.min(at - (at % 8), bytes.byteLength - 32);
      bytes.writeUInt32LE(0xffff_fff8, begin + 16);
      return bytes;
    }
  }
}

/** Sends it in pieces, ends the sending, and waits until the door has ended the connection. */
async function send(node: BinaryNode, bytes: Buffer, pieces: number): Promise<void> {
  const peer = await RawPeer.connect(node.port);
  const pieceBytes = Math.ceil(bytes.byteLength / pieces) || 1;
  for (let offset = 0; offset < bytes.byteLength; offset += pieceBytes) {
    peer.write(bytes.subarray(offset, offset + pieceBytes));
  }
  peer.socket.end();
  await peer.ended();
}

async function settled(node: BinaryNode): Promise<void> {
  await using peer = await RawPeer.open(node.port);
  await peer.until(() => node.server.connectionCount === 1 && node.server.heldBytes === 0);
}

test(`${MUTATED} mutated streams change nothing and stop nobody`, async () => {
  await using node = await createBinaryNode({ bounds: { lingerMs: 200 } });
  await using steady = await RawPeer.open(node.port);
  steady.request(FrameKind.createTransfers, 1, batch(1, 3));
  await steady.answerTo(1);
  const before = books(node);
  const chance = new Prng(20261123);
  for (let done = 0; done < MUTATED; done += AT_ONCE) {
    const streams = Array.from({ length: AT_ONCE }, () => mutate(chance, harmlessStream(chance)));
    await Promise.all(streams.map((stream) => send(node, stream, 1 + chance.below(5))));
  }
  await steady[Symbol.asyncDispose]();
  await settled(node);
  assert.deepEqual(books(node), before);
  assert.deepEqual(node.logged, []);
});

test(`${LOUD} streams of noise, before and after the hello, are refused`, async () => {
  await using node = await createBinaryNode({ bounds: { lingerMs: 200 } });
  const chance = new Prng(7);
  const submitted = node.engine.submitted;
  for (let done = 0; done < LOUD; done += AT_ONCE) {
    const streams = Array.from({ length: AT_ONCE }, () => {
      const loud = noise(chance, 1 + chance.below(4000));
      return chance.below(2) === 0 ? loud : Buffer.concat([HELLO, loud]);
    });
    await Promise.all(streams.map((stream) => send(node, stream, 1 + chance.below(3))));
  }
  await settled(node);
  assert.equal(node.engine.submitted, submitted);
  assert.deepEqual(node.logged, []);
});

test(`${LOUD} whole frames of any kind around noise move nothing`, async () => {
  await using node = await createBinaryNode({ bounds: { lingerMs: 200 } });
  const before = books(node).accounts;
  const chance = new Prng(11);
  const kinds = [...Object.values(FrameKind), 0, 36, 0xffff];
  for (let done = 0; done < LOUD; done += AT_ONCE) {
    const streams = Array.from({ length: AT_ONCE }, () => {
      const size = chance.pick([0, 8, 16, 128, 1024, 8 * chance.below(600)]);
      const request = chance.below(1000);
      const loud = frame(chance.pick(kinds), request, noise(chance, size));
      return Buffer.concat([HELLO, loud, HARMLESS[0]!]);
    });
    await Promise.all(streams.map((stream) => send(node, stream, 1 + chance.below(3))));
  }
  await settled(node);
  assert.deepEqual(books(node).accounts, before);
  assert.deepEqual(node.logged, []);
});

function noise(chance: Prng, count: number): Buffer {
  const bytes = Buffer.alloc(count);
  for (let index = 0; index < count; index++) bytes[index] = chance.below(256);
  return bytes;
}

/** All that money is, and how much is remembered. */
function books({ engine }: BinaryNode) {
  const accounts = [1n, 2n, 3n].map((id) => findAccount(engine.state, id));
  const { edgeSeconds: _, ...size } = counts(engine.state);
  return { accounts, size };
}

for (const { what, bytes, code } of [
  { what: 'a wrong payload checksum', bytes: damagedPayload(), code: 'frame_checksum_wrong' },
  { what: 'a wrong header checksum', bytes: damagedHeader(), code: 'frame_checksum_wrong' },
  { what: 'another protocol', bytes: Buffer.alloc(64, 'GET / '), code: 'frame_malformed' },
  { what: 'a payload of 2 MiB', bytes: tooLarge(), code: 'body_too_large' },
  {
    what: 'another version than agreed',
    bytes: frame(FrameKind.status, 1, new Uint8Array(0), 2),
    code: 'protocol_version_unsupported',
  },
]) {
  test(`${what} hears ${code} and ends the connection`, async () => {
    await using node = await createBinaryNode();
    await using peer = await RawPeer.open(node.port);
    peer.write(bytes);
    assert.equal(codeOf(await peer.frameWhere(({ kind }) => kind === PROBLEM)), code);
    await peer.ended();
  });
}

test('a frame that comes byte by byte is answered like any other', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.connect(node.port);
  const bytes = Buffer.concat([HELLO, frame(FrameKind.createTransfers, 5, batch(1, 1))]);
  for (const byte of bytes) {
    peer.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { kind } = await peer.answerTo(5);
  assert.equal(kind, FrameKind.createTransfers + ANSWER);
});

test('before the hello nobody may announce more than a hello', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.connect(node.port);
  peer.write(frame(FrameKind.createTransfers, 1, batch(1, 8189)).subarray(0, 64));
  assert.equal(codeOf(await peer.frameWhere(({ kind }) => kind === PROBLEM)), 'body_too_large');
  assert.ok(node.server.heldBytes < 4096);
  await peer.ended();
});

function damagedPayload(): Uint8Array {
  const bytes = frame(FrameKind.createTransfers, 1, batch(1, 1));
  bytes[40]! ^= 1;
  return bytes;
}

function damagedHeader(): Uint8Array {
  const bytes = frame(FrameKind.createTransfers, 1, batch(1, 1));
  bytes[16]! ^= 0x80;
  return bytes;
}

function tooLarge(): Uint8Array {
  return frame(FrameKind.createTransfers, 1, new Uint8Array(2 * 1024 * 1024)).subarray(0, 32);
}
