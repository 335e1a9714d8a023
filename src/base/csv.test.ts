import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csvLine } from './csv.ts';

test('cells are separated, quoted where they must be, and empty where there is nothing', () => {
  assert.equal(csvLine(['a', 5n, 12, null, 'x']), 'a,5,12,,x\r\n');
  assert.equal(csvLine(['a,b', 'say "no"', 'two\nlines']), '"a,b","say ""no""","two\nlines"\r\n');
});

test('no cell of text begins a formula, and numbers stay numbers', () => {
  for (const text of ['=1+1', '+1+1', '-1+1', '@SUM(A1)', '\t=1', '=cmd|"/c calc"!A1']) {
    assert.match(csvLine([text]), /^"?'/, text);
  }
  assert.equal(csvLine(['-12.50', '-3', -4n, '12.50']), '-12.50,-3,-4,12.50\r\n');
  assert.equal(csvLine(['-12.50-']), "'-12.50-\r\n");
});
