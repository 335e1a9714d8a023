// Plays every scenario on the naive model and on the kernel, and holds the table of refusals and
// the scenarios together: every refusal is reached by a line that comes out as written.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { REFUSALS } from '../../src/domain/refusals.ts';
import { type Books, NaiveBooks } from '../model/books.ts';
import { KernelBooks } from '../model/kernel-books.ts';
import { ScenarioPlayer } from './scenario.ts';

const FOLDER = import.meta.dirname;

const SCENARIOS = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.txt'))
  .sort()
  .map((name) => ({ name, text: readFileSync(join(FOLDER, name), 'utf8') }));

function play(text: string, books: Books): ReadonlySet<string> {
  const player = new ScenarioPlayer(books);
  player.play(text);
  return player.reached;
}

for (const { name, text } of SCENARIOS) {
  test(`the naive model plays ${name} as written`, () => {
    assert(play(text, new NaiveBooks()).size > 0);
  });
  test(`the kernel plays ${name} as written`, () => {
    const kernel = new KernelBooks();
    assert(play(text, kernel).size > 0);
    kernel.assertBalanced();
  });
}

test('every refusal of the table is reached by a scenario, and no other answer exists', () => {
  const reached = new Set(SCENARIOS.flatMap(({ text }) => [...play(text, new NaiveBooks())]));
  const names = ['created', ...REFUSALS.map((refusal) => refusal.name)];
  assert.deepEqual([...reached].sort(), names.sort());
});

test('a line that does not come out as written fails with its number and both answers', () => {
  const text = 'ledger 978 EUR 2 => created\nledger 978 EUR 2 => created\n';
  assert.throws(
    () => play(text, new NaiveBooks()),
    /line 2: .*\n.*line 2 expects created, the answer is ledger_exists/,
  );
});

test('a word that no scenario knows, an open block and an unknown balance fail', () => {
  const start = 'ledger 978 EUR 2 => created\naccount a ledger=978 code=1 => created\n';
  assert.throws(() => play('transferr t1', new NaiveBooks()), /no word "transferr"/);
  assert.throws(() => play('chain {', new NaiveBooks()), /not closed/);
  assert.throws(() => play(`${start}balance a x=1`, new NaiveBooks()), /x is undefined/);
  assert.throws(() => play(`${start}balance a`, new NaiveBooks()), /at least one balance/);
  assert.throws(
    () => play(`${start}balance a debits_posted=0.01`, new NaiveBooks()),
    /debits_posted is 0, expected 1/,
  );
});
