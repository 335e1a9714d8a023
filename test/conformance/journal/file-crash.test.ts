// Seeded crashes of the file journal: the machine goes off at a random operation, what was not
// synced survives sector by sector (or page by page) or not, and the journal is opened again, over
// and over. Every acknowledged entry is there, byte for byte and in order (I2, I3, I4). Work in the
// background and in the foreground interleave at random. Many more seeds in a lane of their own:
// HOLDFAST_CRASH_SEEDS, from HOLDFAST_CRASH_FIRST_SEED on.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Prng } from '../../../src/base/prng.ts';
import { CrashRun, type Tally, emptyTally } from './crash-run.ts';

const SEEDS_DEFAULT = 20;
const SEEDS = Number(process.env['HOLDFAST_CRASH_SEEDS'] ?? SEEDS_DEFAULT);
const FIRST_SEED = Number(process.env['HOLDFAST_CRASH_FIRST_SEED'] ?? 1);
const CRASHES_PER_SEED = 5;

const SUBJECTS = [
  [512, ['/journal']],
  [4096, ['/journal']],
  [512, ['/journal', '/second']],
  [4096, ['/journal', '/second', '/third']],
] as const;

void describe('crashes of the file journal', () => {
  for (const [unitBytes, directories] of SUBJECTS) {
    void it(`loses no acknowledged entry in ${SEEDS} seeds of ${CRASHES_PER_SEED} crashes, ${unitBytes} bytes lost at a time, ${directories.length} directories`, async () => {
      const tally = emptyTally();
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
        try {
          await new CrashRun(new Prng(seed), unitBytes, tally, directories).run(CRASHES_PER_SEED);
        } catch (error) {
          throw new Error(`seed ${seed} failed`, { cause: error });
        }
      }
      if (SEEDS >= SEEDS_DEFAULT) assertMet(tally, directories.length > 1);
    });
  }
});

/** The runs have met what they are for. */
function assertMet(tally: Tally, isMultiplexed: boolean): void {
  assert.ok(tally.tornBytes > 0, 'some tails were torn');
  assert.ok(tally.acknowledged > SEEDS * 5, 'some appends were acknowledged');
  assert.ok(tally.unanswered > SEEDS, 'some appends were in flight at a crash');
  assert.ok(tally.rolls > 0, 'some segments were full');
  // With several directories, a failing sync drops one and is no failure.
  const faults = isMultiplexed
    ? Math.min(tally.dropped, tally.repaired, tally.added)
    : tally.failures;
  assert.ok(faults > 0, 'some syncs failed, and some tails were whole in one directory only');
  assert.ok(tally.discarded > 0, 'some segments were discarded');
  assert.ok(tally.followed > 0, 'some entries were read while they were written');
}
