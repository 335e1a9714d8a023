// What the driver looks at before it runs: settings under which Kafka loses what it acknowledged,
// and what its place says.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { KAFKA_USER } from '../../../deploy/engines/kafka.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import { createJournal } from '../../../src/drivers/kafka/driver.ts';
import { openingAfter } from '../../conformance/journal/entries.ts';
import { collect, hasCode } from '../../conformance/journal/support.ts';
import { Brokers } from './brokers.ts';

const FOREVER = new AbortController().signal;
const brokers = await Brokers.find();

const UNSAFE: Readonly<Record<string, string>> = {
  'min.insync.replicas': '1',
  'unclean.leader.election.enable': 'true',
  'cleanup.policy': 'compact',
  'retention.ms': '3600000',
  'retention.bytes': '1000000000',
  'max.message.bytes': '1000000',
  'compression.type': 'gzip',
};

void describe('kafka: settings', () => {
  void it('makes its topic with settings that it finds right', async () => {
    await using topic = brokers.topic();
    const journal = topic.journal();
    await journal.open({ mode: 'write', signal: FOREVER });
    await journal.append(openingAfter(undefined, 'a'));
    await topic.journal().open({ mode: 'read', signal: FOREVER });
    assert.deepEqual(topic.warnings, []);
  });

  void it('names every setting that is wrong, for writing and for reading', async () => {
    await using topic = brokers.topic();
    await topic.make({ partitions: 2, replicas: 2, settings: UNSAFE });
    for (const mode of ['write', 'read'] as const) {
      const refused = topic.journal().open({ mode, signal: FOREVER });
      await assert.rejects(refused, (error) => {
        assert.ok(isOperationalError(error, 'JOURNAL_UNSAFE'));
        for (const name of [...Object.keys(UNSAFE), 'partitions', 'replication.factor']) {
          assert.ok(error.detail.includes(`${name} is `), name);
        }
        return true;
      });
    }
  });

  for (const name of Object.keys(UNSAFE)) {
    void it(`names ${name} alone, and runs where it is waived`, async () => {
      await using topic = brokers.topic();
      await topic.make({ partitions: 1, replicas: 3, settings: { [name]: UNSAFE[name]! } });
      const refused = topic.journal().open({ mode: 'write', signal: FOREVER });
      await assert.rejects(refused, (error) => {
        assert.ok(isOperationalError(error, 'JOURNAL_UNSAFE'));
        assert.equal(error.detail.split(' must be ').length, 2);
        return error.detail.includes(`${name} is ${UNSAFE[name]} and must be `);
      });
      const waiving = topic.journal({ waived: [name] });
      await waiving.open({ mode: 'write', signal: FOREVER });
      assert.equal(topic.warnings.filter((text) => text.includes(name)).length, 1);
    });
  }

  void it('stops at what is no entry, and says where', async () => {
    await using topic = brokers.topic();
    const journal = topic.journal();
    await journal.open({ mode: 'write', signal: FOREVER });
    const opening = openingAfter(undefined, 'a');
    await journal.append(opening);
    const damaged = openingAfter(opening, 'b');
    damaged.bytes[260] = 1 ^ damaged.bytes[260]!;
    await topic.produce([damaged]);
    await assert.rejects(collect(journal), (error) => {
      assert.ok(isOperationalError(error, 'JOURNAL_CORRUPT'));
      return error.detail.includes('k1');
    });
  });
});

void describe('kafka: its place', () => {
  void it('speaks TLS and shows a password', async () => {
    await using topic = brokers.topic();
    const ca = join(brokers.place.folder, 'server-certificate.pem');
    const secure = { hosts: topic.hosts('secure'), user: KAFKA_USER.name };
    const parameters = { tls: 'true', ca };
    const journal = topic.journal({ ...secure, parameters, password: KAFKA_USER.password });
    await journal.open({ mode: 'write', signal: FOREVER });
    await journal.append(openingAfter(undefined, 'a'));
    assert.equal((await collect(journal)).length, 1);
    const wrong = topic.journal({ ...secure, parameters, password: 'another' });
    const refused = wrong.open({ mode: 'read', signal: FOREVER });
    await assert.rejects(refused, hasCode('JOURNAL_UNAVAILABLE'));
    const stranger = topic.journal({
      ...secure,
      parameters: { tls: 'true' },
      password: KAFKA_USER.password,
    });
    // Its certificate is nobody's whom Node knows.
    const distrusted = stranger.open({ mode: 'read', signal: FOREVER });
    await assert.rejects(distrusted, hasCode('JOURNAL_UNAVAILABLE'));
  });

  void it('refuses what it does not understand', () => {
    const topic = brokers.topic();
    const wrong = [
      { parameters: { acks: '1' } },
      { parameters: { tls: 'yes' } },
      { parameters: { ca: 'file' } },
      { parameters: { tls: 'true', ca: '/nowhere' } },
      { parameters: { appendMs: '10' } },
      { user: 'somebody', password: 'in the clear' },
      { password: 'of nobody' },
      { hosts: [] },
      { name: 'no topic' },
    ];
    for (const overrides of wrong) {
      const options = topic.options(overrides);
      assert.throws(() => createJournal(options), hasCode('CONFIGURATION_INVALID'));
    }
    topic.cluster.close();
  });
});
