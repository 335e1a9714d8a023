// A load made from a seed alone: many accounts, ids and holds, chains, retries, faults in every
// field, ticks, less and less memory. Few ids find the rules' corners (script.ts); many find the
// tables'.

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
  accountsCommand,
  type Command,
  configureCommand,
  ledgersCommand,
  tickCommand,
  transfersCommand,
} from '../../src/domain/commands.ts';
import type { Sent } from './script.ts';

const START_NS = BigInt(Date.UTC(2026, 0, 5, 8)) * 1_000_000n;
const MAX = (1n << 128n) - 1n;
const FIRST_ACCOUNT = 1000;
/** What is imported happened an hour and more before. */
const IMPORTED_BEFORE_NS = 7_200_000_000_000n;

/** What is changed in one transfer of fifty: a fault, or another meaning. */
const TWISTS: readonly Partial<Transfer>[] = [
  { id: 0n },
  { id: MAX },
  { timestampNs: 1n },
  { flags: 0x200 },
  { flags: TransferFlag.imported },
  { flags: TransferFlag.closingDebit },
  { flags: TransferFlag.pending | TransferFlag.voidPending },
  { debitAccountId: 0n },
  { debitAccountId: MAX },
  { debitAccountId: 5n },
  { creditAccountId: 0n },
  { creditAccountId: MAX },
  { creditAccountId: 5n },
  { debitAccountId: BigInt(FIRST_ACCOUNT), creditAccountId: BigInt(FIRST_ACCOUNT) },
  { pendingId: 7n },
  { timeoutSeconds: 9 },
  { amount: 0n },
  { amount: MAX },
  { amount: MAX - 5n },
  { ledger: 0 },
  { ledger: 392 },
  { code: 0 },
  { code: 77 },
  { userData128: 1n },
  { userData64: 1n },
  { userData32: 1 },
];

export class SeededLoad {
  readonly sent: Transfer[] = [];
  readonly accountCount: number;
  readonly #prng: Prng;
  #nowNs = START_NS;
  #position = 0;
  #frozen = FIRST_ACCOUNT;

  constructor(seed: number, accountCount: number) {
    this.#prng = new Prng(seed);
    this.accountCount = accountCount;
  }

  *commands(batchCount: number): Generator<Sent> {
    const euro = { ledger: 978, currency: 'EUR', exponent: 2 };
    yield this.#stamped(ledgersCommand([euro, { ledger: 392, currency: 'JPY', exponent: 0 }]));
    for (let first = 0; first < this.accountCount; first += 500) {
      yield this.#stamped(this.#accounts(first, Math.min(first + 500, this.accountCount)));
    }
    yield this.#stamped(this.#importedBatch());
    for (let round = 0; round < batchCount; round++) {
      yield this.#stamped(this.#batch());
      this.#nowNs += BigInt(this.#prng.below(4000)) * 1_000_000n;
      if (this.#prng.chance(0.5)) yield this.#stamped(tickCommand());
      yield this.#stamped(this.#freezing(round % 2 === 0));
      if (round === Math.floor(batchCount / 3)) yield this.#stamped(memoryFor(0, 3000));
      if (round === Math.floor((2 * batchCount) / 3)) yield this.#stamped(memoryFor(1, 500));
    }
  }

  #stamped(command: Command): Sent {
    this.#position += 1;
    const stamp = { position: this.#position, timeNs: this.#nowNs, rulesVersion: 1 };
    this.#nowNs += BigInt(command.eventCount);
    return { command, stamp };
  }

  #accounts(from: number, to: number): Command {
    return accountsCommand(
      Array.from({ length: to - from }, (_, offset) => ({
        id: (FIRST_ACCOUNT + from + offset).toString(16).padStart(32, '0'),
        ledger: (from + offset) % 50 === 49 ? 392 : 978,
        code: 1,
        flags: 16 | [0, 0, 0, 2, 4][(from + offset) % 5]!,
        user_data_128: '0'.repeat(32),
        user_data_64: String(offset),
        user_data_32: offset,
        timestamp_ns: String(START_NS - IMPORTED_BEFORE_NS + BigInt(from + offset)),
      })),
    );
  }

  #importedBatch(): Command {
    const transfers = Array.from({ length: 200 }, (_, index) => {
      const transfer = this.#movement(this.#id(), 0);
      const timestampNs = START_NS - IMPORTED_BEFORE_NS / 2n + BigInt(index);
      const flags = transfer.flags | TransferFlag.imported;
      return { ...transfer, flags, timeoutSeconds: 0, timestampNs };
    });
    return transfersCommand(encodeTransfers(transfers));
  }

  /** Every even round freezes an account, the next one lets it go on. */
  #freezing(frozen: boolean): Command {
    if (frozen) this.#frozen = FIRST_ACCOUNT + this.#prng.below(this.accountCount);
    const account = this.#frozen.toString(16).padStart(32, '0');
    return accountFlagsCommand({ account, frozen, expected_frozen: !frozen });
  }

  #batch(): Command {
    const transfers = Array.from({ length: 1 + this.#prng.below(400) }, () => {
      const transfer = this.#transfer();
      return this.#prng.chance(0.02) ? { ...transfer, ...this.#prng.pick(TWISTS) } : transfer;
    });
    const last = transfers.at(-1)!;
    transfers.splice(-1, 1, { ...last, flags: last.flags & ~TransferFlag.linked });
    return transfersCommand(encodeTransfers(transfers));
  }

  #transfer(): Transfer {
    const prng = this.#prng;
    if (this.sent.length > 0 && prng.chance(0.1)) return prng.pick(this.sent.slice(-2000));
    const linked = prng.chance(0.1) ? TransferFlag.linked : 0;
    const id = this.#id();
    const hold = this.sent.length > 0 && prng.chance(0.3) ? prng.pick(this.sent) : undefined;
    const transfer =
      hold !== undefined && (hold.flags & TransferFlag.pending) !== 0
        ? this.#resolution(id, linked, hold)
        : this.#movement(id, linked);
    this.sent.push(transfer);
    return transfer;
  }

  #id(): bigint {
    const unixMs = Number(this.#nowNs / 1_000_000n) - this.#prng.below(5000);
    return transferIdFrom(unixMs, BigInt(this.#prng.uint32()) << 40n);
  }

  #resolution(id: bigint, linked: number, hold: Transfer): Transfer {
    const posts = this.#prng.chance(0.6);
    const mode = posts ? TransferFlag.postPending : TransferFlag.voidPending;
    const whole = posts ? MAX : 0n;
    const part = posts ? BigInt(1 + this.#prng.below(100)) : hold.amount;
    const amount = this.#prng.chance(0.3) ? whole : part;
    return { ...TRANSFER_DEFAULTS, id, pendingId: hold.id, amount, flags: mode | linked };
  }

  /** Few accounts close: thousands of transfers follow. */
  #special(pending: boolean): number {
    const prng = this.#prng;
    if (pending && prng.chance(0.01)) return TransferFlag.closingDebit;
    if (!prng.chance(0.1)) return 0;
    return prng.pick([TransferFlag.balancingDebit, TransferFlag.balancingCredit]);
  }

  #movement(id: bigint, linked: number): Transfer {
    const prng = this.#prng;
    const pending = prng.chance(0.5) ? TransferFlag.pending : 0;
    return {
      ...TRANSFER_DEFAULTS,
      id,
      debitAccountId: BigInt(FIRST_ACCOUNT + prng.below(this.accountCount)),
      creditAccountId: BigInt(FIRST_ACCOUNT + prng.below(this.accountCount)),
      amount: BigInt(1 + prng.below(100)),
      ledger: 978,
      code: 1,
      flags: pending | linked | this.#special(pending !== 0),
      timeoutSeconds: pending !== 0 && prng.chance(0.6) ? 1 + prng.below(60) : 0,
    };
  }
}

function memoryFor(version: number, ids: number): Command {
  return configureCommand({ expected_version: version, dedupe_bytes_max: ids * 160 });
}
