// Ids in every relation to time, on the plain transfer's road and beside it: rising, falling, all
// in one millisecond, seconds mixed, about the edge, repeated in one batch and later, with little
// memory, forgotten or undone in the middle of a chain, restored in between. The kernel's answers
// and books are those of the naive model (I16, I9).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertNever } from '../../src/base/assert.ts';
import { transferIdFrom } from '../../src/base/ids.ts';
import { Prng } from '../../src/base/prng.ts';
import {
  encodeTransfers,
  type Transfer,
  TRANSFER_DEFAULTS,
  TransferFlag,
} from '../../src/base/transfer-record.ts';
import {
  accountFlagsCommand,
  configureCommand,
  transfersCommand,
} from '../../src/domain/commands.ts';
import { growAhead } from '../../src/domain/domain.ts';
import { Pair } from './pair.ts';
import { ACCOUNT_IDS } from './twists.ts';

type Order = 'rising' | 'falling' | 'one millisecond' | 'clients' | 'seconds' | 'again' | 'edge';

const ORDERS: readonly Order[] = [
  'rising',
  'rising',
  'falling',
  'one millisecond',
  'clients',
  'seconds',
  'again',
  'edge',
];

class Load {
  readonly pair: Pair;
  readonly prng: Prng;
  #position = 100;
  #nowMs: number;
  #number = 0;
  readonly #sent: bigint[] = [];

  constructor(seed: number) {
    this.prng = new Prng(seed);
    this.pair = new Pair();
    this.#nowMs = Number(this.pair.player.nowNs / 1_000_000n) + 1000;
  }

  configure(version: number, values: { ids?: number; windowSeconds?: number }): void {
    const { ids, windowSeconds } = values;
    const command = configureCommand({
      expected_version: version,
      ...(ids === undefined ? {} : { dedupe_bytes_max: 160 * ids }),
      ...(windowSeconds === undefined ? {} : { dedupe_window_seconds: windowSeconds }),
    });
    this.pair.send({ command, stamp: this.#stamp(1) });
  }

  freeze(frozen: boolean): void {
    const account = '2'.padStart(32, '0');
    const command = accountFlagsCommand({ account, frozen, expected_frozen: !frozen });
    this.pair.send({ command, stamp: this.#stamp(1) });
  }

  batch(order: Order, count: number): void {
    const transfers = Array.from({ length: count }, (_, place) =>
      this.#transfer(this.#id(order, place)),
    );
    transfers.splice(-1, 1, { ...transfers.at(-1)!, flags: 0 });
    for (const { id } of transfers) this.#sent.push(id);
    const command = transfersCommand(encodeTransfers(transfers));
    this.pair.send({ command, stamp: this.#stamp(count) });
    this.#nowMs += this.prng.below(1500);
  }

  /** Some of the ids, so that comparing them takes no time. */
  name(count: number): void {
    for (let i = 0; i < count; i++) this.pair.player.ids.add(this.prng.pick(this.#sent));
  }

  #stamp(events: number): { position: number; timeNs: bigint; rulesVersion: number } {
    this.#position += 1;
    const timeNs = BigInt(this.#nowMs) * 1_000_000n;
    this.#nowMs += 1 + Math.floor(events / 1000);
    return { position: this.#position, timeNs, rulesVersion: 1 };
  }

  #id(order: Order, place: number): bigint {
    this.#number += 1;
    const rest = (BigInt(this.#number) << 20n) | BigInt(this.prng.below(1000));
    switch (order) {
      case 'rising':
        return transferIdFrom(this.#nowMs + Math.floor(place / 20), rest);
      case 'falling':
        return transferIdFrom(this.#nowMs - place, rest);
      case 'one millisecond':
        return transferIdFrom(this.#nowMs - (this.#nowMs % 1000), rest);
      case 'clients':
        return transferIdFrom(this.#nowMs - 10 * this.prng.below(30), rest);
      case 'seconds':
        return transferIdFrom(this.#nowMs - 1000 * this.prng.below(70), rest);
      case 'again':
        if (this.#sent.length > 0 && this.prng.chance(0.5)) return this.prng.pick(this.#sent);
        return transferIdFrom(this.#nowMs, BigInt(this.prng.below(30)));
      case 'edge':
        // Which is at most 60 seconds back.
        return transferIdFrom(this.#nowMs - 60_000 + this.prng.below(3000) - 1500, rest);
      default:
        return assertNever(order, 'an order is a known one');
    }
  }

  #transfer(id: bigint): Transfer {
    const prng = this.prng;
    const plain: Transfer = {
      ...TRANSFER_DEFAULTS,
      id,
      debitAccountId: ACCOUNT_IDS[prng.below(5)]!,
      creditAccountId: ACCOUNT_IDS[prng.below(5)]!,
      // Sums of 32 bits carry over now and then.
      amount: BigInt(1 + prng.below(prng.chance(0.02) ? 0xffff_ffff : 10_000)),
      ledger: 978,
      code: 1,
    };
    if (!prng.chance(0.03)) return plain;
    return prng.pick([
      { ...plain, flags: TransferFlag.linked },
      { ...plain, flags: TransferFlag.linked },
      { ...plain, flags: TransferFlag.pending },
      { ...plain, flags: TransferFlag.postPending, pendingId: prng.pick([id, ...this.#sent]) },
      { ...plain, amount: 1n << 70n },
      { ...plain, debitAccountId: 99n },
      { ...plain, ledger: 392 },
      { ...plain, userData64: 5n },
    ]);
  }
}

test('ids in any relation to time are answered as the naive model answers them', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const load = new Load(seed);
    const { pair, prng } = load;
    load.configure(0, { windowSeconds: 60 });
    const ids = [16, 40, 300, 100_000][seed % 4]!;
    for (let round = 0; round < 40; round++) {
      load.batch(prng.pick(ORDERS), 1 + prng.below(round % 5 === 0 ? 200 : 30));
      if (round % 8 === 0) load.name(3);
      if (round === 10) load.configure(1, { ids });
      if (round === 12 || round === 20) load.freeze(round === 12);
      if (round % 15 === 14) {
        const restored = pair.kernel.restored();
        assert.equal(restored.imageDigest(), pair.kernel.imageDigest());
        pair.kernel = restored;
      }
    }
    load.name(100);
    pair.compare(`seed ${seed}, at the end`);
    pair.kernel.assertBalanced();
  }
});

test('tables of a full second and of a full millisecond answer as the naive model does', () => {
  const load = new Load(77);
  const { pair } = load;
  load.configure(0, { ids: 9000 });
  for (const order of ['one millisecond', 'rising', 'one millisecond', 'falling'] as const) {
    for (let round = 0; round < 4; round++) load.batch(order, 2000);
    load.batch('again', 300);
    while (growAhead(pair.kernel.state)) continue;
  }
  const restored = pair.kernel.restored();
  assert.equal(restored.imageDigest(), pair.kernel.imageDigest());
  pair.kernel = restored;
  load.batch('again', 500);
  load.name(300);
  pair.compare('at the end');
  pair.kernel.assertBalanced();
});

test('plain transfers count what is held against the limits of their accounts', () => {
  const prng = new Prng(5);
  const pair = new Pair();
  // Debits of the one, credits of the other must not exceed the opposite side.
  const [, other, , debtor, creditor] = ACCOUNT_IDS;
  const startMs = Number(pair.player.nowNs / 1_000_000n) + 1000;
  let number = 0;
  for (let round = 0; round < 60; round++) {
    const transfers = Array.from({ length: 20 }, (): Transfer => {
      const [limited, inward] = [prng.chance(0.5), prng.chance(0.4)];
      const account = limited ? debtor! : creditor!;
      const isDebit = limited !== inward;
      number += 1;
      return {
        ...TRANSFER_DEFAULTS,
        id: transferIdFrom(startMs + round, BigInt(number)),
        debitAccountId: isDebit ? account : other!,
        creditAccountId: isDebit ? other! : account,
        amount: BigInt(1 + prng.below(40)),
        ledger: 978,
        code: 1,
        flags: prng.chance(0.1) ? TransferFlag.pending : 0,
      };
    });
    const timeNs = BigInt(startMs + round) * 1_000_000n;
    const command = transfersCommand(encodeTransfers(transfers));
    pair.send({ command, stamp: { position: 100 + round, timeNs, rulesVersion: 1 } });
  }
  pair.kernel.assertBalanced();
});
