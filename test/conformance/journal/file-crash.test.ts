// Seeded crashes of the file journal: the machine goes off at a random operation, what was not
// synced survives page by page or not, and the journal is opened again, over and over. Every
// acknowledged entry is there, byte for byte and in order (I2, I3, I4).

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Entry, equalBytes } from '../../../src/base/entry.ts';
import { Prng } from '../../../src/base/prng.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { entryAfter, openingAfter, randomBody } from './entries.ts';
import { journalOn } from './simulated-journal.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';
import { collect } from './support.ts';

const SEEDS = 200;
const CRASHES_PER_SEED = 5;

type Tally = { tornBytes: number; acknowledged: number; unanswered: number; rolls: number };

void describe('crashes of the file journal', () => {
  void it(`loses no acknowledged entry in ${SEEDS} seeds of ${CRASHES_PER_SEED} crashes`, async () => {
    const tally: Tally = { tornBytes: 0, acknowledged: 0, unanswered: 0, rolls: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        await runSeed(seed, tally);
      } catch (error) {
        throw new Error(`seed ${seed} failed`, { cause: error });
      }
    }
    // The runs have met what they are for.
    assert.ok(tally.tornBytes > 0, 'some tails were torn');
    assert.ok(tally.acknowledged > SEEDS * 5, 'some appends were acknowledged');
    assert.ok(tally.unanswered > SEEDS, 'some appends were in flight at a crash');
    assert.ok(tally.rolls > 0, 'some segments were full');
  });

  void it('makes durable at the start what a failed sync left in memory only', async () => {
    const disk = new SimulatedFileSystem();
    const { signal } = new AbortController();
    const opening = openingAfter(undefined, 'a');
    const entry = entryAfter(opening, { body: randomBody(1, 9000), durable: 1 });
    const failing = journalOn(disk, 65_536);
    await failing.open({ mode: 'write', signal });
    await failing.append(opening);
    disk.failNext({ operation: 'datasync', code: 'EIO' });
    await assert.rejects(failing.append(entry));
    await failing.close();
    const restarted = journalOn(disk, 65_536);
    assert.equal((await restarted.open({ mode: 'write', signal })).bounds.last, 2);
    // The node has answered for it now. The machine goes off and everything unsynced is lost.
    const afterCrash = journalOn(disk.restart(new Prng(1)), 65_536);
    await afterCrash.open({ mode: 'write', signal });
    assert.equal(afterCrash.bounds().last, 2);
    await afterCrash.close();
  });
});

/** What the outside knows: entries that must be there, and those that may follow them. */
type Knowledge = { acknowledged: Entry[]; sent: Entry[] };

async function runSeed(seed: number, tally: Tally): Promise<void> {
  const prng = new Prng(seed);
  const segmentBytes = prng.pick([8192, 16_384, 65_536]);
  let disk = new SimulatedFileSystem();
  let known: Knowledge = { acknowledged: [], sent: [] };
  for (let crash = 0; crash < CRASHES_PER_SEED; crash++) {
    const journal = journalOn(disk, segmentBytes);
    const off = disk.crashAfter(1 + prng.below(crash === 0 ? 200 : 120));
    const work = live(journal, known, prng.fork(), tally).then((next) => {
      known = next;
    });
    await Promise.race([work, off]);
    tally.unanswered += known.sent.length - known.acknowledged.length;
    disk = disk.restart(prng.fork());
  }
  const journal = journalOn(disk, segmentBytes);
  await journal.open({ mode: 'write', signal: new AbortController().signal });
  assertKnown(await collectEntries(journal), known);
  await journal.close();
}

/** One life: opens, checks what is there, opens an epoch and appends until the machine goes off. */
async function live(
  journal: Journal,
  known: Knowledge,
  prng: Prng,
  tally: Tally,
): Promise<Knowledge> {
  const opening = await journal.open({ mode: 'write', signal: new AbortController().signal });
  tally.tornBytes += opening.tornBytes;
  const found = await collectEntries(journal);
  assertKnown(found, known);
  // What was found is now durable: the opening said so before it returned.
  known.acknowledged = [...found];
  known.sent = [...found];
  await append(journal, known, openingAfter(found.at(-1), `nonce ${prng.uint32()}`), tally);
  for (;;) {
    const group: Promise<void>[] = [];
    for (let count = 1 + prng.below(6); count > 0; count--) {
      const bodyBytes = prng.chance(0.2) ? 8 * prng.below(1500) : 8 * prng.below(60);
      const durable = known.acknowledged.at(-1)?.position ?? 0;
      const body = randomBody(prng.uint32(), bodyBytes);
      group.push(append(journal, known, entryAfter(known.sent.at(-1), { body, durable }), tally));
    }
    await Promise.all(group);
  }
}

async function append(
  journal: Journal,
  known: Knowledge,
  entry: Entry,
  tally: Tally,
): Promise<void> {
  known.sent.push(entry);
  const offset = await journal.append(entry);
  assert.equal(known.acknowledged.push(entry), entry.position);
  tally.acknowledged += 1;
  if (offset.endsWith(':0')) tally.rolls += 1;
}

async function collectEntries(journal: Journal): Promise<Entry[]> {
  return (await collect(journal)).map(({ entry }) => entry);
}

/** All that was acknowledged, then perhaps more of what was sent; nothing else. */
function assertKnown(found: readonly Entry[], known: Knowledge): void {
  assert.ok(
    found.length >= known.acknowledged.length,
    `${known.acknowledged.length} entries were acknowledged, ${found.length} are left`,
  );
  assert.ok(found.length <= known.sent.length);
  for (const [index, entry] of found.entries()) {
    assert.ok(equalBytes(entry.bytes, known.sent[index]?.bytes ?? new Uint8Array()));
  }
}
