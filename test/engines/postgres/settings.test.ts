// What the driver wants of the servers' settings, of the way to them and of the tables, on a real
// cluster that is set wrong for the time of a test.

import assert from 'node:assert/strict';
import { chown, rm } from 'node:fs/promises';
import { afterEach, describe, it } from 'node:test';
import { folderOf } from '../../../deploy/engines/place.ts';
import { serverUser } from '../../../deploy/engines/user.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import type { EngineJournalOptions } from '../../../src/drivers/engine-options.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { chainAfter, openingAfter } from '../../conformance/journal/entries.ts';
import { collect, hasCode } from '../../conformance/journal/support.ts';
import { makeCertificate } from '../../support/certificate.ts';
import { until } from '../../support/until.ts';
import { Cluster, type ProxiedJournal, type ServerName } from './cluster.ts';
import { FOREVER } from './writing.ts';

const cluster = await Cluster.find();

async function withJournal(body: (journal: ProxiedJournal) => Promise<void>): Promise<void> {
  const journal = await cluster.journal();
  try {
    await body(journal);
  } finally {
    await resetAll();
    await journal.drop();
  }
}

async function set(name: ServerName, setting: string, value: string): Promise<void> {
  await cluster.sql(name, `alter system set ${setting} = ${value}`);
  await reload(name, setting, value.replaceAll("'", ''));
}

async function reload(name: ServerName, setting: string, value: string): Promise<void> {
  await cluster.sql(name, 'select pg_reload_conf()');
  await until(async () => {
    const [row] = await cluster.sql(name, `select current_setting('${setting}') as value`);
    return row?.['value'] === value;
  }, `${setting} of ${name} is ${value}`);
}

async function resetAll(): Promise<void> {
  for (const name of cluster.names) {
    for (const setting of ['synchronous_standby_names', 'fsync', 'full_page_writes', 'ssl']) {
      await cluster.sql(name, `alter system reset ${setting}`);
    }
    await cluster.sql(name, 'select pg_reload_conf()');
  }
  await until(async () => {
    const [row] = await cluster.sql(
      'n1',
      `select current_setting('synchronous_standby_names') <> ''
         and current_setting('fsync') = 'on' as "isWhole"`,
    );
    return row?.['isWhole'] === true;
  }, 'the settings are as before');
}

async function refusal(journal: Journal): Promise<string> {
  try {
    await journal.open({ mode: 'write', signal: FOREVER });
  } catch (error) {
    assert.ok(isOperationalError(error, 'JOURNAL_UNSAFE'), String(error));
    return error.detail;
  }
  throw new Error('It was opened.');
}

void describe('postgres: settings', () => {
  void it('refuses servers that could lose what is acknowledged, and names every setting', () =>
    withJournal(async (journal) => {
      const safe = journal.attach();
      await safe.open({ mode: 'write', signal: FOREVER });
      await safe.close();
      // A standby is asked in the journal's database, once it has it.
      await until(
        () =>
          journal.sql('n2', 'select 1').then(
            () => true,
            () => false,
          ),
        'n2 has it',
      );
      await set('n1', 'synchronous_standby_names', "''");
      await set('n1', 'full_page_writes', 'off');
      await set('n2', 'fsync', 'off');
      const detail = await refusal(journal.attach());
      assert.match(detail, /synchronous_standby_names.*full_page_writes.*fsync/s);
      const unsafe = journal.attach({ waived: ['full_page_writes', 'fsync'] });
      assert.doesNotMatch(await refusal(unsafe), /full_page_writes|fsync/);
      const waived = ['full_page_writes', 'fsync', 'synchronous_standby_names'];
      const alone = journal.attach({ waived });
      assert.equal(alone.guarantees.durability, 'none');
      await alone.open({ mode: 'write', signal: FOREVER });
      assert.equal(journal.warnings.filter((text) => text.startsWith('Waived.')).length, 5);
      await alone.append(openingAfter(undefined, 'a'));
    }));

  void it('answers nothing any more when the list of standbys is emptied under it', () =>
    withJournal(async (journal) => {
      const writer = journal.attach();
      assert.equal(writer.guarantees.durability, 'fsync-quorum');
      await writer.open({ mode: 'write', signal: FOREVER });
      const opening = openingAfter(undefined, 'a');
      await writer.append(opening);
      await set('n1', 'synchronous_standby_names', "''");
      const [next] = chainAfter(opening, 1);
      await assert.rejects(writer.append(next!), hasCode('JOURNAL_UNKNOWN_OUTCOME'));
    }));
});

void describe('postgres: the way to the servers', () => {
  afterEach(() => cluster.mend());

  void it('speaks TLS as sslmode says, and checks what it says', () =>
    withJournal(async (journal) => {
      const folder = folderOf(cluster.place, 'n1');
      const { cert, key } = makeCertificate(folder);
      const user = await serverUser();
      for (const path of [cert, key]) {
        if (user !== undefined) await chown(path, user.uid, user.gid);
      }
      try {
        await cluster.sql('n1', `alter system set ssl_cert_file = '${cert}'`);
        await cluster.sql('n1', `alter system set ssl_key_file = '${key}'`);
        await set('n1', 'ssl', 'on');
        const only = { hosts: [{ host: '127.0.0.1', port: cluster.portOf('n1') }] };
        const attach = (parameters: EngineJournalOptions['parameters']): Journal =>
          journal.attach({ ...only, parameters });
        const tlsCount = async (): Promise<unknown> =>
          (
            await cluster.sql(
              'n1',
              `select count(*)::int as n from pg_stat_ssl join pg_stat_activity using (pid)
               where ssl and datname = '${journal.database}'`,
            )
          )[0]?.['n'];
        for (const sslmode of ['verify-full', 'verify-ca', 'require']) {
          const known = attach({ sslmode, sslrootcert: cert });
          await known.open({ mode: 'write', signal: FOREVER });
          assert.notEqual(await tlsCount(), 0);
          await known.close();
        }
        const strange = attach({ sslmode: 'verify-full' }).open({ mode: 'write', signal: FOREVER });
        await assert.rejects(strange, hasCode('JOURNAL_UNAVAILABLE'));
        await attach({ sslmode: 'require' }).open({ mode: 'write', signal: FOREVER });
      } finally {
        await resetAll();
        await cluster.sql('n1', 'alter system reset ssl_cert_file');
        await cluster.sql('n1', 'alter system reset ssl_key_file');
        await Promise.all([rm(cert), rm(key)]);
      }
    }));

  void it('leaves no connection behind, closed or never opened', () =>
    withJournal(async (journal) => {
      const writer = journal.attach();
      const reader = journal.attach();
      for (let round = 0; round < 3; round++) {
        await writer.open({ mode: 'write', signal: FOREVER });
        await reader.open({ mode: 'read', signal: FOREVER });
        assert.deepEqual(await collect(reader), []);
        await writer.discardThrough(1);
        await Promise.all([writer.close(), reader.close()]);
      }
      const nowhere = reader.open({ mode: 'read', from: 'p7', signal: FOREVER });
      await assert.rejects(nowhere, hasCode('JOURNAL_DIVERGED'));
      for (const name of cluster.names) {
        await until(async () => {
          const [row] = await cluster.sql(
            name,
            `select count(*)::int as n from pg_stat_activity
             where datname = '${journal.database}'`,
          );
          return row?.['n'] === 0;
        }, `no connection to ${name} is left`);
      }
    }));

  void it('uses none of two that take themselves for the primary on one timeline', () =>
    withJournal(async (journal) => {
      await journal.attach().open({ mode: 'write', signal: FOREVER });
      const ports = [journal.proxy('n1').port, cluster.portOf('n1')];
      const both = journal.attach({ hosts: ports.map((port) => ({ host: '127.0.0.1', port })) });
      const opened = both.open({ mode: 'write', signal: FOREVER });
      await assert.rejects(opened, hasCode('JOURNAL_UNAVAILABLE'));
    }));

  void it('says who does not answer, and is told apart from a journal that is empty', () =>
    withJournal(async (journal) => {
      const reader = journal.attach();
      const opened = await reader.open({ mode: 'read', signal: FOREVER });
      assert.deepEqual(opened.bounds, { first: 0, last: 0 });
      assert.deepEqual(await collect(reader), []);
      await until(() => (reader.health?.().places.length ?? 0) === 3, 'three places');
      for (const proxy of journal.proxies.values()) {
        proxy.mode = 'hold';
        proxy.cut();
      }
      await until(
        () => reader.health?.().places.every(({ state }) => state === 'dropped') === true,
        'all are dropped',
      );
      const late = journal.attach().open({ mode: 'read', signal: FOREVER });
      await assert.rejects(late, hasCode('JOURNAL_UNAVAILABLE'));
    }));

  void it('follows a journal that is made only later, and over a connection that breaks', () =>
    withJournal(async (journal) => {
      const reader = journal.attach();
      await reader.open({ mode: 'read', signal: FOREVER });
      const stop = new AbortController();
      const read: number[] = [];
      const reading = (async () => {
        const batches = reader.read({ from: null, follow: true, signal: stop.signal });
        for await (const batch of batches) read.push(...batch.map(({ entry }) => entry.position));
      })();
      const writer = journal.attachPastProxies();
      await writer.open({ mode: 'write', signal: FOREVER });
      const opening = openingAfter(undefined, 'a');
      const entries = [opening, ...chainAfter(opening, 9)];
      for (const entry of entries) {
        await writer.append(entry);
        await until(() => read.length === entry.position, 'it is read');
        if (entry.position % 3 === 0) journal.proxy('n1').cut();
      }
      stop.abort();
      await reading;
      assert.deepEqual(
        read,
        entries.map(({ position }) => position),
      );
    }));
});

void describe('postgres: tables that others have written to', () => {
  void it('halts where the head row and the last entry differ, or an entry is damaged', () =>
    withJournal(async (journal) => {
      const writer = journal.attach();
      await writer.open({ mode: 'write', signal: FOREVER });
      const opening = openingAfter(undefined, 'a');
      for (const entry of [opening, ...chainAfter(opening, 3)]) await writer.append(entry);
      await journal.sql('n1', 'update holdfast_journal set bytes = set_byte(bytes, 270, 1)');
      await assert.rejects(collect(writer), hasCode('JOURNAL_CORRUPT'));
      await journal.sql('n1', 'delete from holdfast_journal where position = 4');
      const opened = journal.attach().open({ mode: 'write', signal: FOREVER });
      await assert.rejects(opened, hasCode('JOURNAL_CORRUPT'));
    }));
});
