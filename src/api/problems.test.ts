// The tables behind problem documents are complete, and the page of problems is what they say.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { OPERATIONAL_ERRORS, OperationalError } from '../base/errors.ts';
import { REFUSALS } from '../domain/refusals.ts';
import { PROBLEMS_PAGE, problemsPage } from './problems-page.ts';
import {
  inputProblem,
  operationalProblem,
  problemDocument,
  problemKind,
  problemKinds,
} from './problems.ts';
import { API_STATUS, OPERATIONAL_STATUS, REFUSAL_STATUS } from './status-map.ts';

test('the committed page of problems is the generated one', () => {
  assert.equal(readFileSync(PROBLEMS_PAGE, 'utf8'), problemsPage());
});

test('the page names every code once, and no code that does not exist', () => {
  const rows = problemsPage().matchAll(/^\| `([a-z0-9_]+)` \|/gm);
  const named = [...rows].map((match) => match[1]);
  assert.deepEqual(
    named,
    problemKinds().map((kind) => kind.code),
  );
});

test('every refusal and every operational error has a problem, and no code means two things', () => {
  const codes = [
    ...REFUSALS.map((refusal) => refusal.name),
    ...Object.keys(OPERATIONAL_ERRORS).map((code) => code.toLowerCase()),
    ...Object.keys(API_STATUS),
  ];
  assert.equal(new Set(codes).size, codes.length);
  assert.deepEqual(new Set<string>(problemKinds().map((kind) => kind.code)), new Set(codes));
});

test('the status maps name exactly the refusals and operational errors that there are', () => {
  assert.deepEqual(new Set(Object.keys(REFUSAL_STATUS)), new Set(REFUSALS.map(({ name }) => name)));
  assert.deepEqual(Object.keys(OPERATIONAL_STATUS).sort(), Object.keys(OPERATIONAL_ERRORS).sort());
});

test('every problem has an error status, except the refusals that are a success', () => {
  const successes = problemKinds().filter((kind) => kind.status < 400);
  assert.deepEqual(
    successes.map((kind) => kind.code),
    ['exists', 'account_exists', 'ledger_exists'],
  );
  for (const kind of problemKinds()) assert.ok(kind.status === 200 || kind.status <= 503);
});

test('what can be sent again after a time says after which time', () => {
  for (const kind of problemKinds()) {
    const later = kind.status === 429 || kind.status === 503;
    assert.equal(kind.retryAfterSeconds !== undefined, later || kind.origin === 'operational');
  }
  assert.equal(problemKind('overloaded').status, 429);
});

test('every problem says what happened, what it means for the money and what to do', () => {
  for (const kind of problemKinds()) {
    for (const text of [kind.title, kind.text, kind.money, kind.action])
      assert.match(text, /\w{3}/);
  }
});

test('a transient refusal tells that the id is burnt', () => {
  for (const { name, subject, transient } of REFUSALS) {
    if (transient && subject === 'transfer') {
      assert.match(problemKind(name).money, /none will ever move under this id/, name);
    }
  }
});

test('an unknown outcome never claims that nothing happened', () => {
  for (const [code, { outcome }] of Object.entries(OPERATIONAL_ERRORS)) {
    const { money } = problemKind(operationalProblem(new OperationalError(code as never)).code);
    assert.equal(money.startsWith('No money moved'), outcome !== 'unknown', code);
  }
});

test('a document carries the request id, and the errors with their pointers', () => {
  const errors = [
    { pointer: '/amount', code: 'amount_negative', detail: 'It is negative.' },
  ] as const;
  const { code, options } = inputProblem(errors);
  assert.deepEqual(problemDocument(code, 'req_1', options), {
    type: 'urn:holdfast:problem:amount_negative',
    title: 'Amount negative',
    status: 400,
    detail: '/amount: It is negative.',
    money: 'No money moved: nothing of the request was carried out.',
    action: 'To move money the other way, exchange the debit and the credit account.',
    code: 'amount_negative',
    retryable: false,
    request_id: 'req_1',
    errors,
  });
});

test("an operational error's own words and way out reach the client", () => {
  const error = new OperationalError('JOURNAL_FULL', {
    detail: 'No room.',
    wayOut: 'Delete files.',
  });
  const { code, options } = operationalProblem(error);
  const document = problemDocument(code, 'req_1', options) as Record<string, unknown>;
  assert.equal(document['code'], 'journal_full');
  assert.equal(document['detail'], 'No room.');
  assert.equal(document['action'], 'Delete files.');
});
