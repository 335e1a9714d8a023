// How segments follow each other: rolls that several writers write at the same time, late records
// behind a roll, crashes between the steps of rolling and discarding.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Entry } from '../../../src/base/entry.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import { ReaderRule } from '../../../src/recovery/reader-rule.ts';
import type { EngineOffset, Journal } from '../../../src/ports/journal.ts';
import { BrokerFailure } from '../../../src/drivers/rabbitmq/failures.ts';
import { STREAM_ARGUMENTS } from '../../../src/drivers/rabbitmq/publisher.ts';
import { parseOffset } from '../../../src/drivers/rabbitmq/records.ts';
import { chainAfter, entryAfter, openingAfter } from '../../conformance/journal/entries.ts';
import { acceptedOf, collect, hasCode } from '../../conformance/journal/support.ts';
import { until } from '../../support/until.ts';
import { Cluster, type JournalPlace, Proxies } from './cluster.ts';

const SMALL = { 'segment-bytes': '16384' };
const { signal } = new AbortController();

let cluster: Cluster;
let proxies: Proxies;
before(async () => {
  cluster = await Cluster.find();
  proxies = await Proxies.start(cluster);
});
after(() => proxies[Symbol.asyncDispose]());

/** Who makes a journal at the same time as others may have to try again. */
async function opened(place: JournalPlace, parameters = {}): Promise<Journal> {
  const journal = place.attach({ parameters });
  await until(async () => {
    try {
      await journal.open({ mode: 'write', signal });
      return true;
    } catch (error) {
      if (isOperationalError(error, 'JOURNAL_UNAVAILABLE')) return false;
      throw error;
    }
  }, 'it can be opened');
  return journal;
}

async function appendAll(journal: Journal, entries: readonly Entry[]): Promise<EngineOffset[]> {
  return await Promise.all(entries.map((entry) => journal.append(entry)));
}

function positionsOf(entries: readonly { readonly position: number }[]): number[] {
  return entries.map(({ position }) => position);
}

async function history(journal: Journal): Promise<Entry[]> {
  return acceptedOf(await collect(journal), new ReaderRule({ kind: 'genesis' }));
}

/** Another writer's roll of the present segment, without what comes after it. */
async function rollBeside(place: JournalPlace): Promise<string> {
  const publisher = await place.publisher();
  const chain = await place.chain();
  const { segment, stream } = chain.newest!;
  const successor = chain.newName(segment + 1);
  await publisher.makeSegment(segment + 1, successor);
  await publisher.publishRecord(stream, { kind: 'roll', segment: segment + 1, stream: successor });
  return successor;
}

async function exists(place: JournalPlace, stream: string): Promise<boolean> {
  const publisher = await place.publisher();
  try {
    await publisher.onChannel((channel) => channel.checkQueue(stream));
    return true;
  } catch (error) {
    assert.ok(error instanceof BrokerFailure && error.kind === 'missing', String(error));
    return false;
  }
}

void describe('rabbitmq: rolls', () => {
  void it('leads two writers who roll at the same time to the same successors', async () => {
    await using place = cluster.journal();
    const [old, next] = [await opened(place, SMALL), await opened(place, SMALL)];
    const opening = openingAfter(undefined, 'old');
    await old.append(opening);
    const second = openingAfter(opening, 'next');
    await next.append(second);
    const late = chainAfter(opening, 60, 1000);
    const real = chainAfter(second, 60, 1000);
    // What the deposed one sends is refused or void; it may be ended by the other one's rolls.
    const lateDone = appendAll(old, late).catch((error: unknown) => {
      assert.ok(hasCode('JOURNAL_UNKNOWN_OUTCOME', 'JOURNAL_CLOSED')(error), String(error));
    });
    const realDone = appendAll(next, real).catch((error: unknown) => {
      assert.ok(hasCode('JOURNAL_UNKNOWN_OUTCOME', 'JOURNAL_CLOSED')(error), String(error));
    });
    await Promise.all([lateDone, realDone]);
    const third = await opened(place, SMALL);
    const found = await history(third);
    assert.deepEqual(found.slice(0, 2), (await history(next)).slice(0, 2));
    assert.ok(found.slice(2).every(({ epoch }) => epoch === 2));
    // Each of them can go on, and all see the same.
    const goingOn = openingAfter(found.at(-1), 'third');
    const [offset = ''] = await appendAll(third, [goingOn]);
    assert.ok(parseOffset(offset).segment > 2);
    const seen = positionsOf(await history(third));
    assert.deepEqual(seen, positionsOf([...found, goingOn]));
    const chain = await place.chain();
    assert.equal(chain.newest?.segment, parseOffset(offset).segment);
  });

  void it('goes on in the successor that another writer has named', async () => {
    await using place = cluster.journal();
    const journal = await opened(place);
    const opening = openingAfter(undefined, 'a');
    await journal.append(opening);
    const successor = await rollBeside(place);
    await until(async () => (await place.chain()).newest?.stream === successor, 'it has followed');
    const entries = chainAfter(opening, 3);
    const offsets = await appendAll(journal, entries);
    assert.deepEqual(offsets, ['r2.1', 'r2.2', 'r2.3']);
    assert.deepEqual(positionsOf(await history(journal)), [1, 2, 3, 4]);
  });

  void it('does not know of an entry that came behind a roll, and nobody ever sees it', async () => {
    await using place = cluster.journal();
    const journal = place.attach({ ports: proxies.ports });
    await journal.open({ mode: 'write', signal });
    const opening = openingAfter(undefined, 'a');
    await journal.append(opening);
    const released = Promise.withResolvers<void>();
    proxies.plans.next = { kind: 'delay', until: released.promise };
    const doubtful = entryAfter(opening);
    const appended = journal.append(doubtful);
    appended.catch(() => undefined);
    await rollBeside(place);
    released.resolve();
    await assert.rejects(appended, hasCode('JOURNAL_UNKNOWN_OUTCOME'));
    await assert.rejects(journal.append(doubtful), hasCode('JOURNAL_CLOSED'));
    const next = await opened(place);
    assert.deepEqual(positionsOf(await history(next)), [1]);
    await next.append(openingAfter(opening, 'b'));
    assert.deepEqual(
      (await history(next)).map(({ epoch }) => epoch),
      [1, 2],
    );
  });

  void it('ignores entries and rolls behind the first roll, however right they look', async () => {
    await using place = cluster.journal();
    const journal = await opened(place, SMALL);
    const opening = openingAfter(undefined, 'a');
    const entries = [opening, ...chainAfter(opening, 20, 1000)];
    await appendAll(journal, entries);
    const chain = await place.chain();
    const publisher = await place.publisher();
    const late = entryAfter(entries.at(-1));
    const first = chain.of(1)!.stream;
    await publisher.publish(first, late.bytes);
    const wrong = chain.newName(2);
    await publisher.makeSegment(2, wrong);
    await publisher.publishRecord(first, { kind: 'roll', segment: 2, stream: wrong });
    await publisher.publish(wrong, late.bytes);
    const read = await collect(journal);
    assert.deepEqual(
      read.map(({ entry }) => entry.position),
      positionsOf(entries),
    );
    const next = await opened(place, SMALL);
    assert.deepEqual(next.bounds(), { first: 1, last: 21 });
    assert.deepEqual(
      (await collect(next)).map(({ entry }) => entry.position),
      positionsOf(entries),
    );
    await publisher.deleteStream(wrong);
  });

  void it('finds its segments when a crash came between a roll and its note', async () => {
    await using place = cluster.journal();
    const journal = await opened(place);
    const opening = openingAfter(undefined, 'a');
    await journal.append(opening);
    await journal.close();
    const second = await rollBeside(place);
    const publisher = await place.publisher();
    const next = entryAfter(opening);
    await publisher.publish(second, next.bytes);
    assert.equal((await place.chain()).newest?.segment, 1);
    const reader = place.attach();
    await reader.open({ mode: 'read', from: 'r2.1', signal });
    assert.deepEqual(
      (await collect(reader, 'r2.1')).map(({ entry }) => entry.position),
      [2],
    );
    await assert.rejects(collect(reader, 'r3.1'), hasCode('JOURNAL_DIVERGED'));
    const writer = await opened(place);
    assert.deepEqual(writer.bounds(), { first: 1, last: 2 });
    const known = (await place.chain()).newest;
    assert.equal(known?.stream, second);
    assert.equal(known?.after.position, 1);
  });

  void it('never takes a journal for empty of which nothing can be read', async () => {
    await using place = cluster.journal();
    // Whoever made it crashed before its first record.
    const publisher = await place.publisher();
    await publisher.onChannel((channel) =>
      channel.assertQueue(place.name, { durable: true, arguments: STREAM_ARGUMENTS }),
    );
    const reader = place.attach();
    await assert.rejects(reader.open({ mode: 'read', signal }), hasCode('JOURNAL_UNAVAILABLE'));
    const writer = await opened(place);
    await reader.open({ mode: 'read', signal });
    assert.deepEqual(await collect(reader), []);
    await writer.append(openingAfter(undefined, 'a'));
    assert.equal((await collect(reader)).length, 1);
  });

  void it('is empty where there is none yet, and follows when there is one', async () => {
    await using place = cluster.journal();
    const reader = place.attach();
    const opening = await reader.open({ mode: 'read', signal });
    assert.deepEqual(opening.bounds, { first: 0, last: 0 });
    assert.deepEqual(await collect(reader), []);
    const following = (async () => {
      for await (const batch of reader.read({ from: null, follow: true, signal })) return batch;
      return [];
    })();
    const writer = await opened(place);
    await writer.append(openingAfter(undefined, 'a'));
    assert.equal((await following)[0]?.offset, 'r1.2');
  });

  void it('starts one journal when several start it', async () => {
    await using place = cluster.journal();
    const journals = await Promise.all([1, 2, 3].map(() => opened(place)));
    const opening = openingAfter(undefined, 'a');
    const offsets = await Promise.all([
      journals[0]!.append(opening),
      journals[1]!.append(openingAfter(undefined, 'b')),
      journals[2]!.append(openingAfter(undefined, 'c')),
    ]);
    assert.equal(new Set(offsets).size, 3);
    const heads = await Promise.all(journals.map((journal) => history(journal)));
    for (const head of heads) assert.deepEqual(head, heads[0]);
    assert.equal(heads[0]?.length, 1);
  });
});

void describe('rabbitmq: files of streams', () => {
  void it('goes on over the offsets that each file of a stream leaves out', async () => {
    await using place = cluster.journal();
    const journal = await opened(place);
    const opening = openingAfter(undefined, 'a');
    await journal.append(opening);
    const publisher = await place.publisher();
    const chain = await place.chain();
    const successor = chain.newName(2);
    const small = { ...STREAM_ARGUMENTS, 'x-stream-max-segment-size-bytes': 1_000_000 };
    await publisher.onChannel((channel) =>
      channel.assertQueue(successor, { durable: true, arguments: small }),
    );
    await publisher.publishRecord(successor, { kind: 'begin', segment: 2, stream: successor });
    const roll = { kind: 'roll', segment: 2, stream: successor } as const;
    await publisher.publishRecord(chain.newest!.stream, roll);
    await until(async () => (await place.chain()).newest?.segment === 2, 'it has followed');
    const entries = chainAfter(opening, 60, 100_000);
    const offsets = await appendAll(journal, entries);
    const numbers = offsets.map((offset) => parseOffset(offset).offset);
    assert.ok(numbers.at(-1)! - numbers[0]! > entries.length - 1, 'some are left out');
    assert.deepEqual(positionsOf(await history(journal)), positionsOf([opening, ...entries]));
    const from = offsets[40]!;
    assert.equal((await collect(journal, from)).length, 20);
    const next = place.attach();
    await next.open({ mode: 'write', from, signal });
    assert.deepEqual(next.bounds(), { first: 1, last: 61 });
  });
});

void describe('rabbitmq: discarding', () => {
  void it('never lets a deposed writer bring a discarded segment back', async () => {
    await using place = cluster.journal();
    const old = await opened(place);
    const opening = openingAfter(undefined, 'old');
    await old.append(opening);
    const first = (await place.chain()).of(1)!.stream;
    const next = await opened(place, SMALL);
    const second = openingAfter(opening, 'next');
    await next.append(second);
    await appendAll(next, chainAfter(second, 40, 1000));
    await next.discardThrough(20);
    assert.ok(next.bounds().first > 1);
    assert.equal(await exists(place, first), false);
    // One that has not heard of it yet sends to nowhere, and is told so.
    const publisher = await place.publisher();
    const late = entryAfter(opening);
    await assert.rejects(
      publisher.publish(first, late.bytes),
      (error) => error instanceof BrokerFailure && error.kind === 'missing',
    );
    assert.equal(await exists(place, first), false);
    // One that has comes to the newest segment, and its epoch is over.
    assert.equal(
      parseOffset(await old.append(late)).segment,
      (await place.chain()).newest?.segment,
    );
    assert.equal(next.bounds().last, 42);
  });

  void it('deletes at the next opening what a crash left of a discarding', async () => {
    await using place = cluster.journal();
    const journal = await opened(place, SMALL);
    const opening = openingAfter(undefined, 'a');
    await appendAll(journal, [opening, ...chainAfter(opening, 30, 1000)]);
    const chain = await place.chain();
    const publisher = await place.publisher();
    const first = chain.of(1)!.stream;
    await publisher.publishRecord(place.name, { kind: 'discarded', oldest: 2, streams: [first] });
    await journal.close();
    assert.equal(await exists(place, first), true);
    const next = await opened(place, SMALL);
    const { after: head } = chain.of(2)!;
    assert.deepEqual(next.bounds(), { first: head.position + 1, last: 31 });
    await until(async () => !(await exists(place, first)), 'it is deleted');
  });
});
