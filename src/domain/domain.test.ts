import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AssertionFailed } from '../base/assert.ts';
import { transferIdFrom } from '../base/ids.ts';
import { Prng } from '../base/prng.ts';
import {
  TRANSFER_DEFAULTS,
  type Transfer,
  TransferFlag,
  encodeTransfers,
} from '../base/transfer-record.ts';
import {
  type Command,
  accountsCommand,
  CommandKind,
  configureCommand,
  ledgersCommand,
  tickCommand,
  transfersCommand,
} from './commands.ts';
import { type DomainState, apply, createState, image, restore, stateMix } from './domain.ts';
import { assertBooksBalanceFully, nextDeadlineNs } from './domain.ts';
import type { Outcome } from './outcome.ts';
import { counts, findAccount, findTransfer, ledgerTotals, listLedgers } from './queries.ts';
import { REFUSAL } from './refusals.ts';

const START_S = 1_700_000_000;
const SECOND_NS = 1_000_000_000n;

/** One or more states that all get the same commands, and must all answer the same. */
class Bench {
  states: DomainState[];
  timeNs = BigInt(START_S) * SECOND_NS;

  constructor(...states: DomainState[]) {
    this.states = states;
  }

  send(command: Command): Outcome {
    const stamp = { position: this.states[0]!.position + 1, timeNs: this.timeNs, rulesVersion: 1 };
    const [outcome, ...others] = this.states.map((state) => apply(state, command, stamp));
    this.timeNs += BigInt(Math.max(1, command.eventCount));
    assert.ok(outcome);
    for (const other of others) assert.deepEqual(other, outcome);
    return outcome;
  }

  code(command: Command): number | undefined {
    return this.send(command).codes[0];
  }
}

function account(id: number, flags = 0): Parameters<typeof accountsCommand>[0][number] {
  return {
    id: id.toString(16).padStart(32, '0'),
    ledger: 1,
    code: 1,
    flags,
    user_data_128: '0'.repeat(32),
    user_data_64: '0',
    user_data_32: 0,
  };
}

function opened(accounts = 6): Bench {
  const bench = new Bench(createState());
  bench.send(ledgersCommand([{ ledger: 1, currency: 'EUR', exponent: 2 }]));
  bench.send(accountsCommand(Array.from({ length: accounts }, (_, i) => account(i + 1))));
  return bench;
}

function transfer(rest: number, fields: Partial<Transfer> = {}): Transfer {
  return {
    ...TRANSFER_DEFAULTS,
    id: transferIdFrom(START_S * 1000, BigInt(rest)),
    debitAccountId: 1n,
    creditAccountId: 2n,
    amount: 10n,
    ledger: 1,
    code: 1,
    ...fields,
  };
}

function resolution(rest: number, pendingId: bigint, fields: Partial<Transfer>): Transfer {
  return {
    ...TRANSFER_DEFAULTS,
    id: transferIdFrom(START_S * 1000, BigInt(rest)),
    pendingId,
    ...fields,
  };
}

function batch(...transfers: Transfer[]): Command {
  return transfersCommand(encodeTransfers(transfers));
}

function bytesOf(state: DomainState): string {
  return image(state)
    .map(({ name, bytes }) => `${name}:${bytes.join(',')}`)
    .join('\n');
}

function jsonCommand(kind: number, text: string, eventCount = 1): Command {
  return { kind, eventCount, payload: new TextEncoder().encode(text) };
}

describe('applying commands', () => {
  it('answers bytes of every wrong shape with a code for each event, and throws for none', () => {
    const bench = opened();
    const before = counts(bench.states[0]!).accounts;
    const good = JSON.stringify(account(9));
    const malformed: Command[] = [
      { kind: CommandKind.transfers, eventCount: 2, payload: new Uint8Array(128) },
      { kind: CommandKind.transfers, eventCount: 0, payload: new Uint8Array(0) },
      { kind: CommandKind.transfers, eventCount: 0xffff_ffff, payload: new Uint8Array(128) },
      { kind: CommandKind.accounts, eventCount: 1, payload: new Uint8Array([0xff, 0xfe]) },
      jsonCommand(CommandKind.accounts, '{"accounts":'),
      jsonCommand(CommandKind.accounts, '{"accounts":[]}'),
      jsonCommand(CommandKind.accounts, `{"accounts":[${good}]}`, 2),
      jsonCommand(CommandKind.accounts, `{"accounts":[${good}],"more":1}`),
      jsonCommand(CommandKind.accounts, `{"accounts":[null]}`),
      jsonCommand(CommandKind.accounts, `{"accounts":[${good.replace('"flags"', '"flag"')}]}`),
      jsonCommand(
        CommandKind.accounts,
        `{"accounts":[${good.replace('"flags":0', '"flags":1.5')}]}`,
      ),
      jsonCommand(CommandKind.accounts, `{"accounts":[${good.replace('"code":1', '"code":"1"')}]}`),
      jsonCommand(CommandKind.accounts, `{"accounts":[${good.replace('0009', '000G')}]}`),
      jsonCommand(CommandKind.ledgers, '{"ledgers":[]}'),
      jsonCommand(CommandKind.ledgers, '{"ledgers":[{"ledger":2,"currency":"EUR"}]}'),
      jsonCommand(CommandKind.ledgers, '{"ledgers":[{"ledger":2,"currency":7,"exponent":2}]}'),
      jsonCommand(CommandKind.configure, '{}'),
      jsonCommand(CommandKind.configure, '{"expected_version":"0"}'),
      jsonCommand(CommandKind.configure, '{"expected_version":0,"__proto__":1}'),
      jsonCommand(CommandKind.tick, '[]'),
      jsonCommand(CommandKind.tick, '{"a":1}'),
    ];
    for (const command of malformed) {
      const expected = [1, 2].includes(command.eventCount) ? command.eventCount : 1;
      const codes = [...bench.send(command).codes];
      const wanted = Array.from({ length: expected }, () => REFUSAL.command_malformed);
      assert.deepEqual(codes, wanted, new TextDecoder().decode(command.payload));
    }
    assert.equal(bench.code(jsonCommand(99, '{}')), REFUSAL.command_unknown);
    assert.equal(counts(bench.states[0]!).accounts, before);
  });

  it('stops at a stamp that goes back, and at rules that this release does not know', () => {
    const bench = opened();
    const state = bench.states[0]!;
    const stamp = { position: 9, timeNs: state.lastTimeNs, rulesVersion: 1 };
    assert.throws(() => apply(state, tickCommand(), stamp), AssertionFailed);
    const unknown = { position: 9, timeNs: bench.timeNs, rulesVersion: 2 };
    assert.throws(() => apply(state, tickCommand(), unknown), AssertionFailed);
  });

  it('reads a payload that is not aligned as well as one that is', () => {
    const bench = opened();
    const records = encodeTransfers([transfer(1)]);
    const shifted = new Uint8Array(records.byteLength + 1);
    shifted.set(records, 1);
    assert.equal(bench.code(transfersCommand(shifted.subarray(1))), 0);
    // Where a file or the network brought it: its slices are views, and no better aligned.
    const brought = Buffer.from(shifted.buffer).subarray(1);
    assert.equal(bench.code(transfersCommand(brought)), REFUSAL.exists);
    assert.equal(findAccount(bench.states[0]!, 2n)?.creditsPosted, 10n);
  });

  it('undoes a broken chain whole: balances, holds, remembered ids', () => {
    const bench = opened();
    const state = bench.states[0]!;
    const linked = TransferFlag.linked;
    const hold = transfer(1, { flags: TransferFlag.pending, timeoutSeconds: 60 });
    bench.send(batch(hold));
    const before = { totals: ledgerTotals(state), counts: counts(state) };
    const outcome = bench.send(
      batch(
        transfer(2, { flags: linked }),
        resolution(3, hold.id, { flags: TransferFlag.postPending | linked, amount: 4n }),
        transfer(4, { flags: TransferFlag.pending | linked }),
        resolution(5, transfer(4).id, { flags: TransferFlag.voidPending | linked }),
        transfer(6, { creditAccountId: 77n }),
      ),
    );
    const failed = REFUSAL.linked_event_failed;
    assert.deepEqual([...outcome.codes], [failed, failed, failed, failed, 37]);
    assert.deepEqual(ledgerTotals(state), before.totals);
    assert.deepEqual(counts(state), { ...before.counts, remembered: before.counts.remembered + 1 });
    assert.equal(findTransfer(state, hold.id)?.hold, 'pending');
    assert.equal(findTransfer(state, transfer(6).id)?.state, 'failed');
    assert.equal(bench.code(batch(resolution(7, hold.id, { flags: 8 }))), 0);
    assertBooksBalanceFully(state);
  });

  it('undoes a chain whose own first ids were forgotten to make room for its last', () => {
    const bench = opened();
    const state = bench.states[0]!;
    bench.send(configureCommand({ expected_version: 0, dedupe_bytes_max: 2560 }));
    const linked = TransferFlag.linked | TransferFlag.pending;
    const chain = Array.from({ length: 17 }, (_, i) => transfer(i + 1, { flags: linked }));
    const codes = [...bench.send(batch(...chain, transfer(99))).codes];
    assert.equal(codes[16], REFUSAL.id_expired);
    assert.equal(codes[17], REFUSAL.linked_event_failed);
    assert.equal(codes[0], REFUSAL.linked_event_failed);
    assert.equal(counts(state).holds, 0);
    assert.equal(counts(state).remembered, 0);
    assert.equal(ledgerTotals(state)[0]?.debitsPending, 0n);
    assertBooksBalanceFully(state);
  });

  it('resolves a hold whose record has been forgotten', () => {
    const bench = opened();
    const state = bench.states[0]!;
    const hold = transfer(1, { flags: TransferFlag.pending });
    bench.send(batch(hold));
    bench.timeNs += 800_000n * SECOND_NS;
    const late = transferIdFrom((START_S + 800_000) * 1000, 1n);
    const post = resolution(0, hold.id, { id: late, flags: TransferFlag.postPending, amount: 3n });
    assert.equal(bench.code(batch(post)), 0);
    assert.equal(findTransfer(state, hold.id), undefined);
    assert.deepEqual(findTransfer(state, late)?.transfer.debitAccountId, 1n);
    const again = { ...post, id: late + 1n };
    assert.equal(bench.code(batch(again)), REFUSAL.pending_transfer_not_found);
  });

  it('says when the next hold expires, and releases by expiry and then by age', () => {
    const bench = opened();
    const state = bench.states[0]!;
    const flags = TransferFlag.pending;
    assert.equal(nextDeadlineNs(state), undefined);
    const first = bench.timeNs;
    bench.send(
      batch(
        transfer(1, { flags, timeoutSeconds: 9 }),
        transfer(2, { flags, timeoutSeconds: 5 }),
        transfer(3, { flags }),
      ),
    );
    assert.equal(nextDeadlineNs(state), first + 1n + 5n * SECOND_NS);
    bench.timeNs = first + 5n * SECOND_NS;
    assert.equal(bench.send(tickCommand()).expired, 0);
    assert.equal(bench.send(tickCommand()).expired, 1);
    assert.equal(findTransfer(state, transfer(2).id)?.hold, 'expired');
    bench.timeNs = first + 10n * SECOND_NS;
    const late = resolution(4, transfer(1).id, { flags: TransferFlag.postPending, amount: 1n });
    assert.equal(bench.code(batch(late)), REFUSAL.pending_transfer_expired);
    assert.equal(bench.send(tickCommand()).expired, 1);
    assert.equal(nextDeadlineNs(state), undefined);
  });

  it('lists ledgers and totals by number, whatever the order of definition', () => {
    const bench = new Bench(createState());
    const ledgers = [5, 2, 9].map((ledger) => ({ ledger, currency: `L${ledger}`, exponent: 2 }));
    bench.send(ledgersCommand(ledgers));
    const numbers = listLedgers(bench.states[0]!).map(({ ledger }) => ledger);
    assert.deepEqual(numbers, [2, 5, 9]);
    assert.deepEqual(
      ledgerTotals(bench.states[0]!).map(({ ledger }) => ledger),
      numbers,
    );
  });
});

/** A command of any kind, so that every part of the state is in the image. */
function anyCommand(prng: Prng, bench: Bench, made: Transfer[]): Command {
  const draw = prng.below(20);
  if (draw === 0) return tickCommand();
  if (draw === 1) return accountsCommand([account(1 + prng.below(12), prng.pick([0, 2, 4]))]);
  if (draw === 2) bench.timeNs += BigInt(prng.below(40)) * SECOND_NS;
  const now = Number(bench.timeNs / 1_000_000n);
  const list = Array.from({ length: 1 + prng.below(8) }, () => {
    const id = transferIdFrom(now - prng.below(20_000), BigInt(prng.uint32()));
    const linked = prng.chance(0.3) ? TransferFlag.linked : 0;
    if (made.length > 0 && prng.chance(0.3)) {
      const flags = linked | prng.pick([TransferFlag.postPending, TransferFlag.voidPending]);
      const amount = (flags & TransferFlag.postPending) === 0 ? 0n : BigInt(1 + prng.below(9));
      return { ...TRANSFER_DEFAULTS, id, pendingId: prng.pick(made).id, flags, amount };
    }
    if (made.length > 0 && prng.chance(0.1)) return prng.pick(made);
    const pending = prng.chance(0.5);
    return {
      ...transfer(0),
      id,
      debitAccountId: BigInt(1 + prng.below(8)),
      creditAccountId: BigInt(1 + prng.below(8)),
      amount: BigInt(1 + prng.below(30)),
      flags: linked | (pending ? TransferFlag.pending : 0),
      timeoutSeconds: pending ? prng.below(30) : 0,
    };
  });
  made.push(...list);
  return batch(...list);
}

describe('the image', () => {
  it('is the same after restoring, and stays the same under the same further commands', () => {
    for (let seed = 1; seed <= 12; seed++) {
      const prng = new Prng(seed);
      const bench = opened();
      // Room for few ids, so that forgetting is at work all the time.
      const bytesMax = prng.pick([2560, 8000, 64_000]);
      bench.send(configureCommand({ expected_version: 0, dedupe_bytes_max: bytesMax }));
      const made: Transfer[] = [];
      for (let round = 0; round < 6; round++) {
        for (let step = 0; step < 25; step++) bench.send(anyCommand(prng, bench, made));
        const [state] = bench.states;
        assert.ok(state);
        const copy = restore(image(state));
        assert.equal(bytesOf(copy), bytesOf(state), `seed ${seed}, round ${round}`);
        assert.deepEqual(stateMix(copy), stateMix(state));
        bench.states = [state, copy];
        for (let step = 0; step < 15; step++) bench.send(anyCommand(prng, bench, made));
        assert.equal(bytesOf(copy), bytesOf(state), `seed ${seed}, round ${round}, further on`);
        bench.states = [copy];
      }
      assertBooksBalanceFully(bench.states[0]!);
    }
  });

  it('is refused when a balance in it has changed', () => {
    const bench = opened();
    bench.send(batch(transfer(1)));
    const sections = image(bench.states[0]!);
    const accounts = sections.find(({ name }) => name === 'accounts/000000');
    assert.ok(accounts);
    accounts.bytes[16] = accounts.bytes[16]! ^ 1;
    assert.throws(() => restore(sections), AssertionFailed);
  });
});
