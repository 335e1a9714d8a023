import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAcknowledging, parseAcknowledging } from './postgres-acknowledging.ts';
import {
  formatConninfo,
  parseConninfo,
  pointedAt,
  shownConninfo,
  sourceOf,
  withoutPassword,
} from './postgres-conninfo.ts';

test('synchronous_standby_names in all its forms', () => {
  const cases: [text: string, quorum: number, labels: string[]][] = [
    ['', 0, []],
    ['n2', 1, ['n2']],
    ['n2, n3', 1, ['n2', 'n3']],
    ['2 (a, b, c)', 2, ['a', 'b', 'c']],
    ['ANY 2 (n1,"n 2", "q""t")', 2, ['n1', 'n 2', 'q"t']],
    ['first 1 (n2,n3)', 1, ['n2', 'n3']],
  ];
  for (const [text, quorum, labels] of cases) {
    assert.deepEqual(parseAcknowledging(text), { quorum, labels, isAnybody: false }, text);
  }
  assert.deepEqual(parseAcknowledging('*'), { quorum: 1, labels: [], isAnybody: true });
  const set = { quorum: 1, labels: ['n2', 'q"t'], isAnybody: false };
  assert.deepEqual(parseAcknowledging(formatAcknowledging(set)), set);
});

test('connection strings: quotes, URIs, another server, and no password where it is shown', () => {
  assert.throws(() => parseConninfo('host'), RangeError);
  const pairs = parseConninfo(String.raw`host=db-1 port = 5433 password='it\'s a \\' options=''`);
  assert.equal(pairs.get('password'), String.raw`it's a \ `.trim());
  assert.deepEqual(parseConninfo(formatConninfo(pairs)), pairs);
  assert.equal(sourceOf(formatConninfo(pairs)), 'db-1:5433');
  assert.equal(sourceOf('postgresql://rep:x%20y@db-2:5434/d?sslmode=require'), 'db-2:5434');
  const moved = pointedAt(formatConninfo(pairs), { host: 'db-3', port: 1 }, 'n2');
  assert.equal(moved.get('host'), 'db-3');
  assert.equal(moved.get('application_name'), 'n2');
  assert.equal(moved.get('password'), pairs.get('password'));
  for (const shown of [
    withoutPassword(formatConninfo(pairs)),
    shownConninfo(formatConninfo(pairs)),
  ]) {
    assert.ok(!shown.includes('it'), shown);
    assert.ok(parseConninfo(shown).has('password'));
  }
});
