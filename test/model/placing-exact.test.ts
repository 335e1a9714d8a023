// The judge's way of giving each command of a journal its request, against trying all ways: small
// made-up journals and requests, right ones and nearly right ones. It says that an explanation
// exists exactly where there is one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { Prng } from '../../src/base/prng.ts';
import { TRANSFER_DEFAULTS } from '../../src/base/transfer-record.ts';
import { type JournalCommand, type Operation, type Request, requestCommand } from './history.ts';
import { placeByJournal } from './placing-by-journal.ts';
import { compareRealTime } from './real-time.ts';

const CASES = 2000;
const SLOTS_MAX = 5;

type Case = {
  /** What was asked for, for each command of the journal. */
  readonly asked: readonly Request[];
  readonly journal: readonly JournalCommand[];
  /** What each command of the journal comes to. */
  readonly codes: readonly number[];
  readonly operations: readonly Operation[];
  readonly resends: boolean;
};

const REQUESTS: readonly Request[] = [1n, 2n].map((id) => ({
  kind: 'transfers',
  transfers: [{ ...TRANSFER_DEFAULTS, id }],
}));

/** Entries follow each other every 10 ms; requests are under way about when theirs was written. */
function madeUp(random: Prng): Case {
  const asked: Request[] = [];
  const journal: JournalCommand[] = [];
  const operations: Operation[] = [];
  let position = 1;
  for (let slots = 1 + random.below(SLOTS_MAX); slots > 0; slots--) {
    const request = REQUESTS[random.chance(0.8) ? 0 : 1]!;
    const stamp = { timeNs: BigInt(journal.length), rulesVersion: 1 };
    asked.push(request);
    journal.push({ position, ...stamp, command: requestCommand(request) });
    if (random.chance(0.7)) operations.push(madeUpOperation(random, request, position));
    if (random.chance(0.6)) position++;
  }
  const codes = journal.map(() => random.below(2));
  // Most answers tell what some command of their entry comes to.
  for (const [index, operation] of operations.entries()) {
    const { answer } = operation;
    if (answer.kind !== 'answered' || random.chance(0.1)) continue;
    const told = codes[journal.findIndex((stored) => stored.position === answer.position)]!;
    operations[index] = { ...operation, answer: { ...answer, codes: [told] } };
  }
  return { asked, journal, codes, operations, resends: random.chance(0.7) };
}

function madeUpOperation(random: Prng, request: Request, position: number): Operation {
  const invokedAtMs = position * 10 - random.below(25);
  const completedAtMs = Math.max(invokedAtMs, position * 10 + random.below(15) - 2);
  const shared = { label: 'made up', request, invokedAtMs };
  if (random.chance(0.6)) {
    const codes = [random.below(2)];
    return { ...shared, completedAtMs, answer: { kind: 'answered', codes, position } };
  }
  const kind = random.chance(0.8) ? 'unknown' : 'not-executed';
  return { ...shared, completedAtMs: undefined, answer: { kind } };
}

function isFoundRight({ journal, codes, operations, resends }: Case): boolean {
  const codesAt = (indexes: ReadonlySet<number>) =>
    new Map([...indexes].map((index) => [index, Uint16Array.of(codes[index]!)]));
  const { placed, mismatches } = placeByJournal(operations, journal, { resends, codesAt });
  const wrong = placed.filter(
    ({ operation, isHidden }, index) =>
      operation?.answer.kind === 'answered' &&
      !isHidden &&
      operation.answer.codes[0] !== codes[index],
  );
  const late = compareRealTime(placed, { byEntry: true });
  return mismatches.length + wrong.length + late.length === 0;
}

/** Whose execution a command is; `told`: it is the one that was answered. */
type Owner = { readonly operation: Operation; readonly told: boolean };

function isRight(judged: Case, owners: readonly Owner[] = []): boolean {
  const { asked, journal, operations } = judged;
  if (owners.length === journal.length) return agrees(judged, owners);
  return operations.some(
    (operation) =>
      operation.request === asked[owners.length] &&
      (isRight(judged, [...owners, { operation, told: false }]) ||
        (operation.answer.kind === 'answered' &&
          isRight(judged, [...owners, { operation, told: true }]))),
  );
}

function agrees({ journal, codes, operations, resends }: Case, owners: readonly Owner[]): boolean {
  const isExplained = operations.every((operation) => {
    const { answer } = operation;
    const own = [...owners.keys()].filter((index) => owners[index]!.operation === operation);
    const told = own.filter((index) => owners[index]!.told);
    if (!resends && own.length > 1) return false;
    if (answer.kind === 'unknown') return told.length === 0;
    if (answer.kind === 'not-executed') return own.length === 0;
    // The last one was answered, from its entry, with what it came to.
    const [index] = told;
    if (index === undefined || told.length > 1 || own.at(-1) !== index) return false;
    return journal[index]!.position === answer.position && codes[index] === answer.codes[0];
  });
  if (!isExplained) return false;
  return owners.every(({ operation: { completedAtMs }, told }, index) => {
    if (!told) return true;
    const through = journal[index]!.position;
    return owners.every(
      ({ operation }, other) =>
        journal[other]!.position > through || operation.invokedAtMs <= completedAtMs!,
    );
  });
}

test('a journal is explained exactly where there is a way to explain it', () => {
  const counts = { right: 0, wrong: 0 };
  for (let number = 0; number < CASES; number++) {
    const judged = madeUp(new Prng(number));
    const right = isRight(judged);
    counts[right ? 'right' : 'wrong']++;
    assert.equal(isFoundRight(judged), right, inspect(judged, { depth: 4 }));
  }
  assert(counts.right > CASES / 20 && counts.wrong > CASES / 20, JSON.stringify(counts));
});
