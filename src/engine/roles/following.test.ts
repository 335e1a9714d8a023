import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { sealEntry } from '../../base/entry.ts';
import type { LeaderSeen } from '../../cluster/contract.ts';
import { createState } from '../../domain/domain.ts';
import { createJournal } from '../../drivers/memory/driver.ts';
import { MemoryLog } from '../../drivers/memory/memory-log.ts';
import { AbsentHistory } from '../../history/absent-history.ts';
import { Replica, sha256 } from '../../recovery/replica.ts';
import {
  CLUSTER_ID,
  FOREVER,
  openBooks,
  pay,
  startNode,
  transfer,
} from '../../../test/support/engine-rig.ts';
import { until } from '../../../test/support/until.ts';
import { Following } from './following.ts';

type Seen = { leader: LeaderSeen | undefined };

/** A log that a lone leader wrote: an opening, two commands, three payments. */
async function writtenLog(): Promise<MemoryLog> {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  for (let count = 0; count < 3; count++) await rig.node.submit(pay(transfer()), FOREVER);
  return log;
}

async function follow(log: MemoryLog, seen: Seen, replica = new Replica(createState())) {
  const journal = createJournal({ log });
  await journal.open({ mode: 'read', signal: FOREVER });
  return new Following({
    journal,
    replica,
    head: undefined,
    clusterId: CLUSTER_ID,
    timeline: 1,
    derived: new AbsentHistory(),
    leader: () => seen.leader,
    onApplied: () => undefined,
  });
}

test('what can be read is applied when it is known to be durable, by an entry or the leader', async () => {
  const seen: Seen = { leader: undefined };
  const replica = new Replica(createState());
  const following = await follow(await writtenLog(), seen, replica);
  const ended = following.run();
  await until(() => replica.position === 5, 'all but the last entry');
  for (let turns = 0; turns < 20; turns++) await turn();
  assert.equal(replica.position, 5, 'nobody has said that the last one is durable');
  // A leader of another epoch says nothing about it.
  seen.leader = { id: 'other', epoch: 2, durable: 6 };
  following.look();
  for (let turns = 0; turns < 20; turns++) await turn();
  assert.equal(replica.position, 5);
  seen.leader = { id: 'other', epoch: 1, durable: 6 };
  following.look();
  await until(() => replica.position === 6, 'the last entry');
  await following.stop();
  assert.deepEqual(await ended, { kind: 'stopped' });
});

test('a writer that computed other outcomes ends it, and nothing of its entry is applied', async () => {
  const log = await writtenLog();
  const last = log.at(log.end - 1)!;
  const header = { ...last, position: last.position + 1, timeNs: last.timeNs + 1000n };
  const place = { durable: last.position, previousDigest: last.digest };
  const outcome = { outcomePosition: last.position, outcomeDigest: new Uint8Array(32) };
  const wrong = sealEntry({ ...header, ...place, ...outcome }, last.bytes.slice(), sha256);
  log.write(wrong);
  const replica = new Replica(createState());
  const seen: Seen = { leader: { id: 'other', epoch: 1, durable: wrong.position } };
  const following = await follow(log, seen, replica);
  const end = await following.run();
  assert.equal(end.kind, 'applying');
  assert.equal(replica.position, last.position);
});

test('an opening over another history ends it', async () => {
  const log = await writtenLog();
  const opening = log.at(0)!;
  const last = log.at(log.end - 1)!;
  const position = last.position + 1;
  const place = { position, epoch: 2, durable: 0, timeNs: last.timeNs + 1000n };
  log.write(
    sealEntry(
      { ...opening, ...place, previousDigest: new Uint8Array(32).fill(7) },
      opening.bytes.slice(),
      sha256,
    ),
  );
  const following = await follow(log, { leader: undefined });
  assert.equal((await following.run()).kind, 'reading');
});
