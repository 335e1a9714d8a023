// Captures of a ledger with little memory: slots of forgotten, undone and resolved transfers are
// handed out again while the capture waits, by the plain transfer's road and beside it. What is
// copied is the state where the capture began, and it goes on as the original does (I9, I28).

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
  type Command,
  accountFlagsCommand,
  accountsCommand,
  configureCommand,
  ledgersCommand,
  tickCommand,
  transfersCommand,
} from '../../src/domain/commands.ts';
import { KernelBooks } from '../model/kernel-books.ts';
import type { Sent } from './script.ts';

const START_MS = Date.UTC(2026, 0, 5, 8);
const IDS = 48;

class Load {
  readonly #prng: Prng;
  #nowMs = START_MS;
  #position = 0;
  #number = 0;
  #accounts = 0;
  #frozen = false;
  readonly #holds: bigint[] = [];

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  opening(): Sent[] {
    const euro = { ledger: 978, currency: 'EUR', exponent: 2 };
    const memory = { expected_version: 0, dedupe_bytes_max: 160 * IDS, dedupe_window_seconds: 60 };
    return [ledgersCommand([euro]), this.#open(4), configureCommand(memory)].map((command) =>
      this.#stamped(command),
    );
  }

  next(): Sent {
    const prng = this.#prng;
    this.#nowMs += prng.below(3) * 700;
    const kind = prng.below(12);
    if (kind === 0) return this.#stamped(this.#open(1));
    if (kind === 1) return this.#stamped(tickCommand());
    if (kind === 2) {
      this.#frozen = !this.#frozen;
      const account = '4'.padStart(32, '0');
      const flags = { account, frozen: this.#frozen, expected_frozen: !this.#frozen };
      return this.#stamped(accountFlagsCommand(flags));
    }
    const batch = Array.from({ length: 1 + prng.below(30) }, () => this.#transfer(kind));
    // A chain whose last event breaks it: or nobody does.
    const last = { ...batch.at(-1)!, flags: 0, pendingId: 0n };
    batch.splice(-1, 1, kind === 3 && prng.chance(0.7) ? { ...last, code: 0 } : last);
    return this.#stamped(transfersCommand(encodeTransfers(batch)));
  }

  #stamped(command: Command): Sent {
    this.#position += 1;
    this.#nowMs += 1;
    const timeNs = BigInt(this.#nowMs) * 1_000_000n;
    return { command, stamp: { position: this.#position, timeNs, rulesVersion: 1 } };
  }

  #open(count: number): Command {
    return accountsCommand(
      Array.from({ length: count }, () => ({
        id: (++this.#accounts).toString(16).padStart(32, '0'),
        ledger: 978,
        code: 1,
        flags: 0,
        user_data_128: '0'.repeat(32),
        user_data_64: '0',
        user_data_32: 0,
      })),
    );
  }

  #transfer(kind: number): Transfer {
    const prng = this.#prng;
    this.#number += 1;
    const id = transferIdFrom(this.#nowMs - prng.below(3) * 900, BigInt(this.#number));
    const plain: Transfer = {
      ...TRANSFER_DEFAULTS,
      id,
      debitAccountId: BigInt(1 + prng.below(2)),
      creditAccountId: BigInt(3 + prng.below(2)),
      amount: 5n,
      ledger: 978,
      code: 1,
      flags: kind === 3 ? TransferFlag.linked : 0,
    };
    if (kind > 6 || prng.chance(0.4)) return plain;
    const hold = prng.chance(0.5) ? prng.pick([id, ...this.#holds.slice(-9)]) : id;
    if (hold === id) {
      this.#holds.push(id);
      const timeoutSeconds = prng.below(4);
      return { ...plain, flags: plain.flags | TransferFlag.pending, timeoutSeconds };
    }
    const flag = prng.chance(0.5) ? TransferFlag.postPending : TransferFlag.voidPending;
    return { ...plain, flags: plain.flags | flag, pendingId: hold };
  }
}

function play(books: KernelBooks, sent: readonly Sent[]): number[][] {
  return sent.map(({ command, stamp }) => [...books.apply(command, stamp).codes]);
}

test('slots handed out again while a capture waits do not show in it', () => {
  const target = new Uint8Array(CAPTURED_CHUNK_BYTES_MAX);
  for (let seed = 1; seed <= 6; seed++) {
    const load = new Load(seed);
    const prng = new Prng(1000 + seed);
    let books = new KernelBooks();
    play(books, load.opening());
    for (let round = 0; round < 40; round++) {
      const digest = books.imageDigest();
      const capture = new Capture(books.state, () => true);
      const restoration = new Restoration(capture.head.slice());
      const since = Array.from({ length: prng.below(4) }, () => load.next());
      const answers = play(books, since);
      for (;;) {
        const chunk = capture.step(target);
        if (chunk === undefined) break;
        restoration.put(target.subarray(0, chunk.bytes));
        const between = prng.chance(0.3) ? [load.next()] : [];
        since.push(...between);
        answers.push(...play(books, between));
      }
      if (prng.chance(0.3)) capture.abort();
      else capture.complete();
      const restored = new KernelBooks(restoration.finish());
      assert.equal(restored.imageDigest(), digest, `seed ${seed}, round ${round}`);
      assert.deepEqual(play(restored, since), answers);
      assert.equal(restored.imageDigest(), books.imageDigest());
      if (prng.chance(0.2)) books = restored;
    }
    books.assertBalanced();
    const { slotsMade } = books.state.ledger.remembered;
    assert.ok(slotsMade <= IDS, `${slotsMade} slots`);
  }
});
