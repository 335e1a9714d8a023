// The text scenarios: what a line means (words: README.md beside this file). A scenario is played
// line by line on some books; the first line that does not come out as written throws, with its
// number.

import { AccountFlag } from '../../src/base/account.ts';
import { ID_MAX, transferIdFrom } from '../../src/base/ids.ts';
import { parseDecimal } from '../../src/base/money.ts';
import {
  encodeTransfers,
  type Transfer,
  TRANSFER_DEFAULTS,
  TransferFlag,
} from '../../src/base/transfer-record.ts';
import {
  type AccountInput,
  accountFlagsCommand,
  accountsCommand,
  type Command,
  CommandKind,
  type ConfigureInput,
  configureCommand,
  ledgersCommand,
  tickCommand,
  transfersCommand,
} from '../../src/domain/commands.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import { CREATED, isSuccess, refusalByNumber } from '../../src/domain/refusals.ts';
import type { Leg, NewPosting } from '../../src/client/wire.ts';
import type { Books } from '../model/books.ts';
import { type Act, chainCode, commandOf } from './postings.ts';

const START_NS = BigInt(Date.UTC(2026, 0, 5, 8)) * 1_000_000n;
const UNIT_NS: { readonly [unit: string]: bigint } = {
  ns: 1n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
};
type FlagNames = { readonly [name: string]: number };

const ACCOUNT_FLAGS: FlagNames = {
  debits_must_not_exceed_credits: AccountFlag.debitsMustNotExceedCredits,
  credits_must_not_exceed_debits: AccountFlag.creditsMustNotExceedDebits,
  imported: AccountFlag.imported,
  closed: AccountFlag.closed,
  frozen: AccountFlag.frozen,
};
const TRANSFER_FLAGS: FlagNames = {
  linked: TransferFlag.linked,
  pending: TransferFlag.pending,
  post: TransferFlag.postPending,
  void: TransferFlag.voidPending,
  balancing_debit: TransferFlag.balancingDebit,
  balancing_credit: TransferFlag.balancingCredit,
  closing_debit: TransferFlag.closingDebit,
  closing_credit: TransferFlag.closingCredit,
  imported: TransferFlag.imported,
};
const MODE_FLAGS: { readonly [verb: string]: number } = {
  transfer: 0,
  pending: TransferFlag.pending,
  post: TransferFlag.postPending,
  void: TransferFlag.voidPending,
};

/** A transfer of a batch, with the answer that the scenario expects of it. */
type Expected<Value> = { readonly value: Value; readonly answer: string; readonly line: number };

type Options = ReadonlyMap<string, string>;

export class ScenarioPlayer {
  readonly #books: Books;
  readonly #onAct: (act: Act) => void;
  readonly #transferIds = new Map<string, bigint>();
  readonly #accountIds = new Map<string, bigint>();
  readonly #accountExponents = new Map<string, number>();
  readonly #currencies = new Map<string, { readonly ledger: number; readonly exponent: number }>();
  readonly #exponents = new Map<number, number>();
  /** Every answer that was given and was the expected one, by name. */
  readonly reached = new Set<string>();
  #nowNs = START_NS;
  #position = 0;
  #line = 0;
  /** The open block, and whether it is a chain. */
  #block: 'batch' | 'chain' | 'open chain' | undefined;
  #transfers: Expected<Transfer>[] = [];
  #accounts: Expected<AccountInput>[] = [];

  /** `onAct` hears what was asked of a door, before the command that it becomes is applied. */
  constructor(books: Books, onAct: (act: Act) => void = () => undefined) {
    this.#books = books;
    this.#onAct = onAct;
  }

  play(text: string): void {
    for (const [index, raw] of text.split('\n').entries()) {
      this.#line = index + 1;
      const line = raw.replace(/(^|\s)#.*$/, '').trim();
      if (line === '') continue;
      try {
        this.#playLine(line);
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        throw new Error(`line ${this.#line}: ${line}\n  ${message}`, { cause: error });
      }
    }
    if (this.#block !== undefined) throw new Error('the last block is not closed');
  }

  #playLine(line: string): void {
    const [left = '', answer = ''] = line.split('=>').map((part) => part.trim());
    const words = left.split(/\s+/);
    const verb = words[0] === 'linked' ? words[1]! : words[0]!;
    switch (verb) {
      case 'at':
        return this.#moveClock(words[1]!);
      case 'name':
        return void this.#transferIds.set(words[1]!, this.#idAt(words[3]!));
      case 'batch':
        return void (this.#block = 'batch');
      case 'chain':
        return void (this.#block = words[1] === 'open' ? 'open chain' : 'chain');
      case '}':
        return this.#closeBlock();
      case 'account':
        this.#accounts.push({ value: this.#accountInput(words), answer, line: this.#line });
        return this.#block === undefined ? this.#closeBlock() : undefined;
      case 'transfer':
      case 'pending':
      case 'post':
      case 'void':
        this.#transfers.push({ value: this.#transfer(words), answer, line: this.#line });
        return this.#block === undefined ? this.#closeBlock() : undefined;
      case 'ledger':
        return this.#ledgers(left, answer);
      case 'configure':
        return this.#expectOne(this.#apply(configureCommand(configureInput(words))), answer);
      case 'tick':
        return equal(`${this.#apply(tickCommand()).expired} expired`, answer);
      case 'raw':
        return this.#expectOne(this.#apply(rawCommand(left)), answer);
      case 'freeze':
      case 'unfreeze':
        return this.#expectOne(this.#apply(this.#freezing(words)), answer);
      case 'posting':
        return this.#act({ kind: 'posting', posting: this.#posting(words) }, answer);
      case 'revert': {
        const isPosting = words[1] === 'posting';
        const id = this.#transferId(words[isPosting ? 2 : 1]!);
        return this.#act({ kind: isPosting ? 'revert posting' : 'revert transfer', id }, answer);
      }
      case 'flags':
        return equal(this.#flagNames(words[1]!), answer);
      case 'balance':
        return this.#balance(words);
      case 'look':
        return this.#look(words[1]!, answer);
      case 'remembered':
        return equal(String(this.#books.rememberedCount()), words[1]!);
      default:
        throw new Error(`a scenario has no word "${verb}"`);
    }
  }

  #apply(command: Command): Outcome {
    this.#position += 1;
    const stamp = { position: this.#position, timeNs: this.#nowNs, rulesVersion: 1 };
    const outcome = this.#books.apply(command, stamp);
    this.#nowNs += BigInt(command.eventCount);
    return outcome;
  }

  #expectOne(outcome: Outcome, answer: string): void {
    equal(outcome.codes.length, 1);
    this.#expectCode(outcome.codes[0]!, answer, this.#line);
  }

  #expectCode(code: number, answer: string, line: number): void {
    const name = code === CREATED ? 'created' : refusalByNumber(code).name;
    if (name !== answer) throw new Error(`line ${line} expects ${answer}, the answer is ${name}`);
    this.reached.add(name);
  }

  #closeBlock(): void {
    const [transfers, accounts] = [this.#transfers, this.#accounts];
    this.#transfers = [];
    this.#accounts = [];
    const block = this.#block;
    this.#block = undefined;
    if (accounts.length > 0) {
      const outcome = this.#apply(accountsCommand(accounts.map(({ value }) => value)));
      equal(outcome.codes.length, accounts.length);
      for (const [index, { answer, line }] of accounts.entries()) {
        this.#expectCode(outcome.codes[index]!, answer, line);
      }
    }
    if (transfers.length > 0) {
      const linkedCount =
        block === 'open chain' ? transfers.length : block === 'chain' ? transfers.length - 1 : 0;
      const records = transfers.map(({ value }, index) =>
        index < linkedCount ? { ...value, flags: value.flags | TransferFlag.linked } : value,
      );
      const outcome = this.#apply(transfersCommand(encodeTransfers(records)));
      equal(outcome.codes.length, transfers.length);
      for (const [index, { answer, line }] of transfers.entries()) {
        this.#expectCode(outcome.codes[index]!, answer, line);
      }
    }
  }

  #ledgers(left: string, answer: string): void {
    const inputs = left
      .replace(/^ledger\s+/, '')
      .split(',')
      .map((part) => {
        const [ledger = '', currency = '', exponent = ''] = part.trim().split(/\s+/);
        return { ledger: Number(ledger), currency, exponent: Number(exponent) };
      });
    const outcome = this.#apply(ledgersCommand(inputs));
    this.#expectOne(outcome, answer);
    if (!isSuccess(outcome.codes[0]!)) return;
    for (const { ledger, currency, exponent } of inputs) {
      this.#currencies.set(currency, { ledger, exponent });
      this.#exponents.set(ledger, exponent);
    }
  }

  #accountInput(words: readonly string[]): AccountInput {
    const name = words[1]!;
    const options = optionsOf(words.slice(2));
    const ledger = numberOption(options, 'ledger');
    const exponent = this.#exponents.get(ledger);
    if (exponent !== undefined && !this.#accountExponents.has(name)) {
      this.#accountExponents.set(name, exponent);
    }
    return {
      id: hex(this.#accountId(name)),
      ledger,
      code: numberOption(options, 'code'),
      flags: flagsOption(options, ACCOUNT_FLAGS),
      user_data_128: hex(BigInt(options.get('user_data_128') ?? '0')),
      user_data_64: options.get('user_data_64') ?? '0',
      user_data_32: numberOption(options, 'user_data_32'),
      ...(options.has('timestamp') && { timestamp_ns: String(this.#timestampNs(options)) }),
    };
  }

  #act(act: Act, answer: string): void {
    const command = commandOf(act, this.#books);
    this.#onAct(act);
    const outcome = this.#apply(command);
    this.#expectCode(chainCode([...outcome.codes]), answer, this.#line);
  }

  /** `posting p1 EUR debit alice 11.90 credit bob 10.00 credit fees 1.90 code=2` */
  #posting(words: readonly string[]): NewPosting {
    const [, name = '', currency = '', ...rest] = words;
    const known = this.#currencies.get(currency);
    if (known === undefined) throw new Error(`the scenario defines no currency ${currency}`);
    const id = this.#transferId(name);
    const options = optionsOf(rest.filter((word) => word.includes('=')));
    const said = rest.filter((word) => !word.includes('='));
    const legs: Leg[] = [];
    for (let at = 0; at < said.length; at += 3) {
      const [side, account = '', amount = ''] = said.slice(at, at + 3);
      if (side !== 'debit' && side !== 'credit') throw new Error('a leg is a debit or a credit');
      const accountId = this.#accountId(account);
      legs.push({ side, accountId, amount: amountOf(amount, known.exponent) });
    }
    const code = options.has('code') ? numberOption(options, 'code') : 1;
    return { id, ledger: known.ledger, code, legs };
  }

  /** `freeze alice` takes her to be free, `unfreeze alice` to be frozen. */
  #freezing([verb = '', name = '']: readonly string[]): Command {
    const frozen = verb === 'freeze';
    const account = hex(this.#accountId(name));
    return accountFlagsCommand({ account, frozen, expected_frozen: !frozen });
  }

  /** The flags of an account by name, joined by +; `none` when it has none. */
  #flagNames(name: string): string {
    const flags = this.#books.account(this.#accountId(name))?.flags;
    if (flags === undefined) throw new Error(`there is no account ${name}`);
    const names = Object.entries(ACCOUNT_FLAGS).filter(([, bit]) => (flags & bit) !== 0);
    return names.map(([flag]) => flag).join('+') || 'none';
  }

  /** Nanoseconds since 1970, or relative to now: `timestamp=-5s`. */
  #timestampNs(options: Options): bigint {
    const text = options.get('timestamp') ?? '0';
    return /^[0-9]+$/.test(text) ? BigInt(text) : this.#nowNs + durationNs(text);
  }

  #transfer(words: readonly string[]): Transfer {
    const linked = words[0] === 'linked';
    const [verb = '', name = '', ...rest] = linked ? words.slice(1) : words;
    const flags = MODE_FLAGS[verb]! | (linked ? TransferFlag.linked : 0);
    const id = this.#transferId(name);
    const resolves = verb === 'post' || verb === 'void';
    const start = resolves ? this.#resolution(rest) : this.#movement(rest);
    const options = optionsOf(rest.filter((word) => word.includes('=')));
    const pick = (key: string, otherwise: number): number =>
      options.has(key) ? numberOption(options, key) : otherwise;
    return {
      ...start,
      id,
      debitAccountId: options.has('debit')
        ? this.#accountId(options.get('debit')!)
        : start.debitAccountId,
      creditAccountId: options.has('credit')
        ? this.#accountId(options.get('credit')!)
        : start.creditAccountId,
      pendingId: options.has('pending')
        ? this.#transferId(options.get('pending')!)
        : start.pendingId,
      userData128: BigInt(options.get('user_data_128') ?? '0'),
      userData64: BigInt(options.get('user_data_64') ?? '0'),
      userData32: numberOption(options, 'user_data_32'),
      timeoutSeconds: numberOption(options, 'timeout'),
      ledger: pick('ledger', start.ledger),
      code: pick('code', start.code),
      flags: flags | flagsOption(options, TRANSFER_FLAGS),
      timestampNs: this.#timestampNs(options),
    };
  }

  /** `alice -> bob 12.50 EUR` */
  #movement(rest: readonly string[]): Transfer {
    const [debit = '', arrow = '', credit = '', amount = '', currency = ''] = rest;
    if (arrow !== '->') throw new Error('a transfer is "debit -> credit amount currency"');
    const known = this.#currencies.get(currency);
    if (known === undefined) throw new Error(`the scenario defines no currency ${currency}`);
    return {
      ...TRANSFER_DEFAULTS,
      id: 0n,
      debitAccountId: this.#accountId(debit),
      creditAccountId: this.#accountId(credit),
      amount: amountOf(amount, known.exponent),
      ledger: known.ledger,
      code: 1,
    };
  }

  /** `of h1`, `of h1 all` or `of h1 5.00 EUR` */
  #resolution(rest: readonly string[]): Transfer {
    const [of = '', hold = '', amount = '', currency = ''] = rest;
    if (of !== 'of') throw new Error('a post or a void is "of" a hold');
    const none = amount === '' || amount.includes('=');
    const exponent = this.#currencies.get(currency)?.exponent ?? 0;
    return {
      ...TRANSFER_DEFAULTS,
      id: 0n,
      pendingId: this.#transferId(hold),
      amount: none ? 0n : amountOf(amount === 'all' ? 'max' : amount, exponent),
    };
  }

  #accountId(name: string): bigint {
    if (name === 'zero') return 0n;
    if (name === 'max') return ID_MAX;
    const known = this.#accountIds.get(name);
    if (known !== undefined) return known;
    const id = BigInt(this.#accountIds.size + 1);
    this.#accountIds.set(name, id);
    return id;
  }

  /** A name gets its id, with the time in it, when it is first mentioned. */
  #transferId(name: string): bigint {
    if (name === 'zero') return 0n;
    if (name === 'max') return ID_MAX;
    const known = this.#transferIds.get(name);
    if (known !== undefined) return known;
    const id = this.#idAt('+0s');
    this.#transferIds.set(name, id);
    return id;
  }

  #idAt(offset: string): bigint {
    const unixMs = Number((this.#nowNs + durationNs(offset)) / 1_000_000n);
    return transferIdFrom(unixMs, BigInt(this.#transferIds.size + 1));
  }

  #moveClock(word: string): void {
    const nowNs = word.startsWith('+')
      ? this.#nowNs + durationNs(word)
      : BigInt(Date.parse(word)) * 1_000_000n;
    if (nowNs < this.#nowNs) throw new Error('time never goes back');
    this.#nowNs = nowNs;
  }

  #balance(words: readonly string[]): void {
    const name = words[1]!;
    const account = this.#books.account(this.#accountId(name));
    if (account === undefined) throw new Error(`there is no account ${name}`);
    const actual: { readonly [name: string]: bigint } = {
      debits_pending: account.debitsPending,
      debits_posted: account.debitsPosted,
      credits_pending: account.creditsPending,
      credits_posted: account.creditsPosted,
    };
    const options = optionsOf(words.slice(2));
    if (options.size === 0) throw new Error('a balance line names at least one balance');
    for (const [key, value] of options) {
      equal(actual[key], amountOf(value, this.#accountExponents.get(name) ?? 0), key);
    }
  }

  #look(name: string, answer: string): void {
    const found = this.#books.transfer(this.#transferId(name));
    if (found === undefined) return equal('unknown', answer);
    equal(found.hold === 'none' ? found.state : `${found.state}, ${found.hold}`, answer);
  }
}

function configureInput(words: readonly string[]): ConfigureInput {
  const options = optionsOf(words.slice(1));
  return {
    expected_version: numberOption(options, 'version'),
    ...(options.has('window') && { dedupe_window_seconds: numberOption(options, 'window') }),
    ...(options.has('memory') && { dedupe_bytes_max: numberOption(options, 'memory') }),
    ...(options.has('rules') && { rules_version: numberOption(options, 'rules') }),
  };
}

/** `raw transfers 100 bytes`, `raw accounts {"some":"text"}`, `raw 9 {}` */
function rawCommand(left: string): Command {
  const [, kindWord = '', ...rest] = left.split(/\s+/);
  const kinds: { readonly [name: string]: number } = CommandKind;
  const payload =
    rest[1] === 'bytes'
      ? new Uint8Array(Number(rest[0])).fill(7)
      : new TextEncoder().encode(rest.join(' '));
  return { kind: kinds[kindWord] ?? Number(kindWord), eventCount: 1, payload };
}

function optionsOf(words: readonly string[]): Options {
  const options = new Map<string, string>();
  for (const word of words) {
    const at = word.indexOf('=');
    if (at < 1) throw new Error(`"${word}" is not name=value`);
    options.set(word.slice(0, at), word.slice(at + 1));
  }
  return options;
}

function numberOption(options: Options, key: string): number {
  const value = Number((options.get(key) ?? '0').replace(/(?<=[0-9])s$/, ''));
  if (!Number.isSafeInteger(value)) throw new Error(`${key} is not a whole number`);
  return value;
}

/** Names joined by +, or a number. */
function flagsOption(options: Options, known: FlagNames): number {
  const text = options.get('flags');
  if (text === undefined) return 0;
  if (/^[0-9]+$/.test(text)) return Number(text);
  return text.split('+').reduce((flags, name) => {
    const flag = known[name];
    if (flag === undefined) throw new Error(`there is no flag ${name}`);
    return flags | flag;
  }, 0);
}

/** Decimals of the currency; `max` is 2^128 - 1 minor units, `half` 2^127, both also minus some. */
function amountOf(text: string, exponent: number): bigint {
  const match = /^(max|half)(?:-([0-9]+))?$/.exec(text);
  if (match !== null) return (match[1] === 'max' ? ID_MAX : 1n << 127n) - BigInt(match[2] ?? '0');
  const amount = parseDecimal(text, exponent);
  if (typeof amount !== 'bigint') throw new Error(`${text} is no amount: ${amount}`);
  return amount;
}

/** `+60s`, `-8d`, `+60s-2ns` */
function durationNs(text: string): bigint {
  if (!/^([+-][0-9]+(ns|ms|s|m|h|d))+$/.test(text)) throw new Error(`${text} is no span of time`);
  let sumNs = 0n;
  for (const [, sign, count, unit] of text.matchAll(/([+-])([0-9]+)(ns|ms|s|m|h|d)/g)) {
    const spanNs = BigInt(count!) * UNIT_NS[unit!]!;
    sumNs += sign === '-' ? -spanNs : spanNs;
  }
  return sumNs;
}

function hex(value: bigint): string {
  return value.toString(16).padStart(32, '0');
}

function equal<Value>(actual: Value, expected: Value, what = ''): void {
  if (actual !== expected) {
    throw new Error(`${what} is ${String(actual)}, expected ${String(expected)}`.trim());
  }
}
