// Settings of the engine under which entries could be lost are refused by name, unless waived.

import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { isOperationalError } from '../../../src/base/errors.ts';
import { ENGINE_JOURNALS } from '../../../src/drivers/index.ts';
import { BrokerFailure } from '../../../src/drivers/rabbitmq/failures.ts';
import { STREAM_ARGUMENTS } from '../../../src/drivers/rabbitmq/publisher.ts';
import { streamFindings } from '../../../src/drivers/rabbitmq/settings-check.ts';
import { openingAfter } from '../../conformance/journal/entries.ts';
import { hasCode } from '../../conformance/journal/support.ts';
import { Cluster, type JournalPlace } from './cluster.ts';

const { signal } = new AbortController();

let cluster: Cluster;
before(async () => {
  cluster = await Cluster.find();
});

async function declare(
  place: JournalPlace,
  stream: string,
  args: Readonly<Record<string, unknown>>,
): Promise<void> {
  const publisher = await place.publisher();
  await publisher.onChannel((channel) =>
    channel.assertQueue(stream, { durable: true, arguments: args }),
  );
}

function unsafe(...words: readonly string[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isOperationalError(error, 'JOURNAL_UNSAFE'), String(error));
    for (const word of words) assert.ok(error.message.includes(word), `${word}: ${error.message}`);
    return true;
  };
}

void describe('rabbitmq: settings of the engine', () => {
  void it('refuses streams that drop entries by themselves, and names each reason', async () => {
    await using place = cluster.journal();
    const retention = { 'x-max-age': '1h', 'x-max-length-bytes': 5_000_000 };
    await declare(place, place.name, { ...STREAM_ARGUMENTS, ...retention });
    const opening = place.attach().open({ mode: 'write', signal });
    await assert.rejects(opening, unsafe('retention: x-max-age', 'x-max-length-bytes', '5000000'));
    const warnings: string[] = [];
    const waived = place.attach({ waived: ['retention'], log: (_, text) => warnings.push(text) });
    await waived.open({ mode: 'write', signal });
    await waived.append(openingAfter(undefined, 'a'));
    assert.equal(warnings.filter((text) => text.startsWith('Waived (retention)')).length, 2);
  });

  void it('refuses a stream with fewer replicas, and one whose segment has retention', async () => {
    await using place = cluster.journal();
    await declare(place, place.name, { ...STREAM_ARGUMENTS, 'x-initial-cluster-size': 1 });
    const opening = place.attach().open({ mode: 'write', signal });
    await assert.rejects(opening, unsafe('replicas: x-initial-cluster-size', 'is 1'));

    await using other = cluster.journal();
    const publisher = await other.publisher();
    const segment = `${other.name}.1.made-by-hand`;
    await declare(other, other.name, STREAM_ARGUMENTS);
    await declare(other, segment, { ...STREAM_ARGUMENTS, 'x-max-age': '7D' });
    await publisher.publishRecord(segment, { kind: 'begin', segment: 1, stream: segment });
    await publisher.publishRecord(other.name, { kind: 'roll', segment: 1, stream: segment });
    const opened = other.attach().open({ mode: 'write', signal });
    await assert.rejects(opened, unsafe('retention: x-max-age', '7D'));
  });

  void it('never makes the stream that it asks about', async () => {
    await using place = cluster.journal();
    const publisher = await place.publisher();
    const isMissing = (error: unknown): boolean =>
      error instanceof BrokerFailure && error.kind === 'missing';
    await assert.rejects(streamFindings(publisher, place.name), isMissing);
    const looking = publisher.onChannel((channel) => channel.checkQueue(place.name));
    await assert.rejects(looking, isMissing);
    // Nor does who knows that there was a journal.
    const opening = place.attach().open({ mode: 'write', from: 'r1.1', signal });
    await assert.rejects(opening, hasCode('JOURNAL_UNAVAILABLE'));
    const again = publisher.onChannel((channel) => channel.checkQueue(place.name));
    await assert.rejects(again, isMissing);
  });

  void it('refuses a queue that is no stream', async () => {
    await using place = cluster.journal();
    await declare(place, place.name, {});
    const opening = place.attach().open({ mode: 'write', signal });
    await assert.rejects(opening, unsafe('stream: ', 'x-queue-type must be stream'));
  });

  void it('refuses brokers that would not take the largest entry', async () => {
    await using place = cluster.journal();
    const set = (bytes: number): Promise<unknown> => {
      const text = `application:set_env(rabbit, max_message_size, ${bytes}).`;
      const [name = ''] = cluster.names;
      return cluster.control(name, 'eval', text);
    };
    const port = cluster.ports[0]!;
    await set(500_000);
    try {
      const opening = place.attach({ ports: [port] }).open({ mode: 'write', signal });
      await assert.rejects(opening, unsafe('message-size: ', '1048576'));
    } finally {
      await set(134_217_728);
    }
  });

  void it('refuses parameters and waivers that it does not know', async () => {
    await using place = cluster.journal();
    const wants = hasCode('CONFIGURATION_INVALID');
    assert.throws(() => place.attach({ parameters: { 'max-age': '1h' } }), wants);
    assert.throws(() => place.attach({ parameters: { 'segment-bytes': '12' } }), wants);
    assert.throws(() => place.attach({ waived: ['fsync'] }), wants);
    assert.equal(typeof (await ENGINE_JOURNALS['rabbitmq']?.()), 'function');
  });

  void it('says that nobody can be reached, and may be opened again', async () => {
    await using place = cluster.journal();
    const journal = place.attach({ ports: [1, 2] });
    for (const mode of ['write', 'read', 'write'] as const) {
      await assert.rejects(journal.open({ mode, signal }), hasCode('JOURNAL_UNAVAILABLE'));
    }
  });
});
