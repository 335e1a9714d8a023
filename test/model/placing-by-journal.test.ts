import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TRANSFER_DEFAULTS } from '../../src/base/transfer-record.ts';
import { type Answer, type JournalCommand, type Operation, requestCommand } from './history.ts';
import { placeByJournal } from './placing-by-journal.ts';

function request(id: bigint): Operation['request'] {
  const fields = { id, debitAccountId: 1n, creditAccountId: 2n, amount: 1n, ledger: 978, code: 1 };
  return { kind: 'transfers', transfers: [{ ...TRANSFER_DEFAULTS, ...fields }] };
}

function sent(label: string, id: bigint, at: readonly [number, number], answer: Answer): Operation {
  const [invokedAtMs, completedAtMs] = at;
  return { label, request: request(id), invokedAtMs, completedAtMs, answer };
}

function stored(position: number, id: bigint): JournalCommand {
  return {
    position,
    timeNs: BigInt(position),
    rulesVersion: 1,
    command: requestCommand(request(id)),
  };
}

const ALONE = { resends: false, codesAt: () => new Map<number, Uint16Array>() };
const UNKNOWN: Answer = { kind: 'unknown' };

function answeredAt(position: number): Answer {
  return { kind: 'answered', codes: [0], position };
}

test('of several sendings without an answer the earliest have the places, in order', () => {
  const operations = [
    sent('third', 7n, [90, 95], UNKNOWN),
    sent('first', 7n, [10, 15], UNKNOWN),
    sent('second', 7n, [50, 60], UNKNOWN),
    sent('between', 8n, [16, 20], answeredAt(3)),
  ];
  const { placed, mismatches } = placeByJournal(
    operations,
    [stored(2, 7n), stored(3, 8n), stored(4, 7n)],
    ALONE,
  );
  assert.deepEqual(mismatches, []);
  assert.deepEqual(
    placed.map(({ operation }) => operation?.label),
    ['first', 'between', 'second'],
  );
});

test('a sending that was answered has the place that its answer names, whenever it was sent', () => {
  const operations = [
    sent('first', 7n, [10, 15], UNKNOWN),
    sent('again', 7n, [20, 30], answeredAt(2)),
  ];
  const { placed, mismatches } = placeByJournal(operations, [stored(2, 7n)], ALONE);
  assert.deepEqual(mismatches, []);
  assert.deepEqual(
    placed.map(({ operation }) => operation?.label),
    ['again'],
  );
});
