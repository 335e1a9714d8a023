import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Prng } from '../../base/prng.ts';
import { ExpiryHeap } from './expiry-heap.ts';
import { HOLD_WORDS, HoldWord } from './hold-table.ts';
import { RecordChunks } from './record-chunks.ts';

type Hold = { readonly slot: number; readonly expiry: number; readonly timestamp: number };

function write(holds: RecordChunks, hold: Hold): void {
  holds.reserve(hold.slot);
  const words = holds.wordsOf(hold.slot);
  const first = holds.offsetOf(hold.slot);
  // The high word decides first: expiries far apart must not be told by their low words.
  words[first + HoldWord.expiryNs] = 0xffff_fff0 - hold.expiry;
  words[first + HoldWord.expiryNs + 1] = hold.expiry;
  words[first + HoldWord.timestampNs] = hold.timestamp;
}

describe('the heap of holds by expiry', () => {
  it('gives the earliest expiry first, then the earliest hold, whatever leaves', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const prng = new Prng(seed);
      const records = new RecordChunks(HOLD_WORDS);
      const heap = new ExpiryHeap(records);
      let inside: Hold[] = [];
      for (let slot = 0; slot < 300; slot++) {
        const hold = { slot, expiry: prng.below(40), timestamp: 1000 + slot };
        write(records, hold);
        heap.push(slot);
        inside.push(hold);
        if (prng.chance(0.3)) {
          const leaving = prng.pick(inside);
          heap.remove(leaving.slot);
          inside = inside.filter((other) => other !== leaving);
        }
      }
      inside.sort((a, b) => a.expiry - b.expiry || a.timestamp - b.timestamp);
      for (const hold of inside) {
        assert.equal(heap.first(), hold.slot);
        heap.remove(hold.slot);
      }
      assert.equal(heap.count, 0);
    }
  });
});
