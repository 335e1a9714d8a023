// How fast the driver appends, beside bare confirmed publishing to a stream of the same cluster in
// the same run: HOLDFAST_TEST_ENGINE=.engines/rabbitmq node test/engines/rabbitmq/measure.ts

import type { Entry } from '../../../src/base/entry.ts';
import { APPENDS_IN_FLIGHT_MAX, ENTRY_HEADER_BYTES } from '../../../src/base/limits.ts';
import { STREAM_ARGUMENTS } from '../../../src/drivers/rabbitmq/publisher.ts';
import { chainAfter, openingAfter } from '../../conformance/journal/entries.ts';
import { Cluster } from './cluster.ts';

const ROUNDS = 3;
const SUBJECTS = [
  { name: '1 KiB', bytes: 1024, count: 4000 },
  { name: '128 KiB', bytes: 128 * 1024, count: 600 },
  { name: '1 MiB', bytes: 1024 * 1024, count: 120 },
];

/** So many at a time are under way; milliseconds for all. */
async function timed(
  entries: readonly Entry[],
  take: (entry: Entry) => Promise<unknown>,
): Promise<number> {
  const beganMs = performance.now();
  const underWay: Promise<unknown>[] = [];
  for (const entry of entries) {
    if (underWay.length >= APPENDS_IN_FLIGHT_MAX) await underWay.shift();
    underWay.push(take(entry));
  }
  await Promise.all(underWay);
  return performance.now() - beganMs;
}

const cluster = await Cluster.find();
for (const { name, bytes, count } of SUBJECTS) {
  const rates = { driver: [] as number[], bare: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    await using place = cluster.journal();
    const journal = place.attach({ ports: [cluster.ports[round % 3]!] });
    await journal.open({ mode: 'write', signal: new AbortController().signal });
    const opening = openingAfter(undefined, 'measure');
    await journal.append(opening);
    const entries = chainAfter(opening, count, bytes - ENTRY_HEADER_BYTES);
    const bare = await place.publisher(cluster.ports[round % 3]);
    const stream = `${place.name}.bare`;
    await bare.onChannel((channel) =>
      channel.assertQueue(stream, { durable: true, arguments: STREAM_ARGUMENTS }),
    );
    const runs = {
      bare: () => timed(entries, (entry) => bare.publish(stream, entry.bytes)),
      driver: () => timed(entries, (entry) => journal.append(entry)),
    };
    for (const side of round % 2 === 0
      ? (['bare', 'driver'] as const)
      : (['driver', 'bare'] as const)) {
      rates[side].push((1000 * count) / (await runs[side]()));
    }
    await bare.deleteStream(stream);
  }
  const [driver, bare] = [median(rates.driver), median(rates.bare)];
  const megabytes = (rate: number): string => ((rate * bytes) / 1e6).toFixed(1);
  process.stdout.write(
    `${name.padEnd(8)} driver ${driver.toFixed(0)}/s ${megabytes(driver)} MB/s, bare ` +
      `${bare.toFixed(0)}/s ${megabytes(bare)} MB/s, ratio ${(driver / bare).toFixed(2)} ` +
      `(${rounded(rates.driver)} | ${rounded(rates.bare)})\n`,
  );
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function rounded(rates: readonly number[]): string {
  return rates.map((rate) => rate.toFixed(0)).join(' ');
}
