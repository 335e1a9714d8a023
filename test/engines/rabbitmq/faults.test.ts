// What brokers and networks do to a journal in streams: each test ends with a comparison of what
// was acknowledged with what is there.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { isOperationalError } from '../../../src/base/errors.ts';
import type { Journal, JournalOpenOptions, StoredEntry } from '../../../src/ports/journal.ts';
import { chainAfter, entryAfter, openingAfter } from '../../conformance/journal/entries.ts';
import { collect, hasCode } from '../../conformance/journal/support.ts';
import { until } from '../../support/until.ts';
import { Cluster, type JournalPlace, Proxies } from './cluster.ts';
import { Traffic } from './traffic.ts';

const { signal } = new AbortController();

/** Times 20 s. A frozen broker costs some 7 s for each stream that it leads. */
const PATIENCE = 4;

let cluster: Cluster;
let names: readonly string[];
before(async () => {
  cluster = await Cluster.find();
  names = cluster.names;
});
afterEach(() => cluster.mend());
after(() => cluster.mend());

/** An empty journal whose streams are led by the broker. */
async function journalLedBy(name: string): Promise<JournalPlace> {
  const place = cluster.journal();
  const creator = place.attach({ ports: [cluster.portOf(name)], times: { settleMs: 3000 } });
  await openPatiently(creator, {});
  await creator.close();
  return place;
}

/** Brokers need some seconds to elect, and more to start. */
async function progress(traffic: Traffic, count = 100): Promise<void> {
  const goal = traffic.acknowledgedCount + count;
  for (let looks = 0; looks < PATIENCE && traffic.acknowledgedCount < goal; looks++) {
    await until(() => traffic.acknowledgedCount >= goal, 'appends').catch(() => undefined);
  }
  assert.ok(traffic.acknowledgedCount >= goal, 'appends are acknowledged again');
}

async function openPatiently(
  journal: Journal,
  options: Partial<JournalOpenOptions>,
): Promise<void> {
  await until(async () => {
    try {
      await journal.open({ mode: 'write', signal, ...options });
      return true;
    } catch (error) {
      if (isOperationalError(error, 'JOURNAL_UNAVAILABLE')) return false;
      throw error;
    }
  }, 'it can be opened');
}

/** Reads on where it was interrupted, as the engine does. */
async function followThrough(journal: Journal, count: number): Promise<number[]> {
  const read: StoredEntry[] = [];
  while (read.length < count) {
    const last = read.at(-1);
    try {
      const from = last?.offset ?? null;
      for await (const batch of journal.read({ from, follow: true, signal })) {
        read.push(...batch.slice(batch[0]?.offset === from ? 1 : 0));
        if (read.length >= count) break;
      }
    } catch (error) {
      if (!isOperationalError(error, 'JOURNAL_UNAVAILABLE')) throw error;
    }
  }
  return read.map(({ entry }) => entry.position);
}

async function verified(place: JournalPlace, traffic: Traffic): Promise<void> {
  await traffic.end();
  const reader = place.attach();
  await openPatiently(reader, { mode: 'read' });
  await traffic.verify(reader);
}

void describe('rabbitmq: brokers that end', () => {
  void it("goes on through the end of the leader's broker without an unknown outcome", async () => {
    const [leader, other] = names;
    await using place = await journalLedBy(leader!);
    const traffic = new Traffic(place.attach({ ports: [cluster.portOf(other!)] }));
    traffic.start();
    await progress(traffic);
    await cluster.signal(leader!, 'SIGKILL');
    await progress(traffic);
    assert.equal(traffic.reopenedCount, 0);
    await cluster.mend();
    await verified(place, traffic);
  });

  void it('loses nothing when the broker ends that leads and that it is connected to', async () => {
    const [leader, other] = names;
    await using place = await journalLedBy(leader!);
    const first = cluster.portOf(leader!);
    const journal = place.attach({ ports: [first, cluster.portOf(other!)] });
    const traffic = new Traffic(journal);
    traffic.start();
    await progress(traffic);
    await cluster.signal(leader!, 'SIGKILL');
    await progress(traffic);
    await cluster.mend();
    await verified(place, traffic);
  });

  void it('acknowledges nothing without a majority, and goes on when it is back', async () => {
    const [first, second, third] = names;
    await using place = await journalLedBy(first!);
    const traffic = new Traffic(place.attach({ ports: [cluster.portOf(third!)] }));
    traffic.start();
    await progress(traffic);
    await cluster.signal(first!, 'SIGKILL');
    await cluster.signal(second!, 'SIGKILL');
    // What was under way may still come in; then it stops, as its failing to open says.
    await until(() => traffic.reopenedCount > 0, 'it begins anew');
    const count = traffic.acknowledgedCount;
    await assert.rejects(
      place.attach().open({ mode: 'write', signal }),
      hasCode('JOURNAL_UNAVAILABLE'),
    );
    assert.equal(traffic.acknowledgedCount, count);
    await cluster.mend();
    await progress(traffic);
    await verified(place, traffic);
  });

  void it('loses nothing when all of them end at the same time', async () => {
    await using place = await journalLedBy(names[1]!);
    const traffic = new Traffic(place.attach());
    traffic.start();
    await progress(traffic, 300);
    await Promise.all(names.map((name) => cluster.signal(name, 'SIGKILL')));
    await cluster.mend();
    await progress(traffic);
    await verified(place, traffic);
  });

  void it("loses nothing when the leader's broker is frozen, and goes on without it", async () => {
    const [leader, other] = names;
    await using place = await journalLedBy(leader!);
    const traffic = new Traffic(place.attach({ ports: [cluster.portOf(other!)] }));
    traffic.start();
    await progress(traffic);
    await cluster.signal(leader!, 'SIGSTOP');
    // The others give the frozen one up after some 12 seconds; appends are unknown after 5.
    await progress(traffic);
    await cluster.signal(leader!, 'SIGCONT');
    await progress(traffic);
    // The thawed one may see only streams of its own (a partitioned Mnesia) until it is restarted.
    await cluster.signal(leader!, 'SIGKILL');
    await cluster.mend();
    await progress(traffic);
    await verified(place, traffic);
  });
});

void describe('rabbitmq: followers', () => {
  void it('goes on elsewhere when its broker ends, and misses nothing', async () => {
    await using place = await journalLedBy(names[0]!);
    const writer = place.attach({ ports: [cluster.portOf(names[1]!)] });
    await writer.open({ mode: 'write', signal });
    const followers = names.map(async (name) => {
      const others = names.filter((each) => each !== name);
      const ports = [name, ...others].map((each) => cluster.portOf(each));
      const follower = place.attach({ ports });
      await follower.open({ mode: 'read', signal });
      return await followThrough(follower, 301);
    });
    // Heard only when all of them are done.
    for (const follower of followers) follower.catch(() => undefined);
    const opening = openingAfter(undefined, 'a');
    const entries = [opening, ...chainAfter(opening, 300)];
    for (const entry of entries) {
      await writer.append(entry);
      if (entry.position === 100) await cluster.signal(names[0]!, 'SIGKILL');
    }
    const positions = entries.map(({ position }) => position);
    for (const read of await Promise.all(followers)) assert.deepEqual(read, positions);
  });

  void it('goes on elsewhere when its broker does not answer any more', async () => {
    await using place = cluster.journal();
    await using proxies = await Proxies.start(cluster);
    const writer = place.attach();
    await writer.open({ mode: 'write', signal });
    const opening = openingAfter(undefined, 'a');
    await writer.append(opening);
    const follower = place.attach({ ports: proxies.ports });
    await follower.open({ mode: 'read', signal });
    const read: number[] = [];
    const stop = new AbortController();
    const following = (async () => {
      for await (const batch of follower.read({ from: null, follow: true, signal: stop.signal })) {
        read.push(...batch.map(({ entry }) => entry.position));
      }
    })();
    await until(() => read.length === 1, 'the first entry');
    const used = proxies.all.find(({ connections }) => connections > 0);
    assert.ok(used !== undefined);
    used.mode = 'hold';
    for (const entry of chainAfter(opening, 20)) await writer.append(entry);
    await until(() => read.length === 21, 'the rest');
    stop.abort();
    await following;
    assert.equal(follower.health?.().places.filter(({ state }) => state === 'dropped').length, 1);
  });

  void it('stops when what it has read was rewritten', async () => {
    await using place = cluster.journal();
    await using proxies = await Proxies.start(cluster);
    const writer = place.attach();
    await writer.open({ mode: 'write', signal });
    const opening = openingAfter(undefined, 'a');
    await writer.append(opening);
    for (const entry of chainAfter(opening, 5)) await writer.append(entry);
    const follower = place.attach({ ports: proxies.ports });
    await follower.open({ mode: 'read', signal });
    let count = 0;
    const following = (async () => {
      for await (const batch of follower.read({ from: null, follow: true, signal })) {
        count += batch.length;
      }
    })();
    following.catch(() => undefined);
    await until(() => count === 6, 'what is there');
    for (const proxy of proxies.all) {
      proxy.mode = 'hold';
      proxy.cut();
    }
    await writer.close();
    // A new history in the old one's place, as a minority of crashed brokers may leave it.
    const publisher = await place.publisher();
    const { stream } = (await place.chain()).newest!;
    await publisher.deleteStream(stream);
    await publisher.makeSegment(1, stream);
    const other = openingAfter(undefined, 'another');
    for (let count_ = 0; count_ < 9; count_++) {
      await publisher.publish(stream, entryAfter(other, { timeNs: BigInt(count_ + 1) }).bytes);
    }
    for (const proxy of proxies.all) {
      proxy.cut();
      proxy.mode = 'pass';
    }
    await assert.rejects(following, hasCode('JOURNAL_DIVERGED'));
  });
});

void describe('rabbitmq: ways that fail', () => {
  void it('settles appends and closing in time when nothing passes any more', async () => {
    await using place = cluster.journal();
    await using proxies = await Proxies.start(cluster);
    const journal = place.attach({ ports: proxies.ports, times: { appendMs: 1000 } });
    await journal.open({ mode: 'write', signal });
    const opening = openingAfter(undefined, 'a');
    await journal.append(opening);
    for (const proxy of proxies.all) proxy.mode = 'hold';
    const [one, two] = chainAfter(opening, 2);
    const appends = await Promise.allSettled([journal.append(one!), journal.append(two!)]);
    for (const { status, ...rest } of appends) {
      assert.equal(status, 'rejected');
      assert.ok('reason' in rest && hasCode('JOURNAL_UNKNOWN_OUTCOME')(rest.reason));
    }
    await journal.close();
    await assert.rejects(journal.open({ mode: 'write', signal }), hasCode('JOURNAL_UNAVAILABLE'));
    await assert.rejects(journal.open({ mode: 'read', signal }), hasCode('JOURNAL_UNAVAILABLE'));
  });

  void it('ends appends by closing although nobody answers', async () => {
    await using place = cluster.journal();
    await using proxies = await Proxies.start(cluster);
    const journal = place.attach({ ports: proxies.ports });
    await journal.open({ mode: 'write', signal });
    const opening = openingAfter(undefined, 'a');
    await journal.append(opening);
    for (const proxy of proxies.all) proxy.mode = 'hold';
    const appended = journal.append(entryAfter(opening));
    appended.catch(() => undefined);
    await journal.close();
    await assert.rejects(appended, hasCode('JOURNAL_UNKNOWN_OUTCOME'));
  });

  void it('refuses with certainty what it did not send while a broker takes nothing', async () => {
    await using place = cluster.journal();
    const [name = ''] = names;
    const journal = place.attach({ ports: [cluster.portOf(name)], times: { appendMs: 1500 } });
    await journal.open({ mode: 'write', signal });
    const opening = openingAfter(undefined, 'a');
    await journal.append(opening);
    const [one, two, three] = chainAfter(opening, 3);
    let isFirstThere = false;
    await cluster.control(name, 'set_vm_memory_high_watermark', 'absolute', '1MB');
    try {
      // The broker may take one more from whoever publishes; then it says that it takes none.
      const [first] = await Promise.allSettled([journal.append(one!)]);
      isFirstThere = first.status === 'fulfilled';
      if (first.status === 'rejected') {
        assert.ok(hasCode('JOURNAL_UNKNOWN_OUTCOME')(first.reason), String(first.reason));
      }
      const appends = [journal.append(two!), journal.append(three!)];
      const [second, third] = await Promise.allSettled(appends);
      assert.ok(second?.status === 'rejected' && third?.status === 'rejected');
      const certain = isFirstThere ? 'JOURNAL_UNAVAILABLE' : 'JOURNAL_CLOSED';
      assert.ok(hasCode(certain)(second.reason), String(second.reason));
      assert.ok(hasCode('JOURNAL_UNAVAILABLE', 'JOURNAL_CLOSED')(third.reason));
      await assert.rejects(journal.append(two!), hasCode('JOURNAL_CLOSED'));
      await assert.rejects(journal.open({ mode: 'write', signal }), hasCode('JOURNAL_UNAVAILABLE'));
    } finally {
      await cluster.control(name, 'set_vm_memory_high_watermark', 'absolute', '1GB');
    }
    const next = place.attach();
    await openPatiently(next, {});
    const found = (await collect(next)).map(({ entry }) => entry);
    const positions = found.map(({ position }) => position);
    // Only the first may have come in unseen.
    assert.deepEqual(positions, positions.length === 1 && !isFirstThere ? [1] : [1, 2]);
    await next.append(openingAfter(found.at(-1), 'b'));
  });
});

void describe('rabbitmq: replicas', () => {
  void it('goes on in a new segment when the broker that lacks one is back', async () => {
    const [first, second, third] = names;
    await using place = await journalLedBy(first!);
    const ports = [first!, second!, third!].map((name) => cluster.portOf(name));
    const parameters = { 'segment-bytes': '16384' };
    await cluster.signal(third!, 'SIGKILL');
    const journal = place.attach({ ports, parameters, times: { replicasMs: 500 } });
    await openPatiently(journal, {});
    const opening = openingAfter(undefined, 'a');
    const entries = [opening, ...chainAfter(opening, 20, 1000)];
    for (const entry of entries) await journal.append(entry);
    const short = (await place.chain()).newest!;
    assert.equal(short.segment, 2);
    await cluster.mend();
    const behind = chainAfter(entries.at(-1), 400, 8);
    let appendedCount = 0;
    await until(async () => {
      const entry = behind[appendedCount]!;
      await journal.append(entry);
      appendedCount += 1;
      return (await place.chain()).newest!.segment === 3;
    }, 'the next segment');
    // It can be read on the broker that was away.
    const reader = place.attach({ ports: [cluster.portOf(third!)] });
    await openPatiently(reader, { mode: 'read', from: 'r3.1' });
    const read = await collect(reader, 'r3.1');
    assert.ok(read.length > 0);
  });

  void it('makes a new journal only while all brokers answer', async () => {
    await using place = cluster.journal();
    await cluster.signal(names[2]!, 'SIGKILL');
    const opening = place.attach().open({ mode: 'write', signal });
    await assert.rejects(opening, hasCode('JOURNAL_UNAVAILABLE'));
    const waived = place.attach({ waived: ['replicas'] });
    await openPatiently(waived, {});
    await waived.append(openingAfter(undefined, 'a'));
  });
});
