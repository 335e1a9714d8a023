// The primary dies, freezes, is cut off or is replaced by hand, under appends: nothing acknowledged
// is lost, nothing is there twice, and what was unknown has one outcome afterwards.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { Entry } from '../../../src/base/entry.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import type { Journal, StoredEntry } from '../../../src/ports/journal.ts';
import { entryAfter, randomBody } from '../../conformance/journal/entries.ts';
import { hasCode } from '../../conformance/journal/support.ts';
import { until } from '../../support/until.ts';
import { MySqlCluster, ProxiedHosts } from './cluster.ts';
import { FOREVER, Rig, assertKept, historyOf, succeed } from './support.ts';

const cluster = await MySqlCluster.find();

const IN_FLIGHT = 4;
const BODY_BYTES = 20_000;

/** A leader under load: appends until one fails. */
class Load {
  readonly sent: Entry[];
  readonly acknowledged: Entry[];
  readonly failures: unknown[] = [];
  readonly #journal: Journal;
  #running: Promise<void>;

  constructor(journal: Journal, opening: Entry) {
    this.#journal = journal;
    this.sent = [opening];
    this.acknowledged = [opening];
    this.#running = Promise.all(Array.from({ length: IN_FLIGHT }, () => this.#lane())).then(
      () => undefined,
    );
  }

  async #lane(): Promise<void> {
    while (this.failures.length === 0) {
      const position = this.sent.length + 1;
      const entry = entryAfter(this.sent.at(-1), { body: randomBody(position, BODY_BYTES) });
      this.sent.push(entry);
      try {
        await this.#journal.append(entry);
        this.acknowledged.push(entry);
      } catch (error) {
        this.failures.push(error);
      }
    }
  }

  async untilAcknowledged(count: number): Promise<void> {
    const wanted = this.acknowledged.length + count;
    await until(() => this.acknowledged.length >= wanted, `${count} more appends`);
  }

  /** Returns when every append has settled: by a failure that its caller can do something with. */
  async untilFailed(): Promise<void> {
    await this.#running;
    for (const error of this.failures) {
      assert.ok(
        hasCode('JOURNAL_UNKNOWN_OUTCOME', 'JOURNAL_CLOSED', 'JOURNAL_FENCED')(error),
        String(error),
      );
    }
  }
}

void describe('mysql: a primary that fails under appends', () => {
  afterEach(() => cluster.mend());

  for (const fault of ['SIGKILL', 'SIGSTOP'] as const) {
    void it(`goes on at the promoted replica when the primary gets ${fault}`, async () => {
      await using rig = new Rig(cluster);
      const { journal, opening } = await rig.begin();
      const primary = await cluster.primary();
      const replicas = await cluster.replicas();
      const load = new Load(journal, opening);
      await load.untilAcknowledged(30);
      await cluster.signal(primary, fault);
      const promoted = await cluster.promote(replicas);
      await load.untilFailed();
      const history = await succeed(rig);
      assertKept(history, load.acknowledged, load.sent);
      assert.equal(await cluster.primary(), promoted);
      if (fault === 'SIGSTOP') {
        // Thawed it still takes writes: nobody can say which of the two is meant.
        await cluster.signal(primary, 'SIGCONT');
        const next = rig.attach();
        await assert.rejects(next.open({ mode: 'write', signal: FOREVER }), (error: Error) => {
          const both = [primary, promoted].map((name) => `127.0.0.1:${cluster.portOf(name)}`);
          return (
            hasCode('JOURNAL_UNAVAILABLE')(error) &&
            both.every((name) => error.message.includes(name))
          );
        });
        await cluster.signal(primary, 'SIGKILL');
      }
    });
  }

  void it('never acknowledges at the old primary once the replicas follow another one', async () => {
    await using rig = new Rig(cluster);
    const { journal, opening } = await rig.begin();
    const old = await cluster.primary();
    const load = new Load(journal, opening);
    await load.untilAcknowledged(10);
    const promoted = await cluster.promote(await cluster.replicas());
    const countAtPromotion = load.acknowledged.length;
    // Its history goes further than the other's: a number alone must not seem to confirm.
    for (let index = 0; index < 20; index++) {
      await cluster.ask(promoted, `create database if not exists ${rig.database}_${index}`);
    }
    await cluster.ask(old, `kill query ${await cluster.waitingThread(old)}`);
    await load.untilFailed();
    assert.ok(load.acknowledged.length <= countAtPromotion + IN_FLIGHT);
    const onOld = await cluster.positions(old, rig.database);
    assert.ok(onOld.length > load.acknowledged.length, 'it shows what was never acknowledged');
    await cluster.signal(old, 'SIGKILL');
    for (let index = 0; index < 20; index++) {
      await cluster.ask(promoted, `drop database ${rig.database}_${index}`);
    }
    assertKept(await succeed(rig), load.acknowledged, load.sent);
  });

  for (const cut of ['cut', 'hold'] as const) {
    void it(`resolves what is unknown when the way to the servers is ${cut}`, async () => {
      await using rig = new Rig(cluster);
      await using proxied = await ProxiedHosts.start(cluster);
      const { journal, opening } = await rig.begin({ hosts: proxied.hosts });
      const load = new Load(journal, opening);
      await load.untilAcknowledged(30);
      for (const proxy of proxied.proxies.values()) {
        if (cut === 'hold') proxy.mode = 'hold';
        else proxy.cut();
      }
      await load.untilFailed();
      await journal.close();
      for (const proxy of proxied.proxies.values()) proxy.mode = 'pass';
      assertKept(await succeed(rig, { hosts: proxied.hosts }), load.acknowledged, load.sent);
    });
  }

  void it('survives that all servers are killed at once', async () => {
    await using rig = new Rig(cluster);
    const { journal, opening } = await rig.begin();
    const load = new Load(journal, opening);
    await load.untilAcknowledged(20);
    await Promise.all(cluster.names.map((name) => cluster.signal(name, 'SIGKILL')));
    await load.untilFailed();
    const next = rig.attach();
    await assert.rejects(
      next.open({ mode: 'write', signal: FOREVER }),
      hasCode('JOURNAL_UNAVAILABLE'),
    );
    await cluster.mend();
    assertKept(await succeed(rig), load.acknowledged, load.sent);
  });
});

/** Follows a journal, and keeps what it was given and how it ended. */
class Follower {
  readonly read: StoredEntry[] = [];
  readonly ended: Promise<unknown>;

  constructor(journal: Journal, signal: AbortSignal) {
    this.ended = this.#follow(journal, signal).then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  async #follow(journal: Journal, signal: AbortSignal): Promise<void> {
    for await (const batch of journal.read({ from: null, follow: true, signal })) {
      this.read.push(...batch);
    }
  }

  async untilRead(count: number): Promise<void> {
    await until(() => this.read.length >= count, `${count} entries are read`);
  }
}

void describe('mysql: readers whose server fails', () => {
  afterEach(() => cluster.mend());

  void it('go on where they were after a connection broke', async () => {
    await using rig = new Rig(cluster);
    await using proxied = await ProxiedHosts.start(cluster);
    const { journal, opening } = await rig.begin();
    const reading = await rig.open('read', { hosts: proxied.hosts });
    const stop = new AbortController();
    const follower = new Follower(reading, stop.signal);
    await follower.untilRead(1);
    for (const proxy of proxied.proxies.values()) proxy.cut();
    await journal.append(entryAfter(opening));
    await follower.untilRead(2);
    stop.abort();
    assert.equal(await follower.ended, undefined);
  });

  void it('go on at the promoted replica, also while the old primary shows nothing new', async () => {
    await using rig = new Rig(cluster);
    const { journal, opening } = await rig.begin();
    const stop = new AbortController();
    const follower = new Follower(await rig.open('read'), stop.signal);
    await follower.untilRead(1);
    const old = await cluster.primary();
    await cluster.promote(await cluster.replicas());
    await cluster.ask(old, 'set global read_only=1');
    await journal.close();
    const next = await rig.open('write');
    await next.append(entryAfter(opening));
    await follower.untilRead(2);
    stop.abort();
    assert.equal(await follower.ended, undefined);
  });

  void it('are told when what they read is not there any more', async () => {
    await using rig = new Rig(cluster);
    const { journal, opening } = await rig.begin();
    const old = await cluster.primary();
    const replicas = await cluster.replicas();
    const follower = new Follower(await rig.open('read'), FOREVER);
    await cluster.disconnectReplicas();
    const appended = assert.rejects(journal.append(entryAfter(opening)));
    await cluster.ask(old, `kill query ${await cluster.waitingThread(old)}`);
    // It may read what is not durable; whoever reads knows.
    await follower.untilRead(2);
    await cluster.signal(old, 'SIGKILL');
    await cluster.promote(replicas);
    const error = await follower.ended;
    assert.ok(isOperationalError(error, 'JOURNAL_DIVERGED'), String(error));
    await appended;
    const next = await rig.open('read');
    assert.equal((await historyOf(next)).length, 1);
  });

  void it('are refused within a bounded time when nobody is there', async () => {
    await using rig = new Rig(cluster);
    await rig.begin();
    const reading = await rig.open('read');
    const follower = new Follower(reading, FOREVER);
    await follower.untilRead(1);
    await Promise.all(cluster.names.map((name) => cluster.signal(name, 'SIGKILL')));
    const error = await follower.ended;
    assert.ok(isOperationalError(error, 'JOURNAL_UNAVAILABLE'), String(error));
    await cluster.mend();
    const again = new AbortController();
    const next = new Follower(reading, again.signal);
    await next.untilRead(1);
    again.abort();
    assert.equal(await next.ended, undefined);
  });
});
