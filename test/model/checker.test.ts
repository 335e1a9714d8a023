// The judge is judged: histories with one planted fault each must be found out, a clean one passes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TransferFlag } from '../../src/base/transfer-record.ts';
import { CREATED, REFUSAL } from '../../src/domain/refusals.ts';
import { checkHistory } from './checker.ts';
import type { Answer, History, Operation } from './history.ts';
import { busyRecorder, idOf, opened, withAccount } from './testing/recorder.ts';

const { linked, pending } = TransferFlag;

/** Both ways of checking: with the journal, and from answers and final reads alone. */
function bothWays(history: Required<History>): [string, History][] {
  const { operations, final } = history;
  return [
    ['with the journal', history],
    ['without the journal', { operations, final }],
  ];
}

test('a clean history passes, and its unknown answers are resolved', () => {
  for (const [way, history] of bothWays(busyRecorder().history())) {
    const verdict = checkHistory(history);
    assert.deepEqual(verdict.mismatches, [], way);
    assert.deepEqual(
      { ...verdict, mismatches: undefined },
      {
        acknowledged: 7,
        unknown: 2,
        unknownDone: 1,
        unknownNotDone: 1,
        hidden: 0,
        lost: 0,
        doubled: 0,
        mismatches: undefined,
      },
      way,
    );
  }
});

test('an acknowledged transfer that is absent at the end is lost', () => {
  const recorder = busyRecorder();
  const paid = recorder.pay(1n, 2n, 33n);
  const history = recorder.history();
  const transfers = new Map(history.final.transfers).set(idOf(paid), { state: 'absent' });
  const debits = history.final.accounts.find(({ id }) => id === 1n)!.debitsPosted - 33n;
  const credits = history.final.accounts.find(({ id }) => id === 2n)!.creditsPosted - 33n;
  let planted: Required<History> = { ...history, final: { ...history.final, transfers } };
  planted = withAccount(planted, 1n, { debitsPosted: debits });
  planted = withAccount(planted, 2n, { creditsPosted: credits });
  planted = { ...planted, journal: planted.journal.slice(0, -1) };
  for (const [way, faulty] of bothWays(planted)) {
    const verdict = checkHistory(faulty);
    assert.equal(verdict.lost, 1, way);
    assert.equal(verdict.doubled, 0, way);
    assert(
      verdict.mismatches.some((text) => text.includes('is lost: absent')),
      way,
    );
  }
});

test('a transfer whose money is missing although its record is there is lost', () => {
  const recorder = busyRecorder();
  recorder.pay(1n, 2n, 33n);
  const history = recorder.history();
  const [first, second] = [recorder.books.account(1n)!, recorder.books.account(2n)!];
  let planted = withAccount(history, 1n, { debitsPosted: first.debitsPosted - 33n });
  planted = withAccount(planted, 2n, { creditsPosted: second.creditsPosted - 33n });
  for (const [way, faulty] of bothWays(planted)) {
    assert.equal(checkHistory(faulty).lost, 1, way);
  }
});

test('a transfer whose money moved twice is doubled', () => {
  const recorder = busyRecorder();
  recorder.pay(1n, 2n, 33n);
  const history = recorder.history();
  const [first, second] = [recorder.books.account(1n)!, recorder.books.account(2n)!];
  let planted = withAccount(history, 1n, { debitsPosted: first.debitsPosted + 33n });
  planted = withAccount(planted, 2n, { creditsPosted: second.creditsPosted + 33n });
  for (const [way, faulty] of bothWays(planted)) {
    const verdict = checkHistory(faulty);
    assert.equal(verdict.doubled, 1, way);
    assert.equal(verdict.lost, 0, way);
    assert(
      verdict.mismatches.some((text) => text.includes('debitsPosted')),
      way,
    );
  }
});

test('a hold that is held twice is doubled', () => {
  const recorder = opened();
  const hold = recorder.transfer(1n, 2n, 40n, { flags: pending });
  recorder.send({ kind: 'transfers', transfers: [hold] });
  let planted = withAccount(recorder.history(), 1n, { debitsPending: 80n });
  planted = withAccount(planted, 2n, { creditsPending: 80n });
  for (const [way, faulty] of bothWays(planted)) {
    assert.equal(checkHistory(faulty).doubled, 1, way);
  }
});

test('a retry that is acknowledged as created once more is doubled', () => {
  const recorder = busyRecorder();
  const paid = recorder.pay(1n, 2n, 33n);
  const again = recorder.send(paid.request);
  const answer: Answer = { kind: 'answered', codes: [CREATED], position: recorder.journal.length };
  recorder.operations.splice(-1, 1, { ...again, answer });
  for (const [way, faulty] of bothWays(recorder.history())) {
    const verdict = checkHistory(faulty);
    assert.equal(verdict.doubled, 1, way);
    assert(
      verdict.mismatches.some((text) => text.includes('answered created, the rules say exists')),
      way,
    );
  }
});

test('a command that stands in the journal more often than it was sent is found', () => {
  const recorder = busyRecorder();
  const paid = recorder.pay(1n, 2n, 33n);
  const again = recorder.send(paid.request);
  recorder.operations.splice(recorder.operations.indexOf(again), 1);
  assert.match(checkHistory(recorder.history()).mismatches.join('\n'), /no request explains/);
});

test('a wrong answer is found', () => {
  const recorder = busyRecorder();
  const refused = recorder.pay(3n, 2n, 1_000_000n);
  assert.deepEqual(refused.answer.kind === 'answered' && refused.answer.codes, [
    REFUSAL.exceeds_credits,
  ]);
  const answer: Answer = {
    kind: 'answered',
    codes: [REFUSAL.exceeds_debits],
    position: recorder.journal.length,
  };
  recorder.operations.splice(-1, 1, { ...refused, answer });
  for (const [way, faulty] of bothWays(recorder.history())) {
    assert.match(
      checkHistory(faulty).mismatches.join('\n'),
      /answered exceeds_debits, the rules say exceeds_credits/,
      way,
    );
  }
});

test('an answer with too few codes, and a wrong timestamp, are found', () => {
  const recorder = busyRecorder();
  const paid = recorder.pay(1n, 2n, 1n);
  const position = recorder.journal.length;
  recorder.operations.splice(-1, 1, { ...paid, answer: { kind: 'answered', codes: [], position } });
  assert.match(checkHistory(recorder.history()).mismatches.join('\n'), /0 answers for 1 events/);
  recorder.operations.splice(-1, 1, {
    ...paid,
    answer: { kind: 'answered', codes: [CREATED], position, timestampsNs: [17n] },
  });
  assert.match(checkHistory(recorder.history()).mismatches.join('\n'), /answered timestamp 17/);
});

test('an order that contradicts real time is found', () => {
  const recorder = busyRecorder();
  recorder.pay(1n, 2n, 1n);
  recorder.pay(1n, 2n, 2n);
  // The first was asked after the second had been answered, yet it stands before it.
  const [first, second] = recorder.operations.slice(-2) as [Operation, Operation];
  const late = { ...first, invokedAtMs: recorder.nowMs + 100, completedAtMs: recorder.nowMs + 105 };
  recorder.operations.splice(-2, 2, late, second);
  for (const [way, faulty] of bothWays(recorder.history())) {
    const { mismatches } = checkHistory(faulty);
    assert.equal(mismatches.length, 1, way);
    assert.match(mismatches[0]!, /was answered before .* was asked, but stands after it/, way);
  }
});

test('operations that overlapped in time may stand in either order', () => {
  const recorder = busyRecorder();
  recorder.pay(1n, 2n, 1n);
  recorder.pay(1n, 2n, 2n);
  const [first, second] = recorder.operations.slice(-2) as [Operation, Operation];
  const overlapping = { ...first, invokedAtMs: second.completedAtMs! };
  recorder.operations.splice(-2, 2, overlapping, second);
  for (const [way, clean] of bothWays(recorder.history())) {
    assert.deepEqual(checkHistory(clean).mismatches, [], way);
  }
});

test('an unknown chain that half happened is found', () => {
  const recorder = busyRecorder();
  const first = recorder.transfer(1n, 2n, 11n, { flags: linked });
  const second = recorder.transfer(1n, 2n, 12n);
  const chain = recorder.send({ kind: 'transfers', transfers: [first, second] }, 'unknown');
  const history = recorder.history();
  const transfers = new Map(history.final.transfers).set(idOf(chain, 1), { state: 'absent' });
  const [debit, credit] = [recorder.books.account(1n)!, recorder.books.account(2n)!];
  let planted: Required<History> = { ...history, final: { ...history.final, transfers } };
  planted = withAccount(planted, 1n, { debitsPosted: debit.debitsPosted - 12n });
  planted = withAccount(planted, 2n, { creditsPosted: credit.creditsPosted - 12n });
  for (const [way, faulty] of bothWays(planted)) {
    const { mismatches, unknownDone, lost } = checkHistory(faulty);
    assert.equal(unknownDone, 2, way);
    assert.equal(lost, 0, way);
    assert.match(mismatches.join('\n'), /is absent at the end, the rules say accepted/, way);
    assert.match(mismatches.join('\n'), /account 1: debitsPosted/, way);
  }
});

test('a request that was called not executed and happened all the same is found', () => {
  const recorder = busyRecorder();
  recorder.send({ kind: 'transfers', transfers: [recorder.transfer(1n, 2n, 6n)] }, 'not-executed');
  for (const [way, faulty] of bothWays(recorder.history())) {
    assert(checkHistory(faulty).mismatches.length > 0, way);
  }
  const { mismatches } = checkHistory(recorder.history());
  assert.match(mismatches.join('\n'), /answered as not executed, but stands in the journal/);
});

test('an answer whose command is not in the journal is found', () => {
  const recorder = busyRecorder();
  const history = recorder.history();
  const journal = history.journal.slice(0, -1);
  const { mismatches, lost } = checkHistory({ ...history, journal });
  assert.match(mismatches.join('\n'), /but the journal has no such command there/);
  // The books still have the effect, so nothing is lost: the journal does not explain it.
  assert.equal(lost, 0);
  assert.match(mismatches.join('\n'), /is accepted at the end, the rules say absent/);
});

test('missing, unknown and changed accounts are found, and ids that nobody looked up', () => {
  const history = busyRecorder().history();
  const { final } = history;
  const without = { ...history, final: { ...final, accounts: final.accounts.slice(1) } };
  assert.match(checkHistory(without).mismatches.join('\n'), /account 1 is missing/);
  const stranger = { ...final.accounts[0]!, id: 99n };
  const more = { ...history, final: { ...final, accounts: [...final.accounts, stranger] } };
  assert.match(checkHistory(more).mismatches.join('\n'), /account 99 is there/);
  const changed = withAccount(history, 2n, { code: 9 });
  assert.match(checkHistory(changed).mismatches.join('\n'), /account 2: code is 9/);
  const unread = { ...history, final: { ...final, transfers: new Map() } };
  assert.match(checkHistory(unread).mismatches.join('\n'), /was not looked up/);
});

test('a hold that ended otherwise than the rules say is found', () => {
  const recorder = busyRecorder();
  const hold = recorder.transfer(1n, 2n, 40n, { flags: pending });
  recorder.send({ kind: 'transfers', transfers: [hold] });
  const history = recorder.history();
  const found = history.final.transfers.get(hold.id)!;
  assert(found.state === 'accepted');
  const transfers = new Map(history.final.transfers).set(hold.id, { ...found, hold: 'voided' });
  const planted = { ...history, final: { ...history.final, transfers } };
  for (const [way, faulty] of bothWays(planted)) {
    assert.match(checkHistory(faulty).mismatches.join('\n'), /its hold is voided/, way);
  }
});
