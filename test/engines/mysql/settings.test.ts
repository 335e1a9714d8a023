// What the driver refuses to run with: each setting of the servers, the account, the place.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { createJournal } from '../../../src/drivers/mysql/driver.ts';
import { entryAfter } from '../../conformance/journal/entries.ts';
import { hasCode } from '../../conformance/journal/support.ts';
import { MySqlCluster } from './cluster.ts';
import { FOREVER, Rig } from './support.ts';

const cluster = await MySqlCluster.find();

const ON_PRIMARY = [
  ['sync_binlog', '0', '1'],
  ['innodb_flush_log_at_trx_commit', '2', '1'],
  ['gtid_strict_mode', '0', '1'],
  ['binlog_format', "'MIXED'", "'ROW'"],
  ['rpl_semi_sync_master_wait_point', "'AFTER_COMMIT'", "'AFTER_SYNC'"],
  ['rpl_semi_sync_master_timeout', '10000', '4294967295'],
  ['rpl_semi_sync_master_wait_no_slave', '0', '1'],
  ['max_allowed_packet', '1048576', '67108864'],
] as const;

const ON_REPLICA = [
  ['sync_relay_log', '10000', '1'],
  ['sync_binlog', '0', '1'],
  ['rpl_semi_sync_slave_enabled', '0', '1'],
  ['read_only', '0', '1'],
] as const;

async function refusedFor(rig: Rig, name: string, server: string): Promise<void> {
  const journal = rig.attach();
  await assert.rejects(journal.open({ mode: 'write', signal: FOREVER }), (error: Error) => {
    assert.ok(hasCode('JOURNAL_UNSAFE')(error), String(error));
    const named = `${name} of 127.0.0.1:${cluster.portOf(server)}`;
    return error.message.includes(named) && error.message.includes(`(${name})`);
  });
  await (await rig.open('write', { waived: [name] })).close();
}

void describe('mysql: settings of the servers', () => {
  afterEach(() => cluster.mend());

  void it('names each wrong one of the primary, and takes it where it is waived', async () => {
    await using rig = new Rig(cluster);
    const primary = await cluster.primary();
    for (const [name, wrong, right] of ON_PRIMARY) {
      try {
        await cluster.ask(primary, `set global ${name}=${wrong}`);
        await refusedFor(rig, name, primary);
      } finally {
        await cluster.ask(primary, `set global ${name}=${right}`);
      }
    }
  });

  void it('names each wrong one of a replica, and takes it where it is waived', async () => {
    await using rig = new Rig(cluster);
    const [replica] = await cluster.replicas();
    for (const [name, wrong, right] of ON_REPLICA) {
      try {
        await cluster.ask(replica, `set global ${name}=${wrong}`);
        await refusedFor(rig, name, replica);
      } finally {
        await cluster.ask(replica, `set global ${name}=${right}`);
      }
    }
  });

  void it('names all that are wrong at once, on all servers', async () => {
    await using rig = new Rig(cluster);
    const primary = await cluster.primary();
    const [replica] = await cluster.replicas();
    await cluster.ask(primary, 'set global sync_binlog=0');
    await cluster.ask(replica, 'set global sync_relay_log=0');
    try {
      const journal = rig.attach();
      await assert.rejects(journal.open({ mode: 'write', signal: FOREVER }), (error: Error) => {
        const { message } = error;
        return message.includes('(sync_binlog)') && message.includes('(sync_relay_log)');
      });
    } finally {
      await cluster.ask(primary, 'set global sync_binlog=1');
      await cluster.ask(replica, 'set global sync_relay_log=1');
    }
  });

  void it('refuses an account that writes where read_only is set, or that may not ask', async () => {
    await using rig = new Rig(cluster);
    const primary = await cluster.primary();
    const account = 'other@"127.0.0.1"';
    const choice = { user: 'other', password: 'other' };
    await cluster.ask(primary, `create user ${account} identified by 'other'`);
    try {
      const open = () => rig.attach(choice).open({ mode: 'write', signal: FOREVER });
      await cluster.ask(primary, `grant create, select, insert, update on *.* to ${account}`);
      await assert.rejects(open(), /slave monitor.*\(replica_confirmation\)/);
      await cluster.ask(primary, `grant slave monitor, read_only admin on *.* to ${account}`);
      await assert.rejects(open(), /READ_ONLY ADMIN.*\(user_obeys_read_only\)/);
      await cluster.ask(primary, `revoke read_only admin on *.* from ${account}`);
      await rig.begin(choice);
    } finally {
      await cluster.ask(primary, `drop user ${account}`);
    }
  });

  void it('does not read a journal that nobody has made, and makes none to read it', async () => {
    await using rig = new Rig(cluster);
    const reading = await rig.open('read');
    assert.deepEqual(reading.bounds(), { first: 0, last: 0 });
    const primary = await cluster.primary();
    assert.deepEqual(await cluster.ask(primary, `show databases like '${rig.database}'`), []);
    const stop = new AbortController();
    const batches = reading.read({ from: null, follow: true, signal: stop.signal });
    const { opening } = await rig.begin();
    for await (const batch of batches) {
      assert.deepEqual(batch[0]?.entry.digest, opening.digest);
      stop.abort();
    }
  });
});

void describe('mysql: the place', () => {
  const place = {
    hosts: cluster.hosts,
    user: '',
    password: '',
    name: 'x',
    waived: [],
    log: () => undefined,
  };

  void it('is refused with parameters that mean nothing', () => {
    for (const parameters of [
      { ssl: 'perhaps' },
      { sslmode: 'required' },
      { ca: 'ca.pem' },
      { ssl: 'required', ca: 'ca.pem' },
      { ssl: 'verify', ca: 'not-there.pem' },
    ]) {
      assert.throws(
        () => createJournal({ ...place, parameters }),
        hasCode('CONFIGURATION_INVALID'),
      );
    }
    assert.throws(
      () => createJournal({ ...place, hosts: [], parameters: {} }),
      hasCode('CONFIGURATION_INVALID'),
    );
  });

  void it('is unavailable where TLS is wanted and the servers have none', async () => {
    await using rig = new Rig(cluster);
    const journal = rig.attach({ parameters: { ssl: 'required' } });
    await assert.rejects(
      journal.open({ mode: 'write', signal: FOREVER }),
      hasCode('JOURNAL_UNAVAILABLE'),
    );
  });

  void it('is unavailable to an account that is not let in', async () => {
    await using rig = new Rig(cluster);
    const journal = rig.attach({ password: 'wrong' });
    await assert.rejects(
      journal.open({ mode: 'read', signal: FOREVER }),
      hasCode('JOURNAL_UNAVAILABLE'),
    );
  });

  void it('needs two servers, or the operator who says that the primary is believed', async () => {
    await using rig = new Rig(cluster);
    const hosts = [cluster.hostOf(await cluster.primary())];
    const journal = rig.attach({ hosts });
    await assert.rejects(journal.open({ mode: 'write', signal: FOREVER }), /replica_confirmation/);
    const choice = { hosts, waived: ['replica_confirmation'] };
    const { journal: waived, opening } = await rig.begin(choice);
    assert.equal(await waived.append(entryAfter(opening)), 'p2');
  });
});
