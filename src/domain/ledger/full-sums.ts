// The sweep over all accounts that proves the totals: what stands in memory now, added up afresh.

import { assert } from '../../base/assert.ts';
import { ACCOUNT_WORDS, AccountWord } from './account-table.ts';
import { BALANCES, LEDGER_TOTAL_WORDS, TOTAL_WORDS } from './books.ts';
import type { LedgerKernel } from './kernel.ts';

const WORD = 0x1_0000_0000;

export function assertFullSums(kernel: LedgerKernel): void {
  const sums = new Uint32Array(kernel.ledgers.count * LEDGER_TOTAL_WORDS);
  for (const words of kernel.accounts.chunks()) {
    for (let account = 0; account < words.length; account += ACCOUNT_WORDS) {
      const first = words[account + AccountWord.ledgerOrdinal]! * LEDGER_TOTAL_WORDS;
      for (let balance = 0; balance < BALANCES; balance++) {
        addToTotal(sums, first + balance * TOTAL_WORDS, words, account + 4 * balance);
      }
    }
  }
  const totals = kernel.books.totals;
  for (let word = 0; word < sums.length; word++) {
    assert(sums[word] === totals[word], 'the totals of a ledger are the sums of its accounts');
  }
}

function addToTotal(sums: Uint32Array, i: number, words: Uint32Array, w: number): void {
  let carry = 0;
  for (let word = 0; word < TOTAL_WORDS; word++) {
    const sum = sums[i + word]! + (word < 4 ? words[w + word]! : 0) + carry;
    sums[i + word] = sum;
    carry = sum >= WORD ? 1 : 0;
  }
}
