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
