import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSeen } from './testing/run.ts';

test('an engine that leads itself, a journal in files and a wrong place are refused with a way out', async () => {
  const cases: [place: string, exitCode: number, message: RegExp][] = [
    ['kafka://127.0.0.1:1/topic', 4, /chooses its leaders by itself/],
    ['file', 4, /has no members/],
    ['postgres://127.0.0.1/x', 2, /wants host:port/],
    ['postgres://me:secret@127.0.0.1:1/x', 2, /must not hold a password/],
  ];
  for (const [place, exitCode, message] of cases) {
    const seen = await runSeen(['engine', 'plan-promote', '--journal', place]);
    assert.equal(seen.exitCode, exitCode, seen.stderr);
    assert.match(seen.stderr, message);
    assert.equal(seen.stdout, '');
  }
  const missing = await runSeen(['engine', 'status']);
  assert.equal(missing.exitCode, 2);
  assert.match(missing.stderr, /HOLDFAST_JOURNAL/);
});

test('with no member in reach nothing is promoted, and the exit code says unavailable', async () => {
  const place = 'postgres://postgres@127.0.0.1:1,127.0.0.1:2,127.0.0.1:3/payments';
  for (const verb of ['plan-promote', 'promote']) {
    const seen = await runSeen(['engine', verb, '--json'], {
      environment: { HOLDFAST_JOURNAL: place },
    });
    assert.equal(seen.exitCode, 5, seen.stderr);
    const { error } = JSON.parse(seen.stderr) as { error: { code: string; money: string } };
    assert.equal(error.code, 'no_member_reachable');
    assert.match(error.money, /Nothing was changed/);
  }
  const status = await runSeen(['engine', 'status', '--journal', place]);
  assert.equal(status.exitCode, 5);
  assert.match(status.stdout, /127\.0\.0\.1:2 +unreachable/);
});
