// What PostgreSQL does to commits that wait for their standbys, and to those that write and read
// when servers or the way to them fail. Each of the holes is made here on a real cluster.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Entry } from '../../../src/base/entry.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { ReaderRule } from '../../../src/recovery/reader-rule.ts';
import { acceptedOf, collect, hasCode } from '../../conformance/journal/support.ts';
import { until } from '../../support/until.ts';
import { Cluster, type ProxiedJournal } from './cluster.ts';
import { FOREVER, Writing, historyOf, openPatiently } from './writing.ts';

const cluster = await Cluster.find();

type Rig = {
  readonly journal: ProxiedJournal;
  readonly writer: Journal;
  readonly writing: Writing;
};

async function withWriter(body: (rig: Rig) => Promise<void>): Promise<void> {
  await cluster.shortenRecovery();
  const journal = await cluster.journal();
  try {
    const writer = journal.attach();
    await writer.open({ mode: 'write', signal: FOREVER });
    const writing = await Writing.begin(writer);
    await writing.send();
    await body({ journal, writer, writing });
  } finally {
    await using _ = journal;
    await cluster.mend();
    await journal.drop();
  }
}

async function killStandbys(): Promise<void> {
  await Promise.all([cluster.signal('n2', 'SIGKILL'), cluster.signal('n3', 'SIGKILL')]);
}

/** The process on the primary whose commit waits for a standby. */
async function untilWaiting({ database }: ProxiedJournal): Promise<number> {
  let pid = 0;
  await until(async () => {
    const [row] = await cluster.sql(
      'n1',
      `select pid from pg_stat_activity
       where datname = '${database}' and wait_event = 'SyncRep'`,
    );
    pid = Number(row?.['pid'] ?? 0);
    return pid > 0;
  }, 'a commit waits for the standbys');
  return pid;
}

async function rowCount(journal: ProxiedJournal): Promise<number> {
  const [row] = await journal.sql('n1', 'select count(*)::int as n from holdfast_journal');
  return Number(row?.['n']);
}

/** Both standbys are gone; another driver may not believe what it can read. */
async function refusesToOpen(journal: ProxiedJournal): Promise<void> {
  const successor = journal.attachPastProxies();
  const opened = successor.open({ mode: 'write', signal: FOREVER });
  await assert.rejects(opened, hasCode('JOURNAL_UNAVAILABLE'));
}

async function judge({ journal, writing }: Rig): Promise<readonly Entry[]> {
  const successor = journal.attachPastProxies();
  await openPatiently(successor, 'write');
  return await writing.judge(successor);
}

void describe('postgres: a commit that waits for standbys', () => {
  void it('is unknown, never a success, when somebody cancels it', () =>
    withWriter(async (rig) => {
      const { journal, writing } = rig;
      await killStandbys();
      const waiting = writing.send();
      const pid = await untilWaiting(journal);
      assert.equal(await rowCount(journal), 2);
      await cluster.sql('n1', `select pg_cancel_backend(${pid})`);
      await waiting;
      assert.deepEqual([writing.unknown.length, writing.refused.length], [1, 0]);
      await writing.send();
      assert.equal(writing.refused.length, 1);
      // It can be read, and is on no standby.
      assert.equal(await rowCount(journal), 3);
      await refusesToOpen(journal);
      await cluster.mend();
      assert.equal((await judge(rig)).length, 3);
    }));

  void it('is unknown when it is cancelled and the role wants no warnings and no waiting', () =>
    withWriter(async ({ journal }) => {
      for (const setting of ['client_min_messages = error', 'synchronous_commit = local']) {
        await cluster.sql(
          'n1',
          `alter role holdfast in database ${journal.database} set ${setting}`,
        );
      }
      const writer = journal.attach();
      await writer.open({ mode: 'write', signal: FOREVER });
      const writing = await Writing.begin(writer, (await historyOf(writer)).at(-1), 'second');
      await killStandbys();
      const waiting = writing.send();
      await cluster.sql('n1', `select pg_cancel_backend(${await untilWaiting(journal)})`);
      await waiting;
      assert.equal(writing.unknown.length, 1);
    }));

  void it('is unknown when the list of standbys is emptied', () =>
    withWriter(async (rig) => {
      const { journal, writing } = rig;
      await killStandbys();
      const waiting = writing.send();
      await untilWaiting(journal);
      try {
        await cluster.sql('n1', "alter system set synchronous_standby_names = ''");
        await cluster.sql('n1', 'select pg_reload_conf()');
        await waiting;
        assert.equal(writing.unknown.length, 1);
        const next = journal.attach().open({ mode: 'write', signal: FOREVER });
        await assert.rejects(next, hasCode('JOURNAL_UNSAFE'));
      } finally {
        await cluster.sql('n1', 'alter system reset synchronous_standby_names');
        await cluster.sql('n1', 'select pg_reload_conf()');
      }
      await cluster.mend();
      assert.equal((await judge(rig)).length, 3);
    }));

  void it('is unknown when its connection breaks, and keeps others from opening', () =>
    withWriter(async (rig) => {
      const { journal, writing } = rig;
      await killStandbys();
      const waiting = writing.send();
      await untilWaiting(journal);
      journal.proxy('n1').cut();
      await waiting;
      assert.equal(writing.unknown.length, 1);
      assert.equal(await rowCount(journal), 2);
      await refusesToOpen(journal);
      await cluster.mend();
      assert.equal((await judge(rig)).length, 3);
    }));

  void it('is unknown when its process is ended', () =>
    withWriter(async (rig) => {
      const { journal, writing } = rig;
      await killStandbys();
      const waiting = writing.send();
      await cluster.sql('n1', `select pg_terminate_backend(${await untilWaiting(journal)})`);
      await waiting;
      assert.equal(writing.unknown.length, 1);
      assert.equal(await rowCount(journal), 3);
      await refusesToOpen(journal);
      await cluster.mend();
      assert.equal((await judge(rig)).length, 3);
    }));

  void it('can be read after the primary restarted alone, and nobody takes it for durable', () =>
    withWriter(async (rig) => {
      const { journal, writing } = rig;
      await killStandbys();
      const waiting = writing.send();
      await untilWaiting(journal);
      await cluster.signal('n1', 'SIGKILL');
      await waiting;
      assert.equal(writing.unknown.length, 1);
      await cluster.start('n1');
      assert.equal(await rowCount(journal), 3);
      await refusesToOpen(journal);
      const reader = journal.attachPastProxies();
      await reader.open({ mode: 'read', signal: FOREVER });
      const rule = new ReaderRule({ kind: 'genesis' });
      assert.equal(acceptedOf(await collect(reader), rule).length, 3);
      assert.ok(rule.durable < 3);
      await cluster.mend();
      assert.equal((await judge(rig)).length, 3);
    }));
});

void describe('postgres: standbys that fail', () => {
  for (const fault of ['SIGKILL', 'SIGSTOP'] as const) {
    void it(`goes on without a pause of its own when one gets ${fault}`, () =>
      withWriter(async (rig) => {
        const { writing } = rig;
        const running = writing.run();
        await writing.untilAcknowledged(20);
        await cluster.signal('n2', fault);
        await writing.untilAcknowledged(50);
        if (fault === 'SIGSTOP') await cluster.signal('n2', 'SIGCONT');
        await cluster.mend();
        await writing.untilAcknowledged(20);
        await cluster.signal('n3', fault);
        await writing.untilAcknowledged(50);
        assert.equal(writing.unknown.length, 0);
        rig.journal.proxy('n1').cut();
        await running;
        await cluster.signal('n3', 'SIGCONT');
        await cluster.mend();
        await judge(rig);
      }));

    void it(`acknowledges nothing when both get ${fault}, and loses nothing`, () =>
      withWriter(async (rig) => {
        const { writing } = rig;
        const running = writing.run();
        await writing.untilAcknowledged(20);
        await Promise.all([cluster.signal('n2', fault), cluster.signal('n3', fault)]);
        await running;
        assert.ok(writing.unknown.length > 0);
        await refusesToOpen(rig.journal);
        await cluster.mend();
        await judge(rig);
      }));
  }
});

void describe('postgres: a primary that fails under appends', () => {
  const faults: Readonly<Record<string, (journal: ProxiedJournal) => Promise<void>>> = {
    'is killed': () => cluster.signal('n1', 'SIGKILL'),
    'is frozen': () => cluster.signal('n1', 'SIGSTOP'),
    'is cut off': (journal) => Promise.resolve(journal.proxy('n1').cut()),
    'is silent': (journal) => {
      journal.proxy('n1').mode = 'hold';
      return Promise.resolve();
    },
  };
  for (const [what, fault] of Object.entries(faults)) {
    void it(`loses nothing and does nothing twice when it ${what}`, () =>
      withWriter(async (rig) => {
        const { journal, writing } = rig;
        const running = writing.run();
        await writing.untilAcknowledged(30);
        await fault(journal);
        await running;
        assert.ok(writing.unknown.length > 0);
        if (what === 'is killed' || what === 'is frozen') {
          const opened = journal.attachPastProxies().open({ mode: 'write', signal: FOREVER });
          await assert.rejects(opened, hasCode('JOURNAL_UNAVAILABLE'));
        }
        await cluster.mend();
        await judge(rig);
      }));
  }

  void it('settles everything in bounded time when it is closed and nobody answers', () =>
    withWriter(async (rig) => {
      const { journal, writer, writing } = rig;
      journal.proxy('n1').mode = 'hold';
      const waiting = writing.send();
      // It is on its way then.
      await new Promise((resolve) => setImmediate(resolve));
      await writer.close();
      await waiting;
      assert.equal(writing.unknown.length, 1);
      await judge(rig);
    }));
});
