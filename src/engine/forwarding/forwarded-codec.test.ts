import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OperationalError } from '../../base/errors.ts';
import { ENTRY_BYTES_MAX } from '../../base/limits.ts';
import { type Command, CommandKind, commandBytes, tickCommand } from '../../domain/commands.ts';
import type { SubmitResult } from '../contract.ts';
import {
  ForwardedFailure,
  type ForwardedPart,
  decodeAnswers,
  encodeAnswers,
  failureOf,
} from './forwarded-answers.ts';
import {
  FORWARDED_BYTES_MAX,
  FORWARDED_COMMANDS_MAX,
  decodeForwarded,
  encodeForwarded,
} from './forwarded-commands.ts';
import { commandOf } from './testing/forward-rig.ts';

function questionOf(...commands: readonly Command[]): Uint8Array {
  return encodeForwarded(commands.map((command) => ({ command, bytes: commandBytes(command) })));
}

function configureOf(bytes: number): Command {
  return { kind: CommandKind.configure, eventCount: 1, payload: new Uint8Array(bytes).fill(0x20) };
}

const anyCommand = fc.oneof(
  fc.integer({ min: 1, max: 20 }).map((events) => commandOf(events, events)),
  fc.integer({ min: 0, max: 70 }).map((bytes) => configureOf(bytes)),
);

test('commands come out of a question as they went in', () => {
  fc.assert(
    fc.property(fc.array(anyCommand, { minLength: 1, maxLength: 30 }), (commands) => {
      const read = decodeForwarded(questionOf(...commands));
      assert.ok(typeof read !== 'string');
      assert.deepEqual(
        read.map(({ kind, eventCount, payload }) => [kind, eventCount, Buffer.from(payload)]),
        commands.map(({ kind, eventCount, payload }) => [kind, eventCount, Buffer.from(payload)]),
      );
    }),
  );
});

test('a full batch fits a question, and is a view of it', () => {
  const question = questionOf(commandOf(7, 8189));
  assert.ok(question.byteLength <= ENTRY_BYTES_MAX);
  const read = decodeForwarded(question);
  assert.ok(typeof read !== 'string');
  assert.equal(read[0]?.payload.buffer, question.buffer);
  assert.equal(read[0].payload.byteLength, 8189 * 128);
});

test('a question that does not add up is answered in words, whatever its bytes', () => {
  const good = questionOf(commandOf(1), configureOf(5), commandOf(2, 3));
  for (let bytes = 0; bytes < good.byteLength; bytes++) {
    assert.equal(typeof decodeForwarded(good.subarray(0, bytes)), 'string', `${bytes} bytes`);
  }
  fc.assert(
    fc.property(fc.nat(good.byteLength - 1), fc.nat(255), (offset, value) => {
      const bad = Uint8Array.from(good);
      bad[offset] = value;
      const read = decodeForwarded(bad);
      const events = typeof read === 'string' ? 1 : read.reduce((sum, c) => sum + c.eventCount, 0);
      assert.ok(events <= 3 * 8189);
    }),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      decodeForwarded(bytes);
    }),
  );
});

test('what no standby may ask for is not read', () => {
  const transfers = commandOf(1);
  const tooMany = Array.from({ length: FORWARDED_COMMANDS_MAX + 1 }, () => configureOf(0));
  for (const question of [
    questionOf(tickCommand()),
    questionOf({ ...transfers, kind: 99 }),
    questionOf({ ...transfers, eventCount: 2 }),
    questionOf({ ...transfers, eventCount: 0, payload: new Uint8Array(0) }),
    questionOf({ ...configureOf(8), eventCount: 4_000_000_000 }),
    questionOf({ ...configureOf(8), kind: CommandKind.accounts, eventCount: 1025 }),
    questionOf(configureOf(FORWARDED_BYTES_MAX)),
    questionOf(...tooMany),
    questionOf(),
  ]) {
    assert.equal(typeof decodeForwarded(question), 'string');
  }
});

const anyResult = fc
  .record({
    kind: fc.integer({ min: 1, max: 6 }),
    timeNs: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    codes: fc.oneof(
      fc.nat(8189).map((count) => new Uint16Array(count)),
      fc.uint16Array({ maxLength: 40 }),
    ),
    expired: fc.nat(8189),
    position: fc.maxSafeNat(),
  })
  .map(({ position, ...outcome }): SubmitResult => ({ position, outcome }));

const anyFailure = fc
  .record({ detail: fc.string(), wayOut: fc.string(), isLastWord: fc.boolean() })
  .map(({ isLastWord, ...options }) => {
    return new ForwardedFailure(new OperationalError('OVERLOADED', options), isLastWord);
  });

const anyPart: fc.Arbitrary<ForwardedPart> = fc.oneof(anyResult, anyFailure);

test('answers come out as they went in', () => {
  const parts = fc.array(anyPart, { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(parts, (given) => {
      const read = decodeAnswers(encodeAnswers(given), given.length);
      assert.ok(read !== undefined);
      assert.equal(read.length, given.length);
      for (const [index, other] of read.entries()) {
        const part = given[index];
        assert.ok(part !== undefined);
        if (!(part instanceof ForwardedFailure)) {
          assert.deepEqual(other, part);
          continue;
        }
        assert.ok(other instanceof ForwardedFailure);
        const { error, isLastWord } = other;
        assert.deepEqual(
          [error.code, error.detail, error.wayOut, isLastWord],
          [part.error.code, part.error.detail, part.error.wayOut, part.isLastWord],
        );
      }
    }),
  );
});

test('a batch whose transfers were all created is answered in 40 bytes', () => {
  const codes = new Uint16Array(8189);
  const outcome = { kind: CommandKind.transfers, timeNs: 5n, codes, expired: 0 };
  assert.equal(encodeAnswers([{ outcome, position: 3 }]).byteLength, 40);
});

test('an answer that does not add up is not read, whatever its bytes', () => {
  const outcome = { kind: 1, timeNs: 5n, codes: Uint16Array.of(0, 7, 0), expired: 0 };
  const failure = failureOf(new OperationalError('NOT_READY'));
  const good = encodeAnswers([{ outcome, position: 3 }, failure]);
  assert.equal(decodeAnswers(good, 1), undefined);
  assert.equal(decodeAnswers(good, 3), undefined);
  for (let bytes = 0; bytes < good.byteLength; bytes++) {
    assert.equal(decodeAnswers(good.subarray(0, bytes), 2), undefined, `${bytes} bytes`);
  }
  for (let offset = 0; offset < good.byteLength; offset++) {
    for (const value of [0, 1, 4, 0x22, 0x80, 0xff]) {
      const bad = Uint8Array.from(good);
      bad[offset] = value;
      const read = decodeAnswers(bad, 2);
      assert.ok(read === undefined || read.length === 2);
    }
  }
});
