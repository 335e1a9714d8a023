import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Command, CommandKind } from '../domain/commands.ts';
import { OperationalError } from '../base/errors.ts';
import { Replica } from '../recovery/replica.ts';
import { MemoryLog } from '../drivers/memory/memory-log.ts';
import { HandClock, startNode } from '../../test/support/engine-rig.ts';
import type { Waiter } from './contract.ts';
import { ClockGuard } from './clock-guard.ts';
import { Intake } from './intake.ts';
import { Sequencer } from './sequencer.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const TAKEN = 50;
const PAYLOAD_BYTES = 64 * 1024;

function command(): Command {
  return {
    kind: CommandKind.transfers,
    eventCount: PAYLOAD_BYTES / 128,
    payload: new Uint8Array(PAYLOAD_BYTES),
  };
}

/** A waiter that notes what it hears. */
class Heard implements Waiter {
  readonly codes: string[] = [];
  readonly #onHeard: () => void;

  constructor(onHeard: () => void = () => undefined) {
    this.#onHeard = onHeard;
  }

  accepted(): void {
    this.codes.push('accepted');
    this.#onHeard();
  }

  failed(error: OperationalError): void {
    this.codes.push(error.code);
    this.#onHeard();
  }
}

function openIntake(): Intake {
  const intake = new Intake({ commandsMax: 1000, bytesMax: 64 * 1024 * 1024 }, () => {});
  intake.open();
  return intake;
}

/** Puts commands in and takes them out again, and keeps only weak references to their payloads. */
function passThrough(intake: Intake): WeakRef<Uint8Array>[] {
  return Array.from({ length: TAKEN }, () => {
    const passing = command();
    intake.ask(passing, new Heard());
    const [ticket] = intake.take(2 * PAYLOAD_BYTES - 1);
    assert.ok(ticket !== undefined);
    ticket.reject(new OperationalError('OUTCOME_UNKNOWN'));
    return new WeakRef(passing.payload);
  });
}

test('what was taken from a queue that never runs empty is not held by it', async () => {
  const intake = openIntake();
  for (let count = 0; count < 3; count++) {
    intake.ask(command(), new Heard());
  }
  const payloads = passThrough(intake);
  assert.equal(intake.commands, 3);
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  const held = payloads.filter((payload) => payload.deref() !== undefined).length;
  // Those that still wait were put in last.
  assert.ok(held <= 3, `${held} of ${TAKEN} payloads are still held`);
});

/** A replica that breaks while an entry is being sealed. */
class BrokenReplica extends Replica {
  override get outcomeDigest(): Uint8Array {
    throw new Error('broken on purpose');
  }
}

test('a command that was taken and could not be sealed is answered as unknown', async () => {
  const log = new MemoryLog();
  {
    await using rig = await startNode(log);
    assert.equal(rig.node.status().epoch, 1);
  }
  const opening = log.at(0);
  assert.ok(opening !== undefined);
  const intake = openIntake();
  const sequencer = new Sequencer({
    intake,
    replica: new BrokenReplica(),
    clockGuard: new ClockGuard(new HandClock()),
    opening,
  });
  const heard = new Heard();
  intake.ask(command(), heard);
  assert.throws(() => sequencer.next({ probe: false }), /broken on purpose/);
  assert.deepEqual(heard.codes, ['OUTCOME_UNKNOWN']);
});

test('who abandons hears of it once, and what he may conclude', () => {
  const intake = openIntake();
  const [waiting, numbered] = [new Heard(), new Heard()];
  const early = intake.ask(command(), numbered);
  assert.equal(intake.take(2 * PAYLOAD_BYTES - 1)[0], early);
  const late = intake.ask(command(), waiting);
  for (const ticket of [early, late, early, late]) ticket.abandon();
  early.reject(new OperationalError('SHUTTING_DOWN'));
  assert.deepEqual([numbered.codes, waiting.codes], [['OUTCOME_UNKNOWN'], ['OVERLOADED']]);
  assert.deepEqual(intake.take(PAYLOAD_BYTES * 2), []);
});

test('who asks again while all that wait are refused is queued, not forgotten', () => {
  const intake = openIntake();
  const again = new Heard();
  intake.ask(command(), new Heard(() => intake.ask(command(), again)));
  intake.rejectAll(new OperationalError('JOURNAL_FULL'));
  assert.deepEqual([intake.commands, again.codes], [1, []]);
  assert.equal(intake.bytes, intake.take(2 * PAYLOAD_BYTES)[0]?.bytes);
});

test('what is put back stands in front, and whoever left meanwhile is dropped', () => {
  const intake = openIntake();
  const heard = Array.from({ length: 4 }, () => new Heard());
  const [first, second, third] = heard.map((waiter) => intake.ask(command(), waiter));
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  const taken = intake.take(3 * PAYLOAD_BYTES - 1);
  assert.deepEqual(taken, [first, second]);
  for (const ticket of taken) ticket.unnumber(false);
  first.abandon();
  intake.putBack(taken);
  assert.equal(intake.commands, 3);
  assert.equal(intake.bytes, 3 * second.bytes);
  assert.deepEqual(intake.take(4 * PAYLOAD_BYTES, 2), [second, third]);
  assert.deepEqual(heard[0]?.codes, ['OVERLOADED']);
});

test('what may have happened is never said not to have happened', () => {
  const intake = openIntake();
  const heard = Array.from({ length: 3 }, () => new Heard());
  const tickets = heard.map((waiter) => intake.ask(command(), waiter));
  intake.take(4 * PAYLOAD_BYTES);
  for (const ticket of tickets) ticket.unnumber(true);
  intake.putBack(tickets);
  tickets[0]?.abandon();
  tickets[1]?.reject(new OperationalError('OVERLOADED'));
  intake.rejectAll(new OperationalError('SHUTTING_DOWN'));
  for (const { codes } of heard) assert.deepEqual(codes, ['OUTCOME_UNKNOWN']);
});

test('only what other nodes sent is refused when this one leads no more', () => {
  const intake = openIntake();
  const [own, other] = [new Heard(), new Heard()];
  intake.askForwarded(command(), other);
  const kept = intake.ask(command(), own);
  intake.askForwarded(command(), other);
  intake.rejectForwarded(new OperationalError('NOT_READY'));
  assert.deepEqual([own.codes, other.codes], [[], ['NOT_READY', 'NOT_READY']]);
  assert.equal(intake.bytes, kept.bytes);
  assert.deepEqual(intake.take(4 * PAYLOAD_BYTES), [kept]);
});
