// A standby is promoted by hand, as the operator's guide says, in a cluster of its own: the journal
// goes on there, and nobody who still talks to the old primary is ever acknowledged again.

import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { engineDown, engineUp } from '../../../deploy/engines/control.ts';
import { postgres } from '../../../deploy/engines/postgres.ts';
import { equalBytes } from '../../../src/base/entry.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import type { Journal, StoredEntry } from '../../../src/ports/journal.ts';
import { collect, hasCode } from '../../conformance/journal/support.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';
import { placeUnderTest } from '../place-variable.ts';
import { Cluster, type ProxiedJournal, type ServerName } from './cluster.ts';
import { FOREVER, Writing, historyOf, openPatiently } from './writing.ts';

async function withCluster(
  body: (cluster: Cluster, journal: ProxiedJournal) => Promise<void>,
): Promise<void> {
  await using folder = await TemporaryFolder.make();
  // The servers may run as another user.
  await chmod(folder.path, 0o755);
  try {
    const cluster = new Cluster(await engineUp(postgres, folder.path, 0));
    await using journal = await cluster.journal();
    await body(cluster, journal);
  } finally {
    await engineDown(postgres, folder.path);
  }
}

/** From now on nothing that the old primary commits is confirmed by it. */
async function seal(cluster: Cluster, standby: ServerName): Promise<void> {
  await cluster.sql(standby, "alter system set primary_conninfo = ''");
  await cluster.sql(standby, 'select pg_reload_conf()');
  await until(async () => {
    const [row] = await cluster.sql(standby, 'select count(*)::int as n from pg_stat_wal_receiver');
    return row?.['n'] === 0;
  }, `${standby} receives nothing any more`);
}

/** Of two sealed standbys the one that has more is promoted, and the other follows it. */
async function failOver(cluster: Cluster): Promise<ServerName> {
  await Promise.all([seal(cluster, 'n2'), seal(cluster, 'n3')]);
  const position = async (name: ServerName): Promise<bigint> => {
    const text = "select (pg_last_wal_receive_lsn() - '0/0'::pg_lsn)::text as lsn";
    return BigInt(String((await cluster.sql(name, text))[0]?.['lsn']));
  };
  const next = (await position('n2')) >= (await position('n3')) ? 'n2' : 'n3';
  const other = next === 'n2' ? 'n3' : 'n2';
  await cluster.sql(next, 'select pg_promote(true, 30)');
  const source = `host=127.0.0.1 port=${cluster.portOf(next)} user=postgres application_name=${other}`;
  await cluster.sql(other, `alter system set primary_conninfo = '${source}'`);
  await cluster.sql(other, 'select pg_reload_conf()');
  await until(async () => {
    const [row] = await cluster.sql(
      next,
      `select count(*)::int as n from pg_stat_replication where sync_state in ('quorum', 'sync')`,
    );
    return row?.['n'] === 1;
  }, `${other} follows ${next}`);
  return next;
}

async function openedAlone(journal: ProxiedJournal, port: number): Promise<Journal> {
  const driver = journal.attach({ hosts: [{ host: '127.0.0.1', port }] });
  await openPatiently(driver, 'write');
  return driver;
}

class Follower {
  readonly stored: StoredEntry[] = [];
  failure: unknown;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(journal: Journal) {
    this.#running = this.#run(journal);
  }

  async #run(journal: Journal): Promise<void> {
    const reading = { from: null, follow: true, signal: this.#stop.signal };
    try {
      for await (const batch of journal.read(reading)) this.stored.push(...batch);
    } catch (error) {
      this.failure = error;
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

async function following(journal: ProxiedJournal): Promise<Follower> {
  const reader = journal.attachPastProxies();
  await reader.open({ mode: 'read', signal: FOREVER });
  return new Follower(reader);
}

void describe('postgres: a standby is promoted by hand', () => {
  void it('goes on with the chain there, and acknowledges nothing at the old primary', () =>
    withCluster(async (cluster, journal) => {
      const old = journal.attach();
      await openPatiently(old, 'write');
      const writing = await Writing.begin(old, undefined, 'old');
      const follower = await following(journal);
      const running = writing.run();
      await writing.untilAcknowledged(50);
      // The old primary lives on and knows of nothing.
      const next = await failOver(cluster);
      await running;
      assert.ok(writing.unknown.length > 0);
      const acknowledged = writing.acknowledged.length;
      const successor = journal.attach();
      await openPatiently(successor, 'write');
      assert.ok(journal.warnings.some((text) => text.includes('was promoted')));
      const history = await writing.judge(successor);
      assert.ok(history.length >= acknowledged);
      assert.equal(writing.acknowledged.length, acknowledged);
      const last = (await historyOf(successor)).at(-1)!;
      const later = await Writing.begin(successor, last, 'later');
      await later.send();
      assert.equal(later.acknowledged.length, 2);
      // Who followed the old primary follows the new one by itself, over the same entries.
      await until(() => follower.stored.length === last.position + 2, 'the follower is there');
      await follower.stop();
      assert.equal(follower.failure, undefined);
      const held = await historyOf(successor);
      assert.ok(follower.stored.every(({ entry }, i) => equalBytes(entry.digest, held[i]!.digest)));
      await assert.rejects(
        old.append(later.acknowledged[1]!),
        hasCode('JOURNAL_CLOSED', 'JOURNAL_UNKNOWN_OUTCOME'),
      );
      await cluster.signal(next, 'SIGKILL');
      // What is left is the old primary, and it is not believed any more.
      const opened = successor.open({ mode: 'write', signal: FOREVER });
      await assert.rejects(opened, hasCode('JOURNAL_UNAVAILABLE'));
    }));

  void it('takes no server of another cluster for one of this', () =>
    withCluster(async (cluster, journal) => {
      const strange = new Cluster(await placeUnderTest()).portOf('n1');
      await openPatiently(journal.attach(), 'write');
      await until(
        () =>
          journal.sql('n2', 'select 1').then(
            () => true,
            () => false,
          ),
        'the standby has the database',
      );
      // Both have such a database; here the own primary is missing, there it is another's.
      const hosts = [cluster.portOf('n2'), strange].map((port) => ({ host: '127.0.0.1', port }));
      const there = await openedAlone(journal, strange);
      await there.close();
      const mixed = journal.attach({ hosts }).open({ mode: 'write', signal: FOREVER });
      await assert.rejects(mixed, hasCode('JOURNAL_UNSAFE'));
      await new Cluster(await placeUnderTest()).sql(
        'n1',
        `drop database ${journal.database} with (force)`,
      );
    }));

  void it('stops a reader that saw what the new primary does not have', () =>
    withCluster(async (cluster, journal) => {
      const old = journal.attach();
      await openPatiently(old, 'write');
      const writing = await Writing.begin(old, undefined, 'old');
      await writing.send();
      const follower = await following(journal);
      await until(() => follower.stored.length === 2, 'the follower is there');
      await Promise.all([seal(cluster, 'n2'), seal(cluster, 'n3')]);
      const waiting = writing.send();
      await until(async () => {
        const [row] = await cluster.sql(
          'n1',
          `select count(pg_terminate_backend(pid))::int as n from pg_stat_activity
           where wait_event = 'SyncRep' and datname = '${journal.database}'`,
        );
        return row?.['n'] === 1;
      }, 'the append that waits is ended');
      await waiting;
      assert.equal(writing.unknown.length, 1);
      await until(() => follower.stored.length === 3, 'it can be read at the old primary');
      await failOver(cluster);
      await until(() => follower.failure !== undefined, 'the reader is stopped');
      assert.ok(isOperationalError(follower.failure, 'JOURNAL_DIVERGED'));
      const successor = journal.attach();
      await openPatiently(successor, 'write');
      assert.equal((await collect(successor)).length, 2);
      assert.equal((await writing.judge(successor)).length, 2);
    }));
});
