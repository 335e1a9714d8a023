// The borders of the plain transfer's road: amounts and balances at the powers of two where words,
// exact numbers and sums end, two ledgers in one batch, full batches over the border of a chunk, a
// timestamp whose low word wraps inside a batch, and the first seconds since 1970, where ids of the
// second 0 and the id 0 are not yet forgotten (I12, I14, I16, I19, I22).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { transferIdFrom } from '../../src/base/ids.ts';
import { Prng } from '../../src/base/prng.ts';
import {
  encodeTransfers,
  type Transfer,
  TRANSFER_DEFAULTS,
  TransferFlag,
} from '../../src/base/transfer-record.ts';
import { CAPTURED_CHUNK_BYTES_MAX, Capture, Restoration } from '../../src/domain/capture.ts';
import {
  type AccountInput,
  accountsCommand,
  type Command,
  configureCommand,
  ledgersCommand,
  transfersCommand,
} from '../../src/domain/commands.ts';
import { KernelBooks } from '../model/kernel-books.ts';
import { Pair } from './pair.ts';

const U128_MAX = (1n << 128n) - 1n;
const BORDERS = [31n, 32n, 51n, 53n, 64n, 96n, 126n, 127n].map((bits) => 1n << bits);

/** Accounts 1 to 4 and 6 of euro, the fourth and the sixth limited; 5 and 7 of yen. */
class Borders {
  readonly pair = new Pair({ opened: false });
  readonly prng: Prng;
  timeNs: bigint;
  #position = 0;
  #number = 0;

  constructor(seed: number, timeNs: bigint) {
    this.prng = new Prng(seed);
    this.timeNs = timeNs;
    const account = (id: number, ledger: number, flags: number): AccountInput => ({
      id: id.toString(16).padStart(32, '0'),
      ledger,
      code: 1,
      flags,
      user_data_128: '0'.repeat(32),
      user_data_64: '0',
      user_data_32: 0,
    });
    this.send(
      ledgersCommand([
        { ledger: 978, currency: 'EUR', exponent: 2 },
        { ledger: 392, currency: 'JPY', exponent: 0 },
      ]),
    );
    const euro = [1, 2, 3].map((id) => account(id, 978, 0));
    const limited = [account(4, 978, 2), account(6, 978, 4)];
    this.send(accountsCommand([...euro, ...limited, account(5, 392, 0), account(7, 392, 0)]));
  }

  send(command: Command): void {
    this.#position += 1;
    const stamp = { position: this.#position, timeNs: this.timeNs, rulesVersion: 1 };
    this.pair.send({ command, stamp });
    this.timeNs += BigInt(command.eventCount);
  }

  batch(transfers: readonly Transfer[]): void {
    this.send(transfersCommand(encodeTransfers(transfers)));
  }

  transfer(debit: bigint, credit: bigint, amount: bigint, more: Partial<Transfer> = {}): Transfer {
    this.#number += 1;
    const unixMs = Number(this.timeNs / 1_000_000n);
    return {
      ...TRANSFER_DEFAULTS,
      id: transferIdFrom(unixMs, BigInt(this.#number)),
      debitAccountId: debit,
      creditAccountId: credit,
      amount,
      ledger: debit === 5n || debit === 7n ? 392 : 978,
      code: 1,
      ...more,
    };
  }

  finish(): void {
    this.pair.kernel.assertBalanced();
    const restored = this.pair.kernel.restored();
    assert.equal(restored.imageDigest(), this.pair.kernel.imageDigest());
  }
}

const NOW_NS = BigInt(Date.UTC(2026, 0, 5, 8)) * 1_000_000n;

test('amounts and balances at every border are moved and refused as the model does it', () => {
  for (let seed = 1; seed <= 12; seed++) {
    const borders = new Borders(seed, NOW_NS);
    const { prng, pair } = borders;
    const border = BORDERS[(seed - 1) % BORDERS.length]!;
    const euro = [1n, 2n, 3n, 4n, 6n];
    for (let round = 0; round < 12; round++) {
      const transfers = Array.from({ length: 1 + prng.below(12) }, () => {
        const [debit, credit] = prng.chance(0.15)
          ? [5n, 7n]
          : [prng.pick(euro), prng.pick(prng.chance(0.1) ? [5n] : euro)];
        const near = BigInt(prng.below(5));
        const amount = prng.chance(0.2)
          ? prng.pick([border - near, border + near, U128_MAX - near, U128_MAX - border])
          : BigInt(prng.pick([1, 1, 2, 0xffff_ffff, 0x8000_0000, 1 + prng.below(9)]));
        const flags = prng.chance(0.1) ? TransferFlag.pending : 0;
        return borders.transfer(debit, credit, amount, { flags });
      });
      borders.batch(transfers);
      for (const id of [1n, 2n, 3n, 4n, 5n, 6n, 7n]) {
        assert.deepEqual(pair.kernel.account(id), pair.model.account(id));
      }
    }
    borders.finish();
  }
});

test('limits hold to the unit where balances leave the range of exact numbers', () => {
  for (const border of BORDERS) {
    for (const beside of [-2n, -1n, 0n, 1n]) {
      const borders = new Borders(1, NOW_NS);
      const [room, one] = [border + beside, borders.transfer.bind(borders)];
      borders.batch([one(1n, 4n, room), one(6n, 2n, room)]);
      // All but three, then one by one until the limits answer; then with something held.
      borders.batch([one(4n, 2n, room - 3n), one(1n, 6n, room - 3n)]);
      borders.batch([one(4n, 2n, 1n, { flags: TransferFlag.pending })]);
      borders.batch([one(1n, 6n, 1n, { flags: TransferFlag.pending })]);
      for (let turn = 0; turn < 3; turn++) borders.batch([one(4n, 2n, 1n), one(1n, 6n, 1n)]);
      borders.finish();
    }
  }
});

test('every word that a plain transfer leaves 0 is looked at', () => {
  const borders = new Borders(2, NOW_NS);
  const words = [0n, 32n, 64n, 96n].map((bits) => 1n << bits);
  const odd: readonly Partial<Transfer>[] = [
    ...words.map((amount) => ({ amount })),
    ...words.map((pendingId) => ({ pendingId })),
    ...words.slice(0, 2).map((timestampNs) => ({ timestampNs })),
    ...Array.from({ length: 16 }, (_, bit) => ({ flags: 1 << bit })),
    ...Array.from({ length: 16 }, (_, bit) => ({ code: 1 << bit })),
    ...[0, 391, 392].map((ledger) => ({ ledger })),
    { timeoutSeconds: 1 },
    { timeoutSeconds: 0x8000_0000 },
    { amount: 0n },
    { code: 0 },
    { userData128: U128_MAX, userData64: U128_MAX >> 64n, userData32: 0xffff_ffff },
  ];
  for (const fields of odd) {
    const [before, it, after] = [{}, fields, {}].map((more) => borders.transfer(1n, 2n, 7n, more));
    borders.pair.player.ids.add(it!.id);
    borders.batch([before!, it!, after!]);
  }
  borders.finish();
});

test('what is held and what is posted together never pass 128 bits', () => {
  const word = 1n << 32n;
  const splits = [
    [0n, U128_MAX],
    [U128_MAX - word + 1n, word - 1n],
    [1n << 127n, (1n << 127n) - 1n],
    [(1n << 127n) - word, (1n << 127n) + word - 2n],
  ] as const;
  for (const [posted, held] of splits) {
    const borders = new Borders(7, NOW_NS);
    const { pending } = TransferFlag;
    const one = borders.transfer.bind(borders);
    // The debits of 1 are full, then in other books the credits.
    borders.batch([one(1n, 2n, posted), one(1n, 3n, held, { flags: pending })]);
    borders.batch([one(1n, 4n, 1n), one(1n, 4n, 1n), one(2n, 3n, 1n)]);
    borders.finish();
    const others = new Borders(8, NOW_NS);
    const two = others.transfer.bind(others);
    others.batch([two(2n, 1n, posted), two(3n, 1n, held, { flags: pending })]);
    others.batch([two(2n, 3n, 1n), two(3n, 1n, 1n), two(2n, 1n, 1n)]);
    others.finish();
  }
});

test('two ledgers in one batch have totals of their own', () => {
  const borders = new Borders(3, NOW_NS);
  for (let round = 0; round < 4; round++) {
    borders.batch(
      Array.from({ length: 60 }, (_, place) =>
        (place >> round) % 2 === 0 ? borders.transfer(1n, 2n, 5n) : borders.transfer(5n, 7n, 3n),
      ),
    );
  }
  borders.finish();
});

test('a timestamp whose low word wraps inside a batch goes on in the high word', () => {
  for (const before of [0n, 1n, 17n, 39n, 40n]) {
    const start = ((NOW_NS >> 32n) + 1n) << 32n;
    const borders = new Borders(4, start - 1000n);
    borders.timeNs = start - before;
    const batch = Array.from({ length: 40 }, () => borders.transfer(1n, 2n, 1n));
    for (const { id } of batch) borders.pair.player.ids.add(id);
    borders.batch(batch);
    borders.finish();
  }
});

test('batches cross the borders of chunks, new and handed out again, and after a capture', () => {
  const borders = new Borders(5, NOW_NS);
  const { pair } = borders;
  borders.send(configureCommand({ expected_version: 0, dedupe_bytes_max: 160 * 20_000 }));
  for (let round = 0; round < 7; round++) {
    // Stretches end at 2,048, which a chunk is a multiple of: so not full batches alone.
    const count = round === 2 ? 8192 : 7777;
    const batch = Array.from({ length: count }, () => borders.transfer(1n, 2n, 1n));
    pair.player.ids.add(batch[0]!.id).add(batch[count - 1]!.id);
    borders.batch(batch);
    borders.timeNs += 1_000_000_000n;
    if (round === 3) {
      const digest = pair.kernel.imageDigest();
      pair.kernel = recaptured(pair.kernel);
      assert.equal(pair.kernel.imageDigest(), digest);
    }
  }
  borders.finish();
});

/** The kernel restored from a capture of its state. */
function recaptured(kernel: KernelBooks): KernelBooks {
  const target = new Uint8Array(CAPTURED_CHUNK_BYTES_MAX);
  const capture = new Capture(kernel.state, () => true);
  const restoration = new Restoration(capture.head);
  for (;;) {
    const chunk = capture.step(target);
    if (chunk === undefined) break;
    restoration.put(target.subarray(0, chunk.bytes));
  }
  capture.complete();
  return new KernelBooks(restoration.finish());
}

test('in the first seconds since 1970 the id 0 is refused, and ids of second 0 are remembered', () => {
  const borders = new Borders(6, 1000n);
  for (const unixMs of [0, 1, 999, 1000, 1001, 59_000]) {
    borders.timeNs = BigInt(unixMs) * 1_000_000n + 10_000n;
    const early = [0, 1, 999, 1000, unixMs].map((ms, place) =>
      borders.transfer(1n, 2n, 1n, { id: transferIdFrom(ms, BigInt(100 * unixMs + place + 1)) }),
    );
    for (const { id } of early) borders.pair.player.ids.add(id);
    const none = borders.transfer(1n, 2n, 1n, { id: 0n });
    borders.batch([...early, none, ...early.slice(0, 2)]);
    borders.batch([none]);
  }
  borders.finish();
});
