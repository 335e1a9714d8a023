import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationalError } from '../../base/errors.ts';
import { until } from '../../../test/support/until.ts';
import { commandOf, startForwarding, turns } from './testing/forward-rig.ts';

test('answers wait until the own books hold them, and come in the order of positions', async () => {
  await using rig = await startForwarding();
  rig.forwarder.toward('one');
  rig.ask(1, 2);
  await turns();
  rig.ask(3);
  await turns();
  rig.one.number();
  rig.one.answer();
  await turns();
  assert.deepEqual([rig.callers.heard, rig.forwarder.unanswered], [[], 3]);
  rig.apply(2);
  assert.deepEqual(rig.callers.heard, ['1 at 1', '2 at 2']);
  rig.apply(4);
  rig.ask(4);
  await turns();
  rig.one.number();
  rig.one.answer();
  await turns();
  assert.deepEqual(rig.callers.heard, ['1 at 1', '2 at 2', '3 at 3', '4 at 4']);
  assert.equal(rig.forwarder.unanswered, 0);
});

test('what arrives in one turn is one question, and few small ones are under way', async () => {
  await using rig = await startForwarding();
  rig.ask(1, 2, 3);
  await turns();
  assert.equal(rig.one.intake.commands, 0);
  rig.forwarder.toward('one');
  for (let number = 4; number < 10; number++) {
    rig.ask(number);
    await turns();
  }
  assert.equal(rig.one.intake.commands, 6);
  assert.equal(rig.intake.commands, 3);
  rig.apply(100);
  for (let round = 0; round < 2; round++) {
    rig.one.number();
    rig.one.answer();
    await turns();
  }
  assert.deepEqual(rig.one.numbered, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('large batches go although others are under way, each in a question that fits', async () => {
  await using rig = await startForwarding();
  rig.forwarder.toward('one');
  rig.apply(100);
  for (let number = 1; number <= 12; number++) {
    rig.intake.ask(commandOf(number, number % 2 === 0 ? 8189 : 1), rig.callers.waiter(number));
  }
  await turns();
  assert.equal(rig.forwarder.unanswered, 8);
  rig.one.number();
  rig.one.answer();
  await turns();
  rig.one.number();
  rig.one.answer();
  await turns();
  assert.equal(rig.callers.heard.length, 12);
  assert.deepEqual(
    rig.one.numbered,
    Array.from({ length: 12 }, (_, index) => index + 1),
  );
});

test('a lost leader: everything goes to the next one, in the order of asking', async () => {
  await using rig = await startForwarding();
  rig.forwarder.toward('one');
  rig.ask(1, 2);
  await turns();
  rig.ask(3);
  await turns();
  rig.one.number(1);
  rig.hub.cut('one', 'standby');
  rig.forwarder.toward(undefined);
  await turns();
  rig.ask(4);
  await turns();
  assert.deepEqual([rig.forwarder.unanswered, rig.intake.commands], [0, 4]);
  assert.deepEqual(rig.troubles, ['one OUTCOME_UNKNOWN']);
  rig.apply(100);
  rig.forwarder.toward('two');
  await turns();
  rig.two.number();
  rig.two.answer();
  await turns();
  assert.deepEqual(rig.two.numbered, [1, 2, 3, 4]);
  assert.deepEqual(rig.callers.heard, ['1 at 2', '2 at 3', '3 at 4', '4 at 5']);
  // Nobody waits any more for what the first one had not numbered.
  rig.one.number();
  assert.deepEqual(rig.one.numbered, [1]);
});

test('a frozen leader: its questions are given up when another one is named', async () => {
  await using rig = await startForwarding();
  rig.forwarder.toward('one');
  rig.ask(1);
  await turns();
  rig.hub.freeze('one');
  rig.ask(2);
  await turns();
  rig.forwarder.toward(undefined);
  rig.forwarder.toward('two');
  rig.apply(100);
  await turns();
  rig.two.number();
  rig.two.answer();
  await turns();
  assert.deepEqual(rig.callers.heard, ['1 at 1', '2 at 2']);
  rig.hub.thaw('one');
  rig.one.number();
  rig.one.answer();
  await turns();
  assert.equal(rig.callers.heard.length, 2);
});

test('a leader that resigns hands back what it has not numbered; the rest it answers', async () => {
  await using rig = await startForwarding();
  rig.apply(100);
  rig.forwarder.toward('one');
  rig.ask(1, 2, 3);
  await turns();
  rig.one.number(1);
  rig.one.resign();
  await turns();
  assert.deepEqual(rig.callers.heard, []);
  rig.one.answer();
  await turns();
  assert.deepEqual(rig.callers.heard, ['1 at 1']);
  assert.deepEqual(rig.troubles, ['one NOT_READY']);
  rig.forwarder.toward('two');
  await turns();
  rig.two.number();
  rig.two.answer();
  await turns();
  assert.deepEqual(rig.callers.heard, ['1 at 1', '2 at 2', '3 at 3']);
});

test('the same leader is asked again after a pause', async () => {
  await using rig = await startForwarding();
  rig.apply(100);
  rig.one.isLeading = false;
  rig.forwarder.toward('one');
  rig.ask(1, 2);
  await until(() => rig.troubles.length >= 3, 'several attempts');
  rig.one.isLeading = true;
  await until(() => rig.one.intake.commands === 2, 'the commands at the leader');
  rig.one.number();
  rig.one.answer();
  await turns();
  assert.deepEqual(rig.callers.heard, ['1 at 1', '2 at 2']);
});

test('stopping puts everything unanswered back to the front, at once and in order', async () => {
  await using rig = await startForwarding();
  rig.forwarder.toward('one');
  rig.ask(1, 2);
  await turns();
  rig.one.number();
  rig.one.answer();
  await turns();
  rig.ask(3);
  await turns();
  rig.ask(4);
  rig.forwarder.stop();
  rig.ask(5);
  assert.deepEqual(
    rig.intake
      .take(10_000)
      .map((ticket) => [...rig.callers.tickets].find(([, t]) => t === ticket)?.[0]),
    [3, 4, 5],
  );
  // This node leads now: what the old leader has answered is applied on the way there.
  rig.apply(2);
  assert.deepEqual(rig.callers.heard, ['1 at 1', '2 at 2']);
});

test('what a caller may conclude when his time is over', async () => {
  await using rig = await startForwarding();
  rig.ask(1, 2, 3);
  rig.callers.tickets.get(1)?.abandon();
  rig.forwarder.toward('one');
  await turns();
  assert.equal(rig.one.intake.commands, 2);
  rig.callers.tickets.get(2)?.abandon();
  rig.one.resign();
  await turns();
  // Certainly not numbered there: it will not happen.
  rig.callers.tickets.get(3)?.abandon();
  rig.ask(4);
  rig.forwarder.toward('two');
  await turns();
  rig.hub.cut('two', 'standby');
  await turns();
  rig.callers.tickets.get(4)?.abandon();
  assert.deepEqual(rig.callers.heard, [
    '1 OVERLOADED',
    '2 OUTCOME_UNKNOWN',
    '3 OVERLOADED',
    '4 OUTCOME_UNKNOWN',
  ]);
});

test("a leader's refusal is the caller's answer, unless another may have done it", async () => {
  await using rig = await startForwarding();
  rig.forwarder.toward('one');
  rig.ask(1);
  await turns();
  rig.one.intake.rejectAll(new OperationalError('JOURNAL_FULL'));
  await turns();
  rig.ask(2);
  await turns();
  rig.hub.cut('one', 'standby');
  await turns();
  rig.ask(3);
  rig.forwarder.toward('two');
  await turns();
  rig.two.intake.close(new OperationalError('OVERLOADED'));
  rig.two.intake.rejectAll(new OperationalError('OVERLOADED'));
  await turns();
  assert.deepEqual(rig.callers.heard, ['1 JOURNAL_FULL', '2 OUTCOME_UNKNOWN', '3 OVERLOADED']);
});

test('unknown because the history is incomplete is for the caller, and not asked again', async () => {
  await using rig = await startForwarding();
  rig.forwarder.toward('one');
  rig.ask(1);
  await turns();
  rig.one.number();
  const cause = new OperationalError('HISTORY_INCOMPLETE');
  rig.one.lose(new OperationalError('OUTCOME_UNKNOWN', { cause }));
  await turns();
  assert.deepEqual([rig.callers.heard, rig.troubles], [['1 OUTCOME_UNKNOWN'], []]);
});

test('a drain ends when the last caller has heard', async () => {
  await using rig = await startForwarding();
  rig.forwarder.toward('one');
  rig.ask(1);
  rig.intake.close(new OperationalError('SHUTTING_DOWN'));
  let isDrained = false;
  const drained = rig.forwarder.drain().then(() => (isDrained = true));
  await turns();
  rig.one.number();
  rig.one.answer();
  await turns();
  assert.equal(isDrained, false);
  rig.apply(1);
  await drained;
  assert.deepEqual(rig.callers.heard, ['1 at 1']);
});

test('a halt: what has been answered and not applied is unknown to its caller', async () => {
  await using rig = await startForwarding();
  rig.forwarder.toward('one');
  rig.ask(1);
  await turns();
  rig.one.number();
  rig.one.answer();
  await turns();
  rig.ask(2);
  await turns();
  const halted = new OperationalError('NOT_READY');
  rig.forwarder.abandon(halted);
  rig.intake.rejectAll(halted);
  assert.deepEqual(rig.callers.heard, ['1 OUTCOME_UNKNOWN', '2 OUTCOME_UNKNOWN']);
});
