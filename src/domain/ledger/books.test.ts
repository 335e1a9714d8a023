import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AssertionFailed } from '../../base/assert.ts';
import { Prng } from '../../base/prng.ts';
import { U128_MAX, read128, write128 } from '../../base/u128.ts';
import { Balance, Books, TOTAL_WORDS } from './books.ts';

const SIZES = [1n, 0xffff_ffffn, 1n << 32n, (1n << 64n) - 1n, 1n << 100n, U128_MAX];

describe('the books', () => {
  it('follow every raise and lowering exactly, also when a total passes 2^128', () => {
    const prng = new Prng(11);
    const books = new Books();
    books.reserve(1);
    const words = new Uint32Array(4 * 8);
    const amount = new Uint32Array(4);
    const balances = Array.from({ length: 8 }, () => 0n);
    const total = Balance.creditsPosted * TOTAL_WORDS;
    let sawHuge = false;
    for (let step = 0; step < 5000; step++) {
      const which = prng.below(8);
      const now = balances[which]!;
      const up = prng.chance(0.6);
      const room = up ? U128_MAX - now : now;
      const wish = prng.pick(SIZES) - (prng.chance(0.5) ? 1n : 0n);
      const by = wish > room ? room : wish;
      write128(amount, 0, by);
      if (up) books.raise(words, 4 * which, amount, 0, total);
      else books.lower(words, 4 * which, amount, 0, total);
      balances[which] = up ? now + by : now - by;
      assert.equal(read128(words, 4 * which), balances[which]);
      const sum = balances.reduce((left, right) => left + right, 0n);
      assert.equal(books.total(0, Balance.creditsPosted), sum);
      sawHuge ||= sum > U128_MAX;
    }
    assert.ok(sawHuge);
  });

  it('raise a total by many small sums at once as by each of them', () => {
    const prng = new Prng(12);
    const total = Balance.debitsPosted * TOTAL_WORDS;
    const [singly, together] = [new Books(), new Books()];
    let sum = 0n;
    let sawCarry = false;
    for (let step = 0; step < 400; step++) {
      let raised = 0;
      for (let count = prng.below(5000); count > 0; count--) {
        // A fresh balance each time: what it is raised by is what it then shows.
        const amount = prng.uint32();
        singly.raise(new Uint32Array(4), 0, new Uint32Array([amount, 0, 0, 0]), 0, total);
        raised += amount;
      }
      together.raiseTotal(total, raised);
      sum += BigInt(raised);
      sawCarry ||= raised > 2 ** 32;
      assert.equal(together.total(0, Balance.debitsPosted), sum);
      assert.equal(singly.total(0, Balance.debitsPosted), sum);
    }
    assert.ok(sawCarry, 'sums have passed 2^32');
    // Carries run through every word up to the highest.
    const full = new Books();
    full.totals.fill(0xffff_ffff, total, total + TOTAL_WORDS - 1);
    full.raiseTotal(total, 1);
    assert.equal(full.total(0, Balance.debitsPosted), 1n << 128n);
    assert.deepEqual(
      [...full.totals.subarray(total + TOTAL_WORDS)],
      [...new Uint32Array(full.totals.length - total - TOTAL_WORDS)],
    );
  });

  it('stop when one side of a ledger has been written and the other has not', () => {
    const books = new Books();
    books.reserve(2);
    const words = new Uint32Array(8);
    const amount = new Uint32Array([5, 0, 0, 0]);
    const second = 4 * TOTAL_WORDS;
    books.raise(words, 0, amount, 0, second + Balance.debitsPosted * TOTAL_WORDS);
    assert.throws(() => books.assertBalanced(2), AssertionFailed);
    books.raise(words, 4, amount, 0, second + Balance.creditsPosted * TOTAL_WORDS);
    books.assertBalanced(2);
  });

  it('mix every balance that is written, so that another value gives another mix', () => {
    const mixes = [5, 6].map((value) => {
      const books = new Books();
      books.reserve(1);
      books.raise(new Uint32Array(4), 0, new Uint32Array([value, 0, 0, 0]), 0, 0);
      return [...books.mix];
    });
    assert.notDeepEqual(mixes[0], mixes[1]);
  });
});
