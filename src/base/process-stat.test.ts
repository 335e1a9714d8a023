import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProcessStat } from './process-stat.ts';

const NUMBERS = '1 2 2 0 -1 4194304 500 0 0 0 17 23 4 5 20 0 11 0 987654 1000 200';

test('a name with blanks and parentheses does not shift the fields', () => {
  for (const name of ['(node)', '(a b)', '(a) R 9 (b)', '()']) {
    assert.deepEqual(parseProcessStat(`42 ${name} S ${NUMBERS}\n`), {
      state: 'S',
      parentPid: 1,
      startTime: 987_654,
      userTicks: 17,
      systemTicks: 23,
      hasEnded: false,
    });
  }
});

test('only Z and X, and a line without a state, are an ended process', () => {
  const stateOf = (letter: string) => parseProcessStat(`42 (node) ${letter} ${NUMBERS}\n`).hasEnded;
  assert.deepEqual(['R', 'S', 'D', 'T', 't', 'I'].filter(stateOf), []);
  assert.deepEqual(['Z', 'X'].filter(stateOf), ['Z', 'X']);
  assert.equal(parseProcessStat('').hasEnded, true);
  assert.equal(parseProcessStat('').startTime, Number.NaN);
});
