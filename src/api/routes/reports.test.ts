// Reports at the door, with views that a test holds: what is said while there are none, and in
// which form an answer leaves.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationalError } from '../../base/errors.ts';
import type { Views, ViewsStatus } from '../../views/contract.ts';
import type { ReportAnswer } from '../../views/report-types.ts';
import { call, createFakeNode } from '../testing/fake-node.ts';

const HUGE = (1n << 127n) + 5n;
const AT = { position: 7, timeNs: 1_767_600_000_000_000_001n };
const SUMS = { debitsPosted: HUGE, creditsPosted: HUGE, debitsPending: 3n, creditsPending: 3n };
const TRIAL: ReportAnswer = {
  kind: 'trial-balance',
  ...AT,
  ledgers: [
    {
      ledger: 978,
      currency: 'EUR',
      exponent: 2,
      accounts: 2,
      ...SUMS,
      codes: [{ code: 1, accounts: 2, ...SUMS }],
    },
  ],
};
const NEXT = { day: 20_458, ledger: 978 };
const DAYS: ReportAnswer = { kind: 'daily-totals', ...AT, days: [], next: NEXT };

class HeldViews implements Views {
  readonly asked: unknown[] = [];
  answer: ReportAnswer | undefined;
  readonly waited: number[] = [];

  status(): ViewsStatus {
    const isComplete = this.answer !== undefined;
    const reason = isComplete ? undefined : 'They are being built.';
    return { ...AT, isComplete, reason, lag: 2, transfers: 9 };
  }

  until(position: number): Promise<void> {
    this.waited.push(position);
    return Promise.resolve();
  }

  report(question: unknown): Promise<ReportAnswer> {
    this.asked.push(question);
    if (this.answer !== undefined) return Promise.resolve(this.answer);
    return Promise.reject(new OperationalError('VIEWS_INCOMPLETE'));
  }
}

function nodeWith(views: Views | undefined) {
  const node = createFakeNode();
  Object.assign(node.engine, { views });
  return node;
}

const PATHS = [
  '/v1/reports/trial-balance',
  `/v1/reports/accounts/acc_${'0'.repeat(31)}1/statement`,
  '/v1/reports/daily-totals',
];

test('a node without views says so, and one that builds them asks for patience', async () => {
  await using without = nodeWith(undefined);
  await using building = nodeWith(new HeldViews());
  for (const path of PATHS) {
    const off = await call(without, 'GET', path);
    assert.deepEqual([off.status, off.body.code], [404, 'views_off'], path);
    const early = await call(building, 'GET', path);
    assert.deepEqual([early.status, early.body.code], [503, 'views_incomplete'], path);
    assert.equal(early.body.retryable, true);
    assert.ok(Number(early.headers['retry-after']) > 0);
  }
  const { body } = await call(building, 'GET', '/readyz');
  const check = body.checks.find(({ name }: { readonly name: string }) => name === 'views');
  assert.deepEqual([check.ok, check.required, body.ready], [false, false, true]);
});

test('no digit of an amount is lost, as JSON or as CSV', async () => {
  const views = new HeldViews();
  views.answer = TRIAL;
  await using node = nodeWith(views);
  const json = await call(node, 'GET', PATHS[0]!);
  assert.equal(json.body.ledgers[0].debits_posted, String(HUGE));
  assert.equal(json.body.ledgers[0].codes[0].balance, '0');
  assert.deepEqual([json.body.position, json.body.time], [7, '2026-01-05T08:00:00.000000001Z']);
  assert.equal(json.headers['holdfast-position'], '7');
  const accepts = ['text/csv', 'text/csv;q=1, application/json'];
  for (const accept of accepts) {
    const csv = await call(node, 'GET', PATHS[0]!, undefined, { accept });
    assert.match(String(csv.headers['content-type']), /^text\/csv/, accept);
    const [, line] = String(csv.body).split('\r\n');
    const huge = '1701411834604692317316873037158841057.33';
    assert.equal(line, `978,EUR,1,2,${huge},${huge},0.00,0.03,0.03,7,${json.body.time}`);
  }
  for (const accept of ['application/json, text/csv', '*/*', 'text/html']) {
    const { body } = await call(node, 'GET', PATHS[0]!, undefined, { accept });
    assert.equal(body.position, 7, accept);
  }
  const named = await call(node, 'GET', `${PATHS[0]!}?format=csv`);
  assert.match(String(named.body), /^ledger,currency,/);
});

test('days are whole days, and a cursor goes on where the page ended', async () => {
  const views = new HeldViews();
  views.answer = DAYS;
  await using node = nodeWith(views);
  const query = 'from=2026-01-05&to=2026-01-05&limit=3&ledger=978';
  const first = await call(node, 'GET', `${PATHS[2]!}?${query}`);
  const asked = {
    kind: 'daily-totals',
    fromDay: 20_458,
    throughDay: 20_458,
    ledger: 978,
    limit: 3,
  };
  assert.deepEqual(views.asked.at(-1), { ...asked, after: undefined });
  const cursor = encodeURIComponent(first.body.next as string);
  await call(node, 'GET', `${PATHS[2]!}?${query}&cursor=${cursor}`);
  assert.deepEqual(views.asked.at(-1), { ...asked, after: NEXT });
  const other = await call(node, 'GET', `${PATHS[2]!}?limit=3&cursor=${cursor}`);
  assert.deepEqual([other.status, other.body.code], [400, 'cursor_of_another_list']);
  const csv = await call(node, 'GET', `${PATHS[2]!}?${query}&format=csv`);
  assert.equal(csv.headers['holdfast-next'], first.body.next);
});

test('whoever asks for a position waits for the books and then for the views', async () => {
  const views = new HeldViews();
  views.answer = TRIAL;
  await using node = nodeWith(views);
  await call(node, 'GET', PATHS[0]!);
  assert.deepEqual(views.waited, []);
  await call(node, 'GET', PATHS[0]!, undefined, { 'holdfast-position': '5' });
  assert.deepEqual(views.waited, [5]);
  assert.deepEqual(node.engine.wishes, [{ isStrong: false, position: 5 }]);
  await call(node, 'GET', `${PATHS[0]!}?consistency=strong`);
  assert.deepEqual(views.waited, [5, node.engine.status().position]);
});
