// Random scripts of commands, biased to collisions: few ids, few accounts, small steps of time,
// tiny timeouts, little memory. A script is a plain value that says what to send relative to what
// was sent before; `ScriptPlayer` turns it into commands and stamps, the same ones every time.

import * as fc from 'fast-check';

import { assertNever } from '../../src/base/assert.ts';
import { transferIdFrom } from '../../src/base/ids.ts';
import { encodeTransfers, type Transfer } from '../../src/base/transfer-record.ts';
import {
  type AccountInput,
  accountFlagsCommand,
  accountsCommand,
  type Command,
  configureCommand,
  ledgersCommand,
  tickCommand,
  transfersCommand,
} from '../../src/domain/commands.ts';
import type { Stamp } from '../../src/domain/outcome.ts';
import { ACCOUNT_IDS, TWISTS, type Twist, accountInput, oddLedgers, twisted } from './twists.ts';

const START_NS = BigInt(Date.UTC(2026, 0, 5, 8)) * 1_000_000n;
const MAX = (1n << 128n) - 1n;

type IdSpec = {
  /** Twenty seconds of ids that slowly move on with time, or those before them, or odd ones. */
  readonly from: 'now' | 'before' | 'zero' | 'max' | 'future' | 'old' | 'ages';
  readonly second: number;
  readonly number: number;
};

type EventSpec = {
  readonly id: IdSpec;
  /** The how-manieth of the latest holds that were sent, or any id. */
  readonly hold: number | IdSpec;
  readonly mode: 'immediate' | 'pending' | 'post' | 'void' | 'odd';
  readonly linked: boolean;
  readonly debit: number;
  readonly credit: number;
  readonly amount: bigint;
  readonly timeoutSeconds: number;
  /** Balancing and closing flags, of what moves money. */
  readonly special: number;
  /** Nanoseconds after the last imported transfer, when the batch is imported. */
  readonly laterNs: bigint;
  readonly twist: Twist;
};

export type Action =
  | {
      readonly kind: 'transfers';
      readonly events: readonly EventSpec[];
      /** Whether the last one may be linked to nothing. */
      readonly open: boolean;
      readonly imported: boolean;
    }
  | { readonly kind: 'again'; readonly back: number; readonly twist: Twist; readonly at: number }
  | {
      readonly kind: 'accounts';
      readonly accounts: readonly number[];
      readonly odd: number;
      /** The place of the one that is bent; all of them when it is 3. */
      readonly at: number;
      readonly imported: boolean;
    }
  | {
      readonly kind: 'freeze';
      readonly account: number;
      readonly frozen: boolean;
      readonly expected: boolean;
    }
  | { readonly kind: 'ledgers'; readonly odd: number }
  | {
      readonly kind: 'configure';
      readonly wrong: boolean;
      readonly window: number | undefined;
      readonly ids: number | undefined;
    }
  | { readonly kind: 'tick' };

export type Step = {
  readonly afterNs: bigint;
  /** Instead: to the moment at which the next hold expires, or just beside it. */
  readonly besideExpiryNs?: bigint;
  readonly action: Action;
};

/** What a script needs to know of the books to hit on what matters. */
export type Hints = {
  readonly configurationVersion: number;
  readonly nextDeadlineNs: bigint | undefined;
};

export type Sent = { readonly command: Command; readonly stamp: Stamp };

const twist = fc.oneof(
  { weight: 12, arbitrary: fc.constant<Twist>('none') },
  { weight: 1, arbitrary: fc.constantFrom(...TWISTS) },
);

const idSpec: fc.Arbitrary<IdSpec> = fc.record({
  from: fc.oneof(
    { weight: 40, arbitrary: fc.constant('now' as const) },
    { weight: 10, arbitrary: fc.constant('before' as const) },
    { weight: 1, arbitrary: fc.constantFrom('zero', 'max', 'future', 'old', 'ages') },
  ),
  second: fc.nat(4),
  number: fc.nat(2),
});

const amount = fc.oneof(
  { weight: 12, arbitrary: fc.bigInt({ min: 1n, max: 5n }) },
  { weight: 1, arbitrary: fc.constantFrom(0n, MAX, MAX - 1n, 1n << 127n, (1n << 127n) - 1n) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(0xffff_ffffn, 1n << 32n, (1n << 64n) - 1n, 1n << 96n),
  },
);

/** Mostly accounts that can pay each other. */
const accountIndex = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(0, 1, 2, 3, 4) },
  { weight: 1, arbitrary: fc.nat(ACCOUNT_IDS.length - 1) },
);

const eventSpec: fc.Arbitrary<EventSpec> = fc.record({
  id: idSpec,
  hold: fc.oneof({ weight: 9, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: idSpec }),
  mode: fc.oneof(
    { weight: 6, arbitrary: fc.constant('immediate' as const) },
    { weight: 6, arbitrary: fc.constant('pending' as const) },
    { weight: 6, arbitrary: fc.constantFrom('post', 'void') },
    { weight: 1, arbitrary: fc.constant('odd' as const) },
  ),
  linked: fc.oneof(
    { weight: 4, arbitrary: fc.constant(false) },
    { weight: 1, arbitrary: fc.constant(true) },
  ),
  debit: accountIndex,
  credit: accountIndex,
  amount,
  timeoutSeconds: fc.constantFrom(0, 0, 0, 1, 2, 30, 30, 30),
  special: fc.oneof(
    { weight: 12, arbitrary: fc.constant(0) },
    { weight: 4, arbitrary: fc.constantFrom(16, 32, 48) },
    { weight: 2, arbitrary: fc.constantFrom(64, 128, 192, 64 + 16, 128 + 32) },
  ),
  laterNs: fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom(1n, 1n, 1n, 5n, 1_000_000n) },
    { weight: 4, arbitrary: fc.constantFrom(0n, -3n) },
    { weight: 1, arbitrary: fc.constant(1n << 63n) },
  ),
  twist,
});

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('transfers' as const),
      events: fc.array(eventSpec, { minLength: 1, maxLength: 9 }),
      open: fc.oneof(
        { weight: 19, arbitrary: fc.constant(false) },
        { weight: 1, arbitrary: fc.constant(true) },
      ),
      imported: fc.oneof(
        { weight: 4, arbitrary: fc.constant(false) },
        { weight: 1, arbitrary: fc.constant(true) },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('freeze' as const),
      account: fc.nat(ACCOUNT_IDS.length - 1),
      frozen: fc.constantFrom(true, false, false),
      expected: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('again' as const),
      back: fc.nat(5),
      twist: fc.oneof(fc.constant<Twist>('none'), fc.constantFrom(...TWISTS)),
      at: fc.nat(8),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('accounts' as const),
      accounts: fc.array(fc.nat(ACCOUNT_IDS.length - 1), { minLength: 1, maxLength: 3 }),
      odd: fc.nat(17),
      at: fc.nat(3),
      imported: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('ledgers' as const), odd: fc.nat(7) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('configure' as const),
      wrong: fc.oneof(fc.constant(false), fc.boolean()),
      window: fc.constantFrom(undefined, 60, 61, 90, 604_800, 59, 1_000_000, 1_000_001),
      ids: fc.constantFrom(undefined, 16, 16, 17, 20, 64, 15, 6_710_886),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'tick' as const }) },
);

const afterNs = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.constantFrom(0n, 1n, 1_000_000n, 400_000_000n, 1_000_000_001n),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      7_000_000_000n,
      21_000_000_000n,
      61_000_000_000n,
      3_600_000_000_000n,
      900_000_000_000_000n,
    ),
  },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 9, arbitrary: fc.record({ afterNs, action }) },
  {
    weight: 1,
    arbitrary: fc.record({
      afterNs,
      besideExpiryNs: fc.constantFrom(-2n, -1n, 0n, 0n, 1n),
      action,
    }),
  },
);

/** Most scripts begin with little memory and a short window, so that ids are forgotten often. */
export function scripts(maxLength = 30): fc.Arbitrary<Step[]> {
  const narrow: Step = {
    afterNs: 0n,
    action: { kind: 'configure', wrong: false, window: 60, ids: 16 },
  };
  const steps = fc.array(step, { minLength: 1, maxLength, size: 'max' });
  return fc.oneof(
    { weight: 3, arbitrary: steps.map((rest) => [narrow, ...rest]) },
    { weight: 1, arbitrary: steps },
  );
}

/** Turns steps into commands with stamps; knows nothing of outcomes but what the hints say. */
export class ScriptPlayer {
  /** Every transfer id that was named so far. */
  readonly ids = new Set<bigint>();
  #nowNs = START_NS;
  #position = 0;
  readonly #batches: (readonly Transfer[])[] = [];
  readonly #holds: Transfer[] = [];
  /** Where the imported timestamps have got to. */
  #importedNs: bigint;
  readonly #withImports: boolean;

  /** `imports`: begins with imported accounts, in the past, so that transfers can follow them. */
  constructor(imports = false) {
    this.#withImports = imports;
    this.#importedNs = START_NS - 1_000_000_000n;
  }

  /** Ledgers and accounts that every script begins with. */
  opening(): Sent[] {
    const euro = { ledger: 978, currency: 'EUR', exponent: 2 };
    const yen = { ledger: 392, currency: 'JPY', exponent: 0 };
    return [
      this.#stamped(ledgersCommand([euro, yen])),
      this.#stamped(
        accountsCommand(
          [0, 1, 2, 3, 4, 5, 6].map((index) =>
            this.#withImports ? this.#imported(accountInput(index)) : accountInput(index),
          ),
        ),
      ),
    ];
  }

  next({ afterNs, besideExpiryNs, action }: Step, hints: Hints): Sent {
    const deadlineNs = hints.nextDeadlineNs;
    if (besideExpiryNs === undefined || deadlineNs === undefined) {
      this.#nowNs += afterNs;
    } else if (deadlineNs + besideExpiryNs > this.#nowNs) {
      this.#nowNs = deadlineNs + besideExpiryNs;
    }
    return this.#stamped(this.#command(action, hints.configurationVersion));
  }

  get nowNs(): bigint {
    return this.#nowNs;
  }

  #stamped(command: Command): Sent {
    this.#position += 1;
    const stamp = { position: this.#position, timeNs: this.#nowNs, rulesVersion: 1 };
    this.#nowNs += BigInt(command.eventCount);
    return { command, stamp };
  }

  #command(action: Action, version: number): Command {
    switch (action.kind) {
      case 'transfers':
        return this.#freshBatch(action);
      case 'again': {
        const batch = this.#batches.at(-1 - action.back);
        if (batch === undefined) return tickCommand();
        return this.#batch(
          batch.map((transfer, index) =>
            index === action.at ? twisted(transfer, action.twist) : transfer,
          ),
        );
      }
      case 'accounts':
        return this.#accounts(action);
      case 'freeze':
        return accountFlagsCommand({
          account: ACCOUNT_IDS[action.account]!.toString(16).padStart(32, '0'),
          frozen: action.frozen,
          expected_frozen: action.expected,
        });
      case 'ledgers':
        return ledgersCommand(oddLedgers(action.odd));
      case 'configure':
        return configureCommand({
          expected_version: action.wrong ? version + 1 : version,
          ...(action.window !== undefined && { dedupe_window_seconds: action.window }),
          ...(action.ids !== undefined && { dedupe_bytes_max: action.ids * 160 }),
        });
      case 'tick':
        return tickCommand();
      default:
        return assertNever(action, 'an action is of a known kind');
    }
  }

  #accounts({ accounts, odd, at, imported }: Extract<Action, { kind: 'accounts' }>): Command {
    return accountsCommand(
      accounts.map((index, place) => {
        const input = accountInput(index, at === 3 || at === place ? odd : 0);
        return imported && input.timestamp_ns === undefined ? this.#imported(input) : input;
      }),
    );
  }

  #imported(input: AccountInput): AccountInput {
    this.#importedNs += 1n;
    return { ...input, flags: input.flags | 16, timestamp_ns: String(this.#importedNs) };
  }

  #freshBatch({ events, open, imported }: Extract<Action, { kind: 'transfers' }>): Command {
    const transfers = events.map((event) => {
      const plain = this.#transfer(event);
      const transfer = imported ? this.#importedTransfer(plain, event.laterNs) : plain;
      if ((transfer.flags & 0b1110) === 2) this.#holds.push(transfer);
      return transfer;
    });
    const last = transfers.at(-1)!;
    if (!open) transfers.splice(-1, 1, { ...last, flags: last.flags & ~1 });
    return this.#batch(transfers);
  }

  #importedTransfer(transfer: Transfer, laterNs: bigint): Transfer {
    if (transfer.timestampNs !== 0n || (transfer.flags & 256) !== 0) return transfer;
    // In the past, but in one of a few cases at the very edge of now.
    if (laterNs === 5n) this.#importedNs = this.#nowNs - 6n;
    const timestampNs = this.#importedNs + laterNs;
    if (laterNs > 0n && laterNs < 1n << 62n) this.#importedNs = timestampNs;
    // Most of them have no timeout, as it must be.
    const timeoutSeconds = transfer.timeoutSeconds === 1 ? 1 : 0;
    return { ...transfer, timestampNs, timeoutSeconds, flags: transfer.flags | 256 };
  }

  #batch(transfers: readonly Transfer[]): Command {
    this.#batches.push(transfers);
    for (const { id, pendingId } of transfers) this.ids.add(id).add(pendingId);
    return transfersCommand(encodeTransfers(transfers));
  }

  #transfer(spec: EventSpec): Transfer {
    const resolves = spec.mode === 'post' || spec.mode === 'void';
    const hold = typeof spec.hold === 'number' ? this.#holds.at(-1 - spec.hold) : undefined;
    const pendingId = hold?.id ?? this.#id(typeof spec.hold === 'number' ? spec.id : spec.hold);
    const modeFlags = { immediate: 0, pending: 2, post: 4, void: 8, odd: 6 }[spec.mode];
    // A closing flag without pending is a fault: a rare one.
    const special = spec.mode === 'pending' ? spec.special : spec.special & 48;
    const plain: Transfer = {
      id: this.#id(spec.id),
      debitAccountId: resolves ? 0n : ACCOUNT_IDS[spec.debit]!,
      creditAccountId: resolves ? 0n : ACCOUNT_IDS[spec.credit]!,
      amount: spec.mode === 'void' && spec.amount > 2n ? 0n : spec.amount,
      pendingId: resolves ? pendingId : 0n,
      userData128: 0n,
      userData64: 0n,
      userData32: 0,
      timeoutSeconds: spec.mode === 'pending' ? spec.timeoutSeconds : 0,
      ledger: resolves ? 0 : 978,
      code: resolves ? 0 : 1,
      flags: modeFlags | (spec.linked ? 1 : 0) | (resolves ? 0 : special),
      timestampNs: 0n,
    };
    return twisted(plain, spec.twist, hold ?? plain);
  }

  #id({ from, second, number }: IdSpec): bigint {
    const nowSecond = Number(this.#nowNs / 1_000_000_000n);
    const period = nowSecond - (nowSecond % 20);
    // Numbers differ in the milliseconds and in the lowest bits, so that both count.
    const at = (base: number): bigint =>
      transferIdFrom((base + second) * 1000 + number * 333, BigInt(number));
    switch (from) {
      case 'zero':
        return 0n;
      case 'max':
        return MAX;
      case 'future':
        return at(nowSecond + 298);
      case 'old':
        return at(nowSecond - 62);
      case 'before':
        return at(period - 20);
      case 'ages':
        // Seconds all over the longest window.
        return transferIdFrom((period - second * 249_000) * 1000, BigInt(number));
      case 'now':
        return at(period);
      default:
        return assertNever(from, 'an id is from somewhere');
    }
  }
}
