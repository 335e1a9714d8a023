// Where the primary answers although no replica has what was written: each way of that, and that
// the driver never takes it for an acknowledgement.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { chainAfter, entryAfter, openingAfter } from '../../conformance/journal/entries.ts';
import { hasCode } from '../../conformance/journal/support.ts';
import { until } from '../../support/until.ts';
import { MySqlCluster } from './cluster.ts';
import { FOREVER, Rig, assertKept, historyOf, succeed } from './support.ts';

const cluster = await MySqlCluster.find();

void describe('mysql: answers of a primary that no replica has heard', () => {
  afterEach(() => cluster.mend());

  void it('does not believe the success that KILL QUERY gives to a waiting append', async () => {
    await using rig = new Rig(cluster);
    const { journal, opening } = await rig.begin();
    const primary = await cluster.primary();
    await cluster.disconnectReplicas();
    const doubtful = entryAfter(opening);
    const refused = assert.rejects(journal.append(doubtful), hasCode('JOURNAL_UNKNOWN_OUTCOME'));
    await cluster.ask(primary, `kill query ${await cluster.waitingThread(primary)}`);
    await refused;
    // The server has it, shows it to everybody, and no replica does.
    assert.deepEqual(await cluster.positions(primary, rig.database), [1, 2]);
    for (const name of cluster.names.filter((other) => other !== primary)) {
      assert.deepEqual(await cluster.positions(name, rig.database), [1]);
      await cluster.reconnect(name);
    }
    await assert.rejects(journal.append(entryAfter(doubtful)), hasCode('JOURNAL_CLOSED'));
    assertKept(await succeed(rig), [opening], [opening, doubtful]);
  });

  void it('would believe it where the operator waives that replicas are asked', async () => {
    await using rig = new Rig(cluster);
    const primary = await cluster.primary();
    const choice = { hosts: [cluster.hostOf(primary)], waived: ['replica_confirmation'] };
    const { journal, opening } = await rig.begin(choice);
    await cluster.disconnectReplicas();
    const appended = journal.append(entryAfter(opening));
    await cluster.ask(primary, `kill query ${await cluster.waitingThread(primary)}`);
    assert.equal(await appended, 'p2');
  });

  void it('does not believe what a primary answers that is told to shut down', async () => {
    await using rig = new Rig(cluster);
    const { journal, opening } = await rig.begin();
    const primary = await cluster.primary();
    await cluster.disconnectReplicas();
    const doubtful = entryAfter(opening);
    const refused = assert.rejects(journal.append(doubtful), hasCode('JOURNAL_UNKNOWN_OUTCOME'));
    await cluster.waitingThread(primary);
    await cluster.shutDown(primary);
    await refused;
    await cluster.mend();
    assertKept(await succeed(rig), [opening], [opening, doubtful]);
  });

  for (const when of ['before the append', 'while the append waits'] as const) {
    void it(`notices semi-synchronous replication switched off ${when}`, async () => {
      await using rig = new Rig(cluster);
      const { journal, opening } = await rig.begin();
      const primary = await cluster.primary();
      const off = 'set global rpl_semi_sync_master_enabled=0';
      await cluster.disconnectReplicas();
      if (when === 'before the append') await cluster.ask(primary, off);
      const doubtful = entryAfter(opening);
      const refused = assert.rejects(journal.append(doubtful), hasCode('JOURNAL_UNKNOWN_OUTCOME'));
      if (when !== 'before the append') {
        await cluster.waitingThread(primary);
        await cluster.ask(primary, off);
      }
      const isShown = async (): Promise<boolean> => {
        return (await cluster.positions(primary, rig.database)).length === 2;
      };
      await until(isShown, 'the row can be read');
      // On again while the driver still asks: no variable tells it any more.
      await cluster.ask(primary, 'set global rpl_semi_sync_master_enabled=1');
      await refused;
      await cluster.ask(primary, off);
      const next = rig.attach();
      await assert.rejects(next.open({ mode: 'write', signal: FOREVER }), (error: Error) => {
        return (
          hasCode('JOURNAL_UNSAFE')(error) && /rpl_semi_sync_master_enabled/.test(error.message)
        );
      });
      await cluster.mend();
      assertKept(await succeed(rig), [opening], [opening, doubtful]);
    });
  }

  void it('believes the replicas where only semi-synchronous replication is off', async () => {
    await using rig = new Rig(cluster);
    const { journal, opening } = await rig.begin();
    const primary = await cluster.primary();
    await cluster.ask(primary, 'set global rpl_semi_sync_master_enabled=0');
    const next = entryAfter(opening);
    assert.equal(await journal.append(next), 'p2');
    assertKept(await historyOf(journal), [opening, next], [opening, next]);
  });
});

void describe('mysql: a primary that comes back alone', () => {
  afterEach(() => cluster.mend());

  void it('shows what no replica has, and is not opened before a replica has it', async () => {
    await using rig = new Rig(cluster);
    const { journal, opening } = await rig.begin();
    const primary = await cluster.primary();
    const replicas = await cluster.replicas();
    await cluster.disconnectReplicas();
    const doubtful = entryAfter(opening);
    const refused = assert.rejects(journal.append(doubtful), hasCode('JOURNAL_UNKNOWN_OUTCOME'));
    await cluster.waitingThread(primary);
    assert.deepEqual(await cluster.positions(primary, rig.database), [1]);
    await cluster.signal(primary, 'SIGKILL');
    await refused;
    await cluster.start(primary);
    assert.deepEqual(await cluster.positions(primary, rig.database), [1, 2]);
    const next = rig.attach();
    const open = () => next.open({ mode: 'write', signal: FOREVER });
    // Read-only, as its file says: nobody takes writes.
    await assert.rejects(open(), hasCode('JOURNAL_UNAVAILABLE'));
    await cluster.ask(primary, 'set global rpl_semi_sync_master_enabled=1');
    await cluster.ask(primary, 'set global read_only=0');
    await assert.rejects(open(), hasCode('JOURNAL_UNAVAILABLE'));
    for (const name of replicas) await cluster.reconnect(name);
    const history = await succeed(rig);
    assert.equal(history.length, 3);
    const received = await Promise.all(replicas.map((name) => cluster.received(name)));
    const [own] = await cluster.ask(primary, 'select @@gtid_binlog_pos as gtid');
    assert.ok(received.includes(String(own?.['gtid'])), received.join(' '));
    assertKept(history, [opening], [opening, doubtful]);
  });

  void it('is not opened while its replicas are connected and do not answer', async () => {
    await using rig = new Rig(cluster);
    const { opening } = await rig.begin();
    const replicas = await cluster.replicas();
    for (const name of replicas) await cluster.signal(name, 'SIGSTOP');
    const next = rig.attach();
    await assert.rejects(
      next.open({ mode: 'write', signal: FOREVER }),
      hasCode('JOURNAL_UNAVAILABLE'),
    );
    for (const name of replicas) await cluster.signal(name, 'SIGCONT');
    assertKept(await succeed(rig), [opening], [opening]);
  });
});

void describe('mysql: replicas that fail', () => {
  afterEach(() => cluster.mend());

  void it('goes on without one replica, is unknown without both, and loses nothing', async () => {
    await using rig = new Rig(cluster);
    const { journal, opening } = await rig.begin();
    const [one, other] = await cluster.replicas();
    const sent = [opening, ...chainAfter(opening, 12, 3000)];
    await cluster.signal(one, 'SIGKILL');
    for (const entry of sent.slice(1, 7)) await journal.append(entry);
    const places = journal.health?.().places ?? [];
    assert.deepEqual(places.map(({ state }) => state).sort(), ['active', 'active', 'dropped']);
    await cluster.signal(other, 'SIGSTOP');
    const acknowledged = sent.slice(0, 7);
    const results = await Promise.allSettled(sent.slice(7).map((entry) => journal.append(entry)));
    assert.ok(results.every(({ status }) => status === 'rejected'));
    assert.ok(results[0]?.status === 'rejected');
    assert.ok(hasCode('JOURNAL_UNKNOWN_OUTCOME')(results[0].reason));
    await journal.close();
    await cluster.mend();
    assertKept(await succeed(rig), acknowledged, sent);
  });

  void it('settles what is in flight when it is closed, whatever the servers do', async () => {
    await using rig = new Rig(cluster);
    const { journal, opening } = await rig.begin();
    for (const name of await cluster.replicas()) await cluster.signal(name, 'SIGSTOP');
    const [doubtful, behind] = chainAfter(opening, 2, 64);
    const first = assert.rejects(journal.append(doubtful!), hasCode('JOURNAL_UNKNOWN_OUTCOME'));
    await cluster.waitingThread(await cluster.primary());
    const second = assert.rejects(journal.append(behind!), hasCode('JOURNAL_CLOSED'));
    await journal.close();
    await first;
    await second;
    await cluster.mend();
    const history = await succeed(rig);
    assertKept(history, [opening], [opening, doubtful!]);
    const again = rig.attach();
    await again.open({ mode: 'write', signal: FOREVER });
    await again.append(openingAfter(history.at(-1), 'again'));
  });
});
