import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOperationalError } from '../base/errors.ts';
import { loadConfig } from './config.ts';
import { journalPlaceOf } from './journal-place.ts';

test('a place names the engine, its members and where the journal is in it', () => {
  assert.deepEqual(journalPlaceOf('file'), { driver: 'file' });
  assert.deepEqual(journalPlaceOf('postgres'), { driver: 'embedded' });
  assert.deepEqual(
    journalPlaceOf('postgres://hold%40fast@db-1:5432,[::1]:5433/payments?sslmode=verify-full'),
    {
      driver: 'postgres',
      hosts: [
        { host: 'db-1', port: 5432 },
        { host: '::1', port: 5433 },
      ],
      user: 'hold@fast',
      name: 'payments',
      parameters: { sslmode: 'verify-full' },
    },
  );
});

test('a place that cannot be one is refused, with what is wrong', () => {
  const refused = {
    '': /wants file, postgres, or/,
    files: /wants file, postgres, or/,
    'oracle://h:1/x': /with one of postgres, mysql, kafka, rabbitmq/,
    'kafka://h:1': /wants file, postgres, or/,
    'kafka://h/x': /wants host:port where it has h/,
    'kafka://h:1,/x': /where it has nothing/,
    'kafka://h:70000/x': /where it has h:70000/,
    'mysql://user:secret@h:1/x': /must not hold a password/,
  };
  for (const [place, why] of Object.entries(refused)) {
    assert.throws(() => journalPlaceOf(place), why, place);
  }
});

test('a password that was put into the place all the same is not repeated', () => {
  const environment = {
    HOLDFAST_NODE: 'node-1',
    HOLDFAST_JOURNAL: 'kafka://holdfast:secret@broker-1:9092/payments',
  };
  assert.throws(
    () => loadConfig({}, environment),
    (error) => {
      assert.ok(isOperationalError(error, 'CONFIGURATION_INVALID'));
      assert.match(error.detail, /HOLDFAST_JOURNAL=kafka:\/\/holdfast:\.\.\.@broker-1.*password/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    },
  );
});
