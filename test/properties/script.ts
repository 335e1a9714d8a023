// Random scripts of commands, biased to collisions: few ids, few accounts, small steps of time,
// tiny timeouts, little memory. A script is a plain value that says what to send relative to what
// was sent before; `ScriptPlayer` turns it into commands and stamps, the same ones every time.

import * as fc from 'fast-check';

import { assertNever } from '../../src/base/assert.ts';
import { transferIdFrom } from '../../src/base/ids.ts';
import { encodeTransfers, type Transfer } from '../../src/base/transfer-record.ts';
import {
  type AccountInput,
  accountsCommand,
  type Command,
  configureCommand,
  ledgersCommand,
  tickCommand,
  transfersCommand,
} from '../../src/domain/commands.ts';
import type { Stamp } from '../../src/domain/outcome.ts';

const START_NS = BigInt(Date.UTC(2026, 0, 5, 8)) * 1_000_000n;
const MAX = (1n << 128n) - 1n;

/** Account ids of all shapes; the last one is never opened by the start. */
export const ACCOUNT_IDS: readonly bigint[] = [
  1n,
  2n,
  3n,
  1n << 64n,
  MAX - 1n,
  6n,
  7n,
  0x123n << 100n,
];

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
  readonly twist: Twist;
};

type Twist =
  | 'none'
  | 'timestamp'
  | 'reserved flag'
  | 'user data 128'
  | 'user data 64'
  | 'user data 32'
  | 'timeout'
  | 'other ledger'
  | 'no ledger'
  | 'no code'
  | 'other code'
  | 'hold named'
  | 'other debit'
  | 'other credit'
  | 'zero debit'
  | 'zero credit'
  | 'max debit'
  | 'max credit'
  | 'amount'
  | 'all'
  | 'nothing'
  | 'pending id';

export type Action =
  | {
      readonly kind: 'transfers';
      readonly events: readonly EventSpec[];
      /** Whether the last one may be linked to nothing. */
      readonly open: boolean;
    }
  | { readonly kind: 'again'; readonly back: number; readonly twist: Twist; readonly at: number }
  | { readonly kind: 'accounts'; readonly accounts: readonly number[]; readonly odd: number }
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

const TWISTS: readonly Twist[] = [
  'timestamp',
  'reserved flag',
  'user data 128',
  'user data 64',
  'user data 32',
  'timeout',
  'other ledger',
  'no ledger',
  'no code',
  'other code',
  'hold named',
  'other debit',
  'other credit',
  'zero debit',
  'zero credit',
  'max debit',
  'max credit',
  'amount',
  'all',
  'nothing',
  'pending id',
];

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
      odd: fc.nat(12),
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

  /** Ledgers and accounts that every script begins with. */
  opening(): Sent[] {
    const euro = { ledger: 978, currency: 'EUR', exponent: 2 };
    const yen = { ledger: 392, currency: 'JPY', exponent: 0 };
    return [
      this.#stamped(ledgersCommand([euro, yen])),
      this.#stamped(accountsCommand([0, 1, 2, 3, 4, 5, 6].map((index) => accountInput(index)))),
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
        return accountsCommand(action.accounts.map((index) => accountInput(index, action.odd)));
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

  #freshBatch({ events, open }: Extract<Action, { kind: 'transfers' }>): Command {
    const transfers = events.map((event) => {
      const transfer = this.#transfer(event);
      if (transfer.flags === 2 || transfer.flags === 3) this.#holds.push(transfer);
      return transfer;
    });
    const last = transfers.at(-1)!;
    if (!open) transfers.splice(-1, 1, { ...last, flags: last.flags & ~1 });
    return this.#batch(transfers);
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
      flags: modeFlags | (spec.linked ? 1 : 0),
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

function twisted(transfer: Transfer, twist: Twist, hold: Transfer = transfer): Transfer {
  switch (twist) {
    case 'timestamp':
      return { ...transfer, timestampNs: 1n };
    case 'reserved flag':
      return { ...transfer, flags: transfer.flags | 0x8000 };
    case 'user data 128':
      return { ...transfer, userData128: 1n << 90n };
    case 'user data 64':
      return { ...transfer, userData64: 1n << 63n };
    case 'user data 32':
      return { ...transfer, userData32: 0xffff_ffff };
    case 'timeout':
      return { ...transfer, timeoutSeconds: 0xffff_ffff };
    case 'other ledger':
      return { ...transfer, ledger: 392 };
    case 'no ledger':
      return { ...transfer, ledger: 0 };
    case 'no code':
      return { ...transfer, code: 0 };
    case 'other code':
      return { ...transfer, code: 0xffff };
    case 'hold named': {
      const { debitAccountId, creditAccountId, ledger, code } = hold;
      return { ...transfer, debitAccountId, creditAccountId, ledger, code };
    }
    case 'other debit':
      return { ...transfer, debitAccountId: 6n };
    case 'other credit':
      return { ...transfer, creditAccountId: 6n };
    case 'zero debit':
      return { ...transfer, debitAccountId: 0n };
    case 'zero credit':
      return { ...transfer, creditAccountId: 0n };
    case 'max debit':
      return { ...transfer, debitAccountId: MAX };
    case 'max credit':
      return { ...transfer, creditAccountId: MAX };
    case 'amount':
      return { ...transfer, amount: 2n };
    case 'all':
      return { ...transfer, amount: MAX };
    case 'nothing':
      return { ...transfer, amount: 0n };
    case 'pending id':
      return { ...transfer, pendingId: transfer.id };
    case 'none':
      return transfer;
    default:
      return assertNever(twist, 'a twist is a known one');
  }
}

/** Accounts of both ledgers, with every limit; `odd` bends one of them. */
function accountInput(index: number, odd = 0): AccountInput {
  const plain: AccountInput = {
    id: ACCOUNT_IDS[index]!.toString(16).padStart(32, '0'),
    ledger: index === 5 ? 392 : 978,
    code: 1,
    flags: index === 3 ? 2 : index === 4 ? 4 : 0,
    user_data_128: '0'.repeat(32),
    user_data_64: '0',
    user_data_32: 0,
  };
  const bent: readonly Partial<AccountInput>[] = [
    {},
    { flags: 8 },
    { flags: 6 },
    { id: '0'.repeat(32) },
    { id: 'f'.repeat(32) },
    { user_data_128: `${'0'.repeat(31)}1` },
    { user_data_64: '18446744073709551615' },
    { user_data_32: 4_294_967_295 },
    { ledger: 0 },
    { ledger: 111 },
    { code: 0 },
    { code: 65_535 },
    { ledger: 392 },
  ];
  return { ...plain, ...bent[odd] };
}

function oddLedgers(odd: number): { ledger: number; currency: string; exponent: number }[] {
  const euro = { ledger: 978, currency: 'EUR', exponent: 2 };
  const other = { ledger: 111, currency: 'TOKEN', exponent: 18 };
  return [
    [euro],
    [euro, other],
    [other, { ...euro, currency: 'USD' }],
    [{ ...other, exponent: 17 }],
    [{ ...other, ledger: 0 }, euro],
    [{ ...other, currency: 'token' }],
    [other, { ...other, exponent: 19 }],
    [
      { ...other, ledger: 112 },
      { ...other, ledger: 112 },
    ],
  ][odd]!;
}
