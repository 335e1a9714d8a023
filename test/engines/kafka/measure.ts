// node test/engines/kafka/measure.ts, with HOLDFAST_TEST_ENGINE naming the folder of a Kafka that
// is up: appends by the driver beside raw Produce requests of the client library with the same
// settings (all replicas in sync, one producer, five requests on the way), in turns on one cluster.
// Also with the reading back that a leader does before it believes an append.

import { createClock } from '../../../src/drivers/system/clock.ts';
import { Connection, produceV11 } from '@platformatic/kafka';
import { createAppender } from '../../../src/engine/appender.ts';
import { ReaderRule } from '../../../src/recovery/reader-rule.ts';
import { entryAfter, openingAfter, randomBody } from '../../conformance/journal/entries.ts';
import { until } from '../../support/until.ts';
import { Brokers, type TopicUnderTest } from './brokers.ts';

const ROUNDS = 3;
const ROUND_MS = 3000;
const IN_FLIGHT_MAX = 8;
const REQUESTS_IN_FLIGHT_MAX = 5;
const FOREVER = new AbortController().signal;
const SIZES = [1024, 128 * 1024, 1024 * 1024 - 256];

type Append = () => Promise<unknown>;
type Way = { readonly append: Append; readonly close: () => Promise<void> };

/** Appends a second. */
async function rate(append: Append): Promise<number> {
  const startMs = performance.now();
  let count = 0;
  const one = async (): Promise<void> => {
    while (performance.now() - startMs < ROUND_MS) {
      await append();
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT_MAX }, one));
  return (count * 1000) / (performance.now() - startMs);
}

async function rawWay(topic: TopicUnderTest, bytes: number): Promise<Way> {
  await (await openedJournal(topic)).close();
  const { host } = await topic.cluster.findLeader();
  const connection = new Connection('measure', { maxInflights: REQUESTS_IN_FLIGHT_MAX });
  await connection.connect(host.host, host.port);
  let producerId = -1n;
  // Brokers that have just come up do not give any yet.
  await until(async () => {
    producerId = await topic.cluster.newProducerId().catch(() => -1n);
    return producerId >= 0n;
  }, 'a producer id');
  const value = Buffer.from(randomBody(1, bytes));
  let sequence = 0;
  return {
    append: () => {
      const own = sequence++;
      return produceV11.api.async(
        connection,
        -1,
        1300,
        [{ topic: topic.name, partition: 0, value, headers: new Map() }],
        { producerId, producerEpoch: 1, sequences: { getWithDefault: () => own } as never },
      );
    },
    close: () => connection.close(),
  };
}

async function openedJournal(topic: TopicUnderTest) {
  const journal = topic.journal();
  await journal.open({ mode: 'write', signal: FOREVER });
  return journal;
}

async function ownWay(topic: TopicUnderTest, bytes: number, isReadBack: boolean): Promise<Way> {
  const journal = await openedJournal(topic);
  const opening = openingAfter(undefined, 'a');
  const openingOffset = await journal.append(opening);
  const rule = new ReaderRule({ kind: 'genesis' });
  rule.decide({ entry: opening, offset: openingOffset });
  const onLost = (): void => undefined;
  const appender = isReadBack
    ? createAppender({
        journal,
        rule,
        opened: { entry: opening, offset: openingOffset },
        clock: createClock(),
        presence: { cannotRead: onLost, canRead: onLost },
        onLost,
      })
    : { append: (entry: typeof opening) => journal.append(entry), close: onLost };
  const body = randomBody(1, bytes - 256);
  let last = opening;
  return {
    append: () => {
      last = entryAfter(last, { body });
      return appender.append(last);
    },
    close: async () => {
      appender.close();
      await journal.close();
    },
  };
}

const brokers = await Brokers.find();
for (const bytes of SIZES) {
  const ways = new Map<string, (topic: TopicUnderTest) => Promise<Way>>([
    ['raw', (topic) => rawWay(topic, bytes)],
    ['driver', (topic) => ownWay(topic, bytes, false)],
    ['read back', (topic) => ownWay(topic, bytes, true)],
  ]);
  const rates = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, way] of ways) {
      await using topic = brokers.topic();
      const { append, close } = await way(topic);
      rates.set(name, [...(rates.get(name) ?? []), await rate(append)]);
      await close();
    }
  }
  const median = (name: string): number => rates.get(name)!.sort((a, b) => a - b)[ROUNDS >> 1]!;
  for (const name of ways.keys()) {
    const perSecond = median(name);
    const line = [
      `${bytes} bytes`.padStart(14),
      name.padEnd(10),
      `${perSecond.toFixed(0)}/s`.padStart(9),
      `${((perSecond * bytes) / 1e6).toFixed(1)} MB/s`.padStart(12),
      `${(perSecond / median('raw')).toFixed(2)} of raw`,
    ];
    process.stdout.write(`${line.join('  ')}\n`);
  }
}
