import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import {
  createdTransfersFrame,
  foundAccountsFrame,
  foundTransfersFrame,
  readCreatedTransfers,
  readFoundAccounts,
  readFoundTransfers,
} from './answers.ts';
import {
  type FrameAddress,
  FrameKind,
  assertProtocolLimits,
  newFrame,
  readFrameHeader,
  sealFrame,
  textFrame,
} from './protocol.ts';
import { TRANSFER_DEFAULTS, type Transfer, encodeTransfers } from './transfer-record.ts';

const { answer: ANSWER } = FrameKind;

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function sealed(frame: Uint8Array<ArrayBuffer>, address: FrameAddress): string {
  return hexOf(sealFrame(frame, address, crc32));
}

const TRANSFER: Transfer = {
  ...TRANSFER_DEFAULTS,
  id: 0x01a2b3c4_d5e6_0000_0000_0000_0000_0001n,
  debitAccountId: 0xa1n,
  creditAccountId: 0xa2n,
  amount: 1250n,
  pendingId: 7n,
  userData128: 8n,
  userData64: 9n,
  userData32: 10,
  timeoutSeconds: 60,
  ledger: 978,
  code: 1,
  flags: 2,
};

const ACCOUNT = {
  id: 0xa1n,
  ledger: 978,
  code: 10,
  flags: 2,
  userData128: 1n,
  userData64: 2n,
  userData32: 3,
  timestampNs: 4n,
  debitsPending: 5n,
  debitsPosted: 6n,
  creditsPending: (7n << 64n) | 8n,
  creditsPosted: 9n,
};

/** Spoken by clients of every release: these bytes never change. */
const GOLDEN: readonly { readonly what: string; readonly made: string; readonly hex: string }[] = [
  {
    what: 'hello',
    made: sealed(textFrame('{"key":"hk_x","version_min":1}'), {
      kind: FrameKind.hello,
      request: 0,
    }),
    hex: `
      4846425001000100 0000000000000000 2000000000000000 b0fa960662549529
      7b226b6579223a22 686b5f78222c2276 657273696f6e5f6d 696e223a317d2020`,
  },
  {
    what: 'ping',
    made: sealed(newFrame(0), { kind: FrameKind.ping, request: 2 ** 53 - 1 }),
    hex: `
      4846425001000200 ffffffffffff1f00 0000000000000000 000000005a2eabb2`,
  },
  {
    what: 'create transfers',
    made: createTransfersHex(),
    hex: `
      4846425001001000 0100000000000000 8000000000000000 4f8d44186717614c
      01a2b3c4d5e60000 0000000000000001 0000000000000000 00000000000000a1
      0000000000000000 00000000000000a2 e204000000000000 0000000000000000
      0000000000000000 0000000000000007 0000000000000000 0000000000000008
      0900000000000000 0a0000003c000000 d203000001000200 0000000000000000`,
  },
  {
    what: 'all created',
    made: sealed(
      createdTransfersFrame({ position: 7, timestampNs: 11n, codes: new Uint16Array(3) }),
      { kind: FrameKind.createTransfers + ANSWER, request: 1 },
    ),
    hex: `
      4846425001009000 0100000000000000 1800000000000000 09d18d468b626d24
      0700000000000000 0b00000000000000 0300000000000000`,
  },
  {
    what: 'one of two refused',
    made: sealed(
      createdTransfersFrame({ position: 7, timestampNs: 11n, codes: Uint16Array.of(0, 36) }),
      { kind: FrameKind.createTransfers + ANSWER, request: 1 },
    ),
    hex: `
      4846425001009000 0100000000000000 2000000000000000 82fcb4ab87d5baec
      0700000000000000 0b00000000000000 0200000001000000 0000240000000000`,
  },
  {
    what: 'found transfers',
    made: sealed(
      foundTransfersFrame({
        position: 7,
        found: [{ transfer: TRANSFER, state: 'accepted', hold: 'posted' }],
      }),
      { kind: FrameKind.lookupTransfers + ANSWER, request: 1 },
    ),
    hex: `
      484642500100a000 0100000000000000 9800000000000000 c99ec8faf5b59027
      0700000000000000 0100000000000000 01a2b3c4d5e60000 0000000000000001
      0000000000000000 00000000000000a1 0000000000000000 00000000000000a2
      e204000000000000 0000000000000000 0000000000000000 0000000000000007
      0000000000000000 0000000000000008 0900000000000000 0a0000003c000000
      d203000001000200 0000000000000000 0200000000000000`,
  },
  {
    what: 'found accounts',
    made: sealed(foundAccountsFrame({ position: 7, found: [ACCOUNT] }), {
      kind: FrameKind.lookupAccounts + ANSWER,
      request: 1,
    }),
    hex: `
      484642500100a100 0100000000000000 9000000000000000 0b3f780c804f5182
      0700000000000000 0100000000000000 0000000000000000 00000000000000a1
      0500000000000000 0000000000000000 0600000000000000 0000000000000000
      0800000000000000 0700000000000000 0900000000000000 0000000000000000
      0000000000000000 0000000000000001 0200000000000000 0300000000000000
      d20300000a000200 0400000000000000`,
  },
];

function createTransfersHex(): string {
  const records = encodeTransfers([TRANSFER]);
  const frame = newFrame(records.byteLength);
  frame.set(records, 32);
  return sealed(frame, { kind: FrameKind.createTransfers, request: 1 });
}

for (const { what, made, hex } of GOLDEN) {
  test(`the bytes of "${what}" are those of every release`, () => {
    assert.equal(made, hex.replaceAll(/\s/g, ''));
  });
}

test('a header is read as it was written', () => {
  const frame = textFrame('{"a":1}');
  sealFrame(frame, { kind: 254, request: 2 ** 40 + 5, version: 3 }, crc32);
  assert.deepEqual(readFrameHeader(frame, 0), {
    kind: 'header',
    header: {
      version: 3,
      kind: 254,
      request: 2 ** 40 + 5,
      payloadBytes: 8,
      payloadChecksum: crc32(Buffer.from('{"a":1} ')),
    },
  });
});

test('every flipped bit of a header is found', () => {
  const frame = sealFrame(textFrame('{}'), { kind: FrameKind.status, request: 9 }, crc32);
  for (let bit = 0; bit < 32 * 8; bit++) {
    frame[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(readFrameHeader(frame, 0).kind, 'fault', `bit ${bit}`);
    frame[bit >> 3]! ^= 1 << (bit & 7);
  }
  assert.equal(readFrameHeader(frame, 0).kind, 'header');
});

test('a header whose reserved bytes, number or length cannot be is refused though it is whole', () => {
  for (const [offset, value, fault] of [
    [20, 1, 'reserved'],
    [14, 0x20, 'reserved'],
    [16, 9, 'length'],
  ] as const) {
    const frame = sealFrame(textFrame('{}'), { kind: FrameKind.status, request: 9 }, crc32);
    frame[offset] = value;
    new DataView(frame.buffer).setUint32(28, crc32(frame.subarray(0, 28)), true);
    assert.deepEqual(readFrameHeader(frame, 0), { kind: 'fault', fault });
  }
});

test('answers are read as they were written, and no payload of another size is one', () => {
  const codes = Uint16Array.of(0, 36, 20);
  const created = createdTransfersFrame({ position: 2 ** 40, timestampNs: 11n, codes }).subarray(
    32,
  );
  assert.deepEqual(readCreatedTransfers(created), { position: 2 ** 40, timestampNs: 11n, codes });
  const view = { transfer: TRANSFER, state: 'failed', hold: 'expired' } as const;
  const transfers = foundTransfersFrame({ position: 3, found: [view, view] }).subarray(32);
  assert.deepEqual(readFoundTransfers(transfers), { position: 3, found: [view, view] });
  const accounts = foundAccountsFrame({ position: 3, found: [ACCOUNT] }).subarray(32);
  assert.deepEqual(readFoundAccounts(accounts), { position: 3, found: [ACCOUNT] });
  for (const bytes of [0, 8, 40, 152, 1024]) {
    assert.equal(readCreatedTransfers(created.slice(0, 16)), undefined);
    const payload = new Uint8Array(bytes).fill(1);
    assert.equal(readCreatedTransfers(payload), undefined);
    assert.equal(readFoundTransfers(payload), undefined);
    assert.equal(readFoundAccounts(payload), undefined);
  }
  const unknownHold = transfers.slice();
  unknownHold[16 + 2 * 128] = 0x0f;
  assert.equal(readFoundTransfers(unknownHold), undefined);
});

test('a full batch fits one frame', () => assertProtocolLimits());
