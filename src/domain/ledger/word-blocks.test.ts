import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Prng } from '../../base/prng.ts';
import { UNIT_BITS, UNIT_CHUNK_BITS, UNIT_CHUNK_MASK, WordBlocks } from './word-blocks.ts';

/** Blocks in use, each filled with a number of its own. */
class Used {
  readonly blocks = new WordBlocks();
  readonly list: { readonly unit: number; readonly size: number; readonly mark: number }[] = [];
  #marks = 0;

  take(size: number): void {
    const block = { unit: this.blocks.take(size), size, mark: ++this.#marks };
    this.words(block).fill(block.mark);
    this.list.push(block);
  }

  give(place: number): void {
    const [block] = this.list.splice(place, 1);
    assert.ok(block !== undefined);
    assert.ok(
      this.words(block).every((word) => word === block.mark),
      'nobody else has written to the block',
    );
    this.blocks.give(block.unit, block.size);
  }

  words({ unit, size }: { readonly unit: number; readonly size: number }): Int32Array {
    const first = (unit & UNIT_CHUNK_MASK) << UNIT_BITS;
    const chunk = this.blocks.chunks[unit >>> UNIT_CHUNK_BITS]!;
    return chunk.subarray(first, first + (1 << (UNIT_BITS + size)));
  }
}

describe('blocks of words', () => {
  it('never overlap, whatever is taken and given back', () => {
    const prng = new Prng(11);
    const used = new Used();
    for (let step = 0; step < 6000; step++) {
      if (used.list.length > 0 && prng.chance(0.45)) used.give(prng.below(used.list.length));
      else used.take(prng.below(11));
    }
    while (used.list.length > 0) used.give(0);
  });

  it('serve every size out of the same memory, one after the other', () => {
    const used = new Used();
    for (let size = 0; size < 11; size++) {
      for (let count = 0; count < 1 << (13 - size); count++) used.take(size);
      assert.equal(used.blocks.chunks.length, 1, 'one chunk is enough for each');
      while (used.list.length > 0) used.give(used.list.length - 1);
    }
  });

  it('take chunks ahead, a slice at a time', () => {
    const blocks = new WordBlocks();
    let slices = 0;
    while (blocks.growAhead(3 << 20)) slices += 1;
    assert.equal(blocks.chunks.length, 3);
    assert.ok(slices > 3, `${slices} slices`);
    blocks.take(9);
    assert.equal(blocks.chunks.length, 3);
  });
});
