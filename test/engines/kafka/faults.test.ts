// What brokers that are killed, frozen and cut off do to appends and readers; and what Kafka does
// by itself that a journal must know of. Each of these was seen to happen before it was a test.

import assert from 'node:assert/strict';
import { after, afterEach, describe, it } from 'node:test';
import type { Journal } from '../../../src/ports/journal.ts';
import { ReaderRule } from '../../../src/recovery/reader-rule.ts';
import { chainAfter, entryAfter, openingAfter } from '../../conformance/journal/entries.ts';
import { acceptedOf, collect, hasCode } from '../../conformance/journal/support.ts';
import { until } from '../../support/until.ts';
import { Brokers, Proxies, type TopicUnderTest } from './brokers.ts';
import { LoadedWriter } from './load.ts';

const FOREVER = new AbortController().signal;
const REQUEST_TIMED_OUT = 7;
const PATIENT = { appendMs: '30000' };
const brokers = await Brokers.find();

async function withTopic(
  body: (topic: TopicUnderTest) => Promise<void>,
  parameters: Readonly<Record<string, string>> = PATIENT,
): Promise<void> {
  await using topic = brokers.topic(parameters);
  try {
    await body(topic);
  } finally {
    // Before the topic is removed.
    await brokers.mend();
  }
}

async function opened(topic: TopicUnderTest, mode: 'write' | 'read' = 'write'): Promise<Journal> {
  const journal = topic.journal();
  await journal.open({ mode, signal: FOREVER });
  return journal;
}

/** False where nobody takes writes now. */
async function opens(journal: Journal): Promise<boolean> {
  try {
    await journal.open({ mode: 'write', signal: FOREVER });
    return true;
  } catch (error) {
    assert.ok(hasCode('JOURNAL_UNAVAILABLE')(error), String(error));
    return false;
  }
}

function others(name: string): string[] {
  return brokers.names.filter((other) => other !== name);
}

/** Until each broker has its place again. */
async function mended(topic: TopicUnderTest): Promise<void> {
  await brokers.mend();
  await until(
    async () => {
      await topic.cluster.lookRound();
      return topic.cluster.topology?.inSync.length === 3;
    },
    'three replicas in sync',
    60_000,
  );
}

void describe('kafka: brokers that fail under appends', () => {
  afterEach(() => brokers.mend());
  after(() => brokers.mend());

  for (const fault of ['SIGKILL', 'SIGSTOP'] as const) {
    void it(`loses nothing and repeats nothing when the leader gets ${fault}`, () =>
      withTopic(async (topic) => {
        await using writer = new LoadedWriter(topic.journal());
        writer.start();
        await writer.untilAcked(200);
        for (let round = 0; round < 2; round++) {
          await brokers.signal(await topic.leader(), fault);
          await writer.untilAcked(200);
          await mended(topic);
          await writer.untilAcked(200);
        }
        await writer.stop();
        await writer.verify(await opened(topic, 'read'));
      }));
  }

  void it('loses nothing when all brokers are killed at once', () =>
    withTopic(async (topic) => {
      await using writer = new LoadedWriter(topic.journal());
      writer.start();
      await writer.untilAcked(500);
      await Promise.all(brokers.names.map((name) => brokers.signal(name, 'SIGKILL')));
      await mended(topic);
      await writer.untilAcked(200);
      await writer.stop();
      await writer.verify(await opened(topic, 'read'));
    }));

  void it('resolves what is in doubt to one outcome when its time is over', () =>
    withTopic(
      async (topic) => {
        await using writer = new LoadedWriter(topic.journal());
        writer.start();
        for (let round = 0; round < 2; round++) {
          await writer.untilAcked(200);
          const unknown = writer.unknownCount;
          const followers = others(await topic.leader());
          for (const name of followers) await brokers.signal(name, 'SIGSTOP');
          await until(() => writer.unknownCount > unknown, 'an unknown outcome');
          await mended(topic);
        }
        await writer.untilAcked(200);
        await writer.stop();
        await writer.verify(await opened(topic, 'read'));
        assert.ok(writer.termCount > 1);
      },
      { appendMs: '1000' },
    ));

  void it('takes nothing while two brokers are down, says so, and goes on afterwards', () =>
    withTopic(
      async (topic) => {
        const journal = await opened(topic);
        const opening = openingAfter(undefined, 'a');
        await journal.append(opening);
        const [first, second] = brokers.names;
        await brokers.signal(first!, 'SIGKILL');
        await brokers.signal(second!, 'SIGKILL');
        const next = entryAfter(opening);
        await assert.rejects(journal.append(next), hasCode('JOURNAL_UNKNOWN_OUTCOME'));
        await assert.rejects(journal.append(entryAfter(next)), hasCode('JOURNAL_CLOSED'));
        await journal.close();
        const refused = journal.open({ mode: 'write', signal: FOREVER });
        await assert.rejects(refused, hasCode('JOURNAL_UNAVAILABLE'));
        await mended(topic);
        await journal.open({ mode: 'write', signal: FOREVER });
        const head = (await collect(journal)).at(-1)!.entry;
        await journal.append(openingAfter(head, 'b'));
      },
      { appendMs: '2000' },
    ));

  void it('goes on over connections that are cut again and again', async () => {
    await using proxies = await Proxies.start(brokers);
    await withTopic(async (topic) => {
      await using writer = new LoadedWriter(topic.journal({ hosts: topic.hosts('outer') }));
      writer.start();
      for (let round = 0; round < 20; round++) {
        await writer.untilAcked(20);
        for (const proxy of proxies.byName.values()) proxy.cut();
      }
      await writer.stop();
      await writer.verify(await opened(topic, 'read'));
      // Each was sent again under its number until somebody answered.
      assert.deepEqual([writer.unknownCount, writer.termCount], [0, 1]);
    });
  });
});

void describe('kafka: readers', () => {
  afterEach(() => brokers.mend());

  for (const fault of ['SIGKILL', 'SIGSTOP'] as const) {
    void it(`goes on reading behind a new leader when the old one gets ${fault}`, () =>
      withTopic(async (topic) => {
        const journal = await opened(topic);
        const opening = openingAfter(undefined, 'a');
        const entries = [opening, ...chainAfter(opening, 60)];
        const reader = await opened(topic, 'read');
        const stop = new AbortController();
        const positions: number[] = [];
        const reading = (async () => {
          for await (const batch of reader.read({
            from: null,
            follow: true,
            signal: stop.signal,
          })) {
            positions.push(...batch.map(({ entry }) => entry.position));
          }
        })();
        for (const entry of entries.slice(0, 30)) await journal.append(entry);
        await until(() => positions.length === 30, 'the first half');
        await brokers.signal(await topic.leader(), fault);
        for (const entry of entries.slice(30)) await journal.append(entry);
        await until(() => positions.length === entries.length, 'all of it');
        stop.abort();
        await reading;
        assert.deepEqual(
          positions,
          entries.map(({ position }) => position),
        );
      }));
  }

  void it('passes over a frozen broker that is first in the list', () =>
    withTopic(async (topic) => {
      const journal = await opened(topic);
      const opening = openingAfter(undefined, 'a');
      await journal.append(opening);
      const frozen = others(await topic.leader())[0]!;
      await brokers.signal(frozen, 'SIGSTOP');
      const hosts = topic.hosts('client');
      const first = hosts[brokers.names.indexOf(frozen)]!;
      const sorted = [first, ...hosts.filter((host) => host !== first)];
      const second = topic.journal({ hosts: sorted });
      await second.open({ mode: 'write', signal: FOREVER });
      const next = openingAfter(opening, 'b');
      await second.append(next);
      assert.deepEqual(
        (await collect(second)).map(({ entry }) => entry.position),
        [1, 2],
      );
      const places = second.health?.().places ?? [];
      assert.equal(places.length, 3);
      await until(
        () => second.health?.().places.filter(({ state }) => state === 'dropped').length === 1,
        'the frozen one is told',
      );
    }));

  void it('waits for a topic that is not made yet', () =>
    withTopic(async (topic) => {
      const reader = await opened(topic, 'read');
      assert.deepEqual(reader.bounds(), { first: 0, last: 0 });
      const stop = new AbortController();
      const reading = (async () => {
        for await (const batch of reader.read({ from: null, follow: true, signal: stop.signal })) {
          if (batch.length > 0) return batch[0]!.entry.position;
        }
        return 0;
      })();
      const journal = await opened(topic);
      await journal.append(openingAfter(undefined, 'a'));
      assert.equal(await reading, 1);
    }));

  void it('opens wholly or not at all when it is told to end meanwhile', () =>
    withTopic(async (topic) => {
      const journal = await opened(topic);
      const opening = openingAfter(undefined, 'a');
      const entries = [opening, ...chainAfter(opening, 30, 500_000)];
      for (const entry of entries) await journal.append(entry);
      let aborted = 0;
      for (let ms = 1; ms < 2000; ms = Math.ceil(ms * 1.2)) {
        const signal = AbortSignal.timeout(ms);
        const reader = topic.journal();
        try {
          const { bounds } = await reader.open({ mode: 'read', signal });
          assert.deepEqual(bounds, { first: 1, last: 31 });
        } catch (error) {
          assert.equal(error, signal.reason);
          aborted += 1;
        }
        await reader.close();
      }
      assert.ok(aborted > 0);
    }));

  void it('ends an opening when it is closed meanwhile', () =>
    withTopic(async (topic) => {
      const journal = topic.journal();
      const opening = journal.open({ mode: 'write', signal: FOREVER });
      const refused = assert.rejects(opening, hasCode('JOURNAL_CLOSED'));
      // Not before it has begun.
      await new Promise((resolve) => setImmediate(resolve));
      await journal.close();
      await refused;
    }));

  void it('says that nobody is there when no broker answers', () =>
    withTopic(async (topic) => {
      const journal = await opened(topic);
      await journal.append(openingAfter(undefined, 'a'));
      for (const name of brokers.names) await brokers.signal(name, 'SIGSTOP');
      await assert.rejects(collect(journal), hasCode('JOURNAL_UNAVAILABLE'));
      const other = topic.journal();
      for (const mode of ['read', 'write'] as const) {
        const refused = other.open({ mode, signal: FOREVER });
        await assert.rejects(refused, hasCode('JOURNAL_UNAVAILABLE'));
      }
      await mended(topic);
      await other.open({ mode: 'read', signal: FOREVER });
      assert.deepEqual(other.bounds(), { first: 1, last: 1 });
    }));
});

void describe('kafka: what it does by itself', () => {
  afterEach(() => brokers.mend());

  void it('shows who opens for writing what not all replicas have yet', () =>
    withTopic(async (topic) => {
      const journal = await opened(topic);
      const opening = openingAfter(undefined, 'a');
      await journal.append(opening);
      // Until it is missed nothing is committed without it.
      await brokers.signal(others(await topic.leader())[0]!, 'SIGSTOP');
      const appended = journal.append(entryAfter(opening));
      const leader = await topic.cluster.untilLeader(10_000, FOREVER);
      await until(async () => (await topic.cluster.writtenEnd(leader)) === 2, 'it is written');
      const successor = topic.journal();
      await until(() => opens(successor), 'it opens');
      assert.deepEqual(successor.bounds(), { first: 1, last: 2 });
      await appended;
    }));

  void it('writes later what it said had timed out, and the driver keeps it once', () =>
    withTopic(async (topic) => {
      const journal = await opened(topic);
      const opening = openingAfter(undefined, 'a');
      await journal.append(opening);
      const followers = others(await topic.leader());
      for (const name of followers) await brokers.signal(name, 'SIGSTOP');
      const next = entryAfter(opening);
      const appended = journal.append(next);
      const stray = entryAfter(next);
      // Past the driver, as a client that knows of no repetition.
      const { code } = await topic.produce([stray], undefined, 2000);
      assert.equal(code, REQUEST_TIMED_OUT);
      await mended(topic);
      await appended;
      const stored = await collect(journal);
      // The two came over different connections, in whichever order.
      const positions = stored.map(({ entry }) => entry.position).sort((a, b) => a - b);
      assert.deepEqual(positions, [1, 2, 3]);
    }));

  void it('confirms to a second candidate what it kept of the first', () =>
    withTopic(async (topic) => {
      const journal = await opened(topic);
      const opening = openingAfter(undefined, 'a');
      await journal.append(opening);
      const [one, two] = [await opened(topic), await opened(topic)];
      const winner = openingAfter(opening, 'one');
      const loser = openingAfter(opening, 'two');
      const offset = await one.append(winner);
      assert.equal(await two.append(loser), offset);
      const stored = await collect(two, offset);
      assert.equal(stored.length, 1);
      assert.deepEqual(stored[0]?.entry.digest, winner.digest);
    }));

  void it('takes the next opening of an epoch after one that was overtaken', () =>
    withTopic(async (topic) => {
      const journal = await opened(topic);
      const opening = openingAfter(undefined, 'a');
      await journal.append(opening);
      const candidate = await opened(topic);
      const next = entryAfter(opening);
      await journal.append(next);
      // Over what it has read; somebody else stands in its place.
      await candidate.append(openingAfter(opening, 'overtaken'));
      for (const nonce of ['second', 'third']) {
        const successor = await opened(topic);
        const history = acceptedOf(await collect(successor), new ReaderRule({ kind: 'genesis' }));
        const own = openingAfter(history.at(-1), nonce);
        const offset = await successor.append(own);
        assert.deepEqual((await collect(successor, offset))[0]?.entry.digest, own.digest);
        await successor.append(entryAfter(own));
      }
    }));

  void it('refuses a deposed writer, and what it refused is not in the log', () =>
    withTopic(async (topic) => {
      const journal = await opened(topic);
      const opening = openingAfter(undefined, 'a');
      await journal.append(opening);
      const successor = await opened(topic);
      await successor.append(openingAfter(opening, 'b'));
      await assert.rejects(journal.append(entryAfter(opening)), hasCode('JOURNAL_FENCED'));
      assert.equal((await collect(successor)).length, 2);
    }));

  void it('goes on refusing him after a discard to the end and the death of all brokers', () =>
    withTopic(async (topic) => {
      const journal = await opened(topic);
      const opening = openingAfter(undefined, 'a');
      const entries = [opening, ...chainAfter(opening, 5)];
      for (const entry of entries) await journal.append(entry);
      const successor = await opened(topic);
      const head = openingAfter(entries.at(-1), 'b');
      await successor.append(head);
      await successor.discardThrough(head.position);
      assert.deepEqual(successor.bounds(), { first: 7, last: 7 });
      await topic.untilStartKept(6);
      for (const name of brokers.names) await brokers.signal(name, 'SIGKILL');
      await mended(topic);
      const late = entryAfter(entries.at(-1));
      await assert.rejects(journal.append(late), hasCode('JOURNAL_FENCED'));
      await successor.append(entryAfter(head));
      const fresh = await opened(topic, 'read');
      assert.deepEqual(fresh.bounds(), { first: 7, last: 8 });
    }));

  void it('forgets him when the log is emptied: why the driver never does', () =>
    withTopic(async (topic) => {
      const journal = await opened(topic);
      const opening = openingAfter(undefined, 'a');
      await journal.append(opening);
      const successor = await opened(topic);
      await successor.append(openingAfter(opening, 'b'));
      await topic.deleteAll();
      await topic.untilStartKept(2);
      for (const name of brokers.names) await brokers.signal(name, 'SIGKILL');
      await mended(topic);
      await journal.append(entryAfter(opening));
    }));

  void it('changes the producer id where its epochs end, and the readers keep the old one out', () =>
    withTopic(async (topic) => {
      const journal = await opened(topic);
      const opening = openingAfter(undefined, 'a');
      await journal.append(opening);
      const last = openingAfter(opening, 'last', { epoch: 32_767 });
      await journal.append(last);
      const successor = await opened(topic);
      const first = openingAfter(last, 'first');
      await successor.append(first);
      const late = entryAfter(last);
      await journal.append(late);
      await successor.append(entryAfter(first));
      const third = await opened(topic);
      assert.equal(third.bounds().last, 4);
      await third.append(openingAfter(entryAfter(first), 'third'));
      // Of the new producer: refused again.
      const behind = entryAfter(entryAfter(first));
      await assert.rejects(successor.append(behind), hasCode('JOURNAL_FENCED'));
    }));
});
