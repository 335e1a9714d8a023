// Histories of a cluster: what a client sent once may stand in the journal more than once. Clean
// ones pass, and only as histories of a cluster; with one planted fault each they are found out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TransferFlag } from '../../src/base/transfer-record.ts';
import { CREATED, REFUSAL, refusalByNumber } from '../../src/domain/refusals.ts';
import { checkHistory } from './checker.ts';
import type { Answer, Operation, Request } from './history.ts';
import {
  type Recorder,
  type TransferFields,
  busyRecorder,
  idOf,
  opened,
  withAccount,
} from './testing/recorder.ts';

const { linked, pending, postPending } = TransferFlag;
const CLUSTER = true;

/** One transfer for each argument. */
function pays(recorder: Recorder, ...transfers: readonly TransferFields[]): Request {
  const made = transfers.map((more) => recorder.transfer(1n, 2n, 10n, more));
  return { kind: 'transfers', transfers: made };
}

/** Its client sends it once; it is executed `times`, and told what the last execution came to. */
function sendOnce(
  recorder: Recorder,
  request: Request,
  { times = 2, kind = 'answered' }: { times?: number; kind?: Answer['kind'] } = {},
): Operation {
  const invokedAtMs = recorder.nowMs;
  for (let time = 1; time < times; time++) {
    recorder.execute(request);
    recorder.nowMs += 1;
  }
  return recorder.change(recorder.send(request, kind), { invokedAtMs });
}

function told({ answer }: Operation): string[] {
  assert(answer.kind === 'answered');
  return answer.codes.map((code) => (code === CREATED ? 'created' : refusalByNumber(code).name));
}

function findings(recorder: Recorder): string {
  return checkHistory(recorder.history(CLUSTER)).mismatches.join('\n');
}

test('requests that were carried out again before they were answered pass', () => {
  const recorder = busyRecorder();
  assert.deepEqual(told(sendOnce(recorder, pays(recorder, {}))), ['exists']);
  const chain = pays(recorder, { flags: linked }, {});
  assert.deepEqual(told(sendOnce(recorder, chain, { times: 4 })), ['exists', 'exists']);
  const refused = pays(recorder, { debitAccountId: 3n, amount: 10_000n });
  assert.deepEqual(told(sendOnce(recorder, refused)), ['id_already_failed']);
  const hold = sendOnce(recorder, pays(recorder, { flags: pending }));
  const post = pays(recorder, { flags: postPending, pendingId: idOf(hold) });
  assert.deepEqual(told(sendOnce(recorder, post)), ['exists']);
  const accounts = [recorder.account(7n), recorder.account(8n)];
  const opening = sendOnce(recorder, { kind: 'accounts', accounts });
  assert.deepEqual(told(opening), ['account_exists', 'account_exists']);
  const change = { account: accounts[0]!.id, frozen: true, expected_frozen: false };
  sendOnce(recorder, { kind: 'account-flags', change });
  sendOnce(recorder, pays(recorder, {}), { times: 3, kind: 'unknown' });
  recorder.record(pays(recorder, {}), { kind: 'not-executed' });
  recorder.pay(1n, 2n, 3n);
  const verdict = checkHistory(recorder.history(CLUSTER));
  assert.deepEqual(verdict.mismatches, []);
  assert.equal(verdict.hidden, 11);
  // A node alone sends nothing again.
  const alone = checkHistory(recorder.history()).mismatches;
  assert.equal(alone.filter((text) => text.includes('no request explains')).length, 11);
});

test('money that moved twice for a request that was sent again is doubled', () => {
  const recorder = busyRecorder();
  sendOnce(recorder, pays(recorder, { amount: 33n }));
  const [debit, credit] = [recorder.books.account(1n)!, recorder.books.account(2n)!];
  let planted = recorder.history(CLUSTER);
  planted = withAccount(planted, 1n, { debitsPosted: debit.debitsPosted + 33n });
  planted = withAccount(planted, 2n, { creditsPosted: credit.creditsPosted + 33n });
  const { doubled, mismatches } = checkHistory(planted);
  assert.equal(doubled, 1);
  assert.match(mismatches.join('\n'), /account 1: debitsPosted/);
});

test('a request whose payment is gone although it was answered as existing is lost', () => {
  const recorder = busyRecorder();
  const paid = sendOnce(recorder, pays(recorder, { amount: 33n }));
  const history = recorder.history(CLUSTER);
  const transfers = new Map(history.final.transfers).set(idOf(paid), { state: 'absent' });
  const { lost } = checkHistory({ ...history, final: { ...history.final, transfers } });
  assert.equal(lost, 1);
});

test('another body under the id is found', () => {
  const recorder = busyRecorder();
  const request = pays(recorder, {});
  assert(request.kind === 'transfers');
  const other = request.transfers.map((transfer) => ({ ...transfer, amount: 11n }));
  recorder.execute({ kind: 'transfers', transfers: other });
  assert.deepEqual(told(recorder.send(request)), ['exists_with_different_amount']);
  assert.match(findings(recorder), /a command that no request explains/);
});

test('an answer exists where nothing was carried out before is found', () => {
  const recorder = busyRecorder();
  const paid = recorder.pay(1n, 2n, 10n);
  const codes = [REFUSAL.exists];
  recorder.change(paid, { answer: { kind: 'answered', codes, position: recorder.head } });
  assert.match(findings(recorder), /answered exists, the rules say created/);
});

test('an answer created where it had been carried out before is found', () => {
  const recorder = busyRecorder();
  const paid = sendOnce(recorder, pays(recorder, {}));
  const answer: Answer = { kind: 'answered', codes: [CREATED], position: recorder.head };
  recorder.change(paid, { answer });
  assert.match(findings(recorder), /answered created, the rules say exists/);
  // Nor may the answer be that of the first time: it would have been told before the second.
  recorder.change(recorder.operations.at(-1)!, {
    answer: { ...answer, position: answer.position - 1 },
  });
  assert.match(findings(recorder), /once more, after it was answered/);
});

test('a request that is carried out once more after its answer is found', () => {
  for (const [times, entry] of [
    [1, 'new'],
    [1, 'last'],
    [2, 'new'],
  ] as const) {
    const recorder = busyRecorder();
    const paid = sendOnce(recorder, pays(recorder, {}), { times });
    recorder.execute(paid.request, entry);
    assert.match(findings(recorder), /stands at position \d+ once more, after it was answered/);
  }
});

test('a request that is carried out before it was asked is found', () => {
  const recorder = busyRecorder();
  const request = pays(recorder, {});
  recorder.execute(request);
  recorder.pay(1n, 2n, 3n);
  const late = recorder.send(request);
  const wrong = new RegExp(`was answered before ${late.label} was asked, but stands after it`);
  assert.match(findings(recorder), wrong);
  // Had it been asked while the other was under way, it would be right.
  recorder.change(late, { invokedAtMs: recorder.operations.at(-2)!.completedAtMs! });
  assert.equal(findings(recorder), '');
});

test('of two who asked the same, the one who had asked by then explains what stands there', () => {
  const recorder = busyRecorder();
  const request = pays(recorder, {});
  const first = recorder.send(request, 'unknown');
  recorder.execute(request);
  recorder.pay(1n, 2n, 3n);
  recorder.send(request);
  assert.equal(findings(recorder), '');
  assert.equal(checkHistory(recorder.history(CLUSTER)).hidden, 1);
  recorder.operations.splice(recorder.operations.indexOf(first), 1);
  assert.match(findings(recorder), /was answered before .* was asked/);
});

test('a request that was called not executed must not have been, however often it was sent', () => {
  const recorder = busyRecorder();
  sendOnce(recorder, pays(recorder, {}), { kind: 'not-executed' });
  assert.match(findings(recorder), /answered as not executed, but stands in the journal/);
});

test('an outcome that differs from the rules is found although the request was sent again', () => {
  const recorder = busyRecorder();
  const refused = pays(recorder, { debitAccountId: 3n, amount: 10_000n });
  const answer: Answer = { kind: 'answered', codes: [REFUSAL.exceeds_credits], position: 0 };
  const again = sendOnce(recorder, refused);
  recorder.change(again, { answer: { ...answer, position: recorder.head } });
  assert.match(findings(recorder), /answered exceeds_credits, the rules say id_already_failed/);
});

test('of equal commands in one entry the outcome tells which was answered', () => {
  for (const isFirst of [true, false]) {
    const recorder = opened();
    const request = pays(recorder, {});
    const [invokedAtMs, answers] = [recorder.nowMs, [recorder.execute(request)]];
    answers.push(recorder.execute(request, 'last'));
    recorder.record(request, { kind: 'unknown' });
    const answer = answers[isFirst ? 0 : 1]!;
    recorder.change(recorder.record(request, answer), { invokedAtMs });
    for (const resends of [true, false]) {
      assert.deepEqual(checkHistory(recorder.history(resends)).mismatches, []);
    }
  }
});

test('whoever asked after an answer cannot stand in its entry', () => {
  const recorder = busyRecorder();
  const late = pays(recorder, {});
  const lateAnswer = recorder.execute(late);
  const paid = pays(recorder, {});
  recorder.record(paid, recorder.execute(paid, 'last'));
  recorder.record(late, lateAnswer);
  assert.match(findings(recorder), /stands after it or in one entry with it/);
});

test('where requests may be sent again, nothing is judged without the journal', () => {
  const { operations, final, resends } = busyRecorder().history(CLUSTER);
  assert.throws(() => checkHistory({ operations, final, resends }), /the journal belongs/);
});
