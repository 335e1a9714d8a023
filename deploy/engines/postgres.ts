// PostgreSQL from Debian's package: a primary and two standbys, of which one must have every commit
// before it is answered (`ANY 1`). n1 begins as the primary; n2 and n3 are copied from the server
// that is one when they are made. Who is the primary changes only by people's hands, and a server
// that was killed comes back as what it was.

import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { Engine } from './engine.ts';
import { isThere } from './packages.ts';
import { type Place, folderOf, portOf } from './place.ts';
import { EngineProblem } from './problem.ts';
import { markOf } from './processes.ts';
import { makeServerFolder, runAsServer } from './programs.ts';

const PROGRAMS = '/usr/lib/postgresql/15/bin';
const SERVERS = ['n1', 'n2', 'n3'];
const ASK_MS_MAX = 1000;
const PRIMARY_MS_MAX = 30_000;
const LOOK_MS = 50;
/** In postmaster.pid, from 0. */
const SEGMENT_LINE = 6;
const LEFTOVER_MS_MAX = 10_000;

/** Whom applications connect as: no superuser, may create databases, and needs no password. */
const ROLE = 'holdfast';

const SETTINGS = [
  "listen_addresses = '127.0.0.1'",
  "unix_socket_directories = ''",
  'wal_level = replica',
  'max_wal_senders = 10',
  'wal_log_hints = on',
  'hot_standby = on',
  'shared_buffers = 64MB',
  'max_wal_size = 1GB',
  'checkpoint_timeout = 30s',
  'wal_keep_size = 512MB',
  'wal_receiver_timeout = 2s',
  'wal_sender_timeout = 2s',
  'wal_receiver_status_interval = 1s',
  'wal_retrieve_retry_interval = 200ms',
  // Whoever is the primary is not among its own standbys: the name does no harm there.
  `synchronous_standby_names = 'ANY 1 (${SERVERS.join(', ')})'`,
];

const ACCESS = ['local', 'host'].flatMap((way) =>
  ['all', 'replication'].map(
    (what) => `${way} ${what} all ${way === 'host' ? '127.0.0.1/32 ' : ''}trust\n`,
  ),
);

export const postgres: Engine = {
  name: 'postgres',
  packages: ['postgresql-15'],
  servers: SERVERS,
  ports: ['client'],
  portDefault: 55_230,

  async missing() {
    const missing: string[] = [];
    for (const name of ['postgres', 'initdb', 'pg_basebackup']) {
      const path = join(PROGRAMS, name);
      if (!(await isThere(path))) missing.push(path);
    }
    return missing;
  },

  async prepare(place, server) {
    const data = dataOf(place, server);
    // Beside the data, which are copied from server to server.
    const mark = join(folderOf(place, server), 'prepared');
    await makeServerFolder(folderOf(place, server));
    if (await isThere(mark)) {
      await untilEnded(data);
      return;
    }
    await rm(data, { recursive: true, force: true });
    if (server === SERVERS[0]) await makeFirst(place, server);
    else await copyPrimary(place, server);
    await writeFile(mark, '');
  },

  command(place, server) {
    const port = portOf(place, server, 'client');
    const parameters = ['-D', dataOf(place, server), '-c', `port=${port}`];
    return { program: join(PROGRAMS, 'postgres'), parameters };
  },

  /** `primary`, or how the primary sees this standby: `standby: quorum`. */
  async ask(place, server) {
    const own = await askOne(place, server, 'select pg_is_in_recovery() as "isStandby"');
    if (own === undefined) return undefined;
    if (own['isStandby'] === false) return 'primary';
    for (const other of SERVERS.filter((name) => name !== server)) {
      const seen = await askOne(
        place,
        other,
        `select sync_state as "state" from pg_stat_replication
         where application_name = '${server}' and state = 'streaming'`,
      );
      if (seen !== undefined) return `standby: ${String(seen['state'])}`;
    }
    return undefined;
  },

  isUsable(words) {
    const standbys = words.filter((word) => word === 'standby: quorum' || word === 'standby: sync');
    return words.filter((word) => word === 'primary').length === 1 && standbys.length > 0;
  },
};

function dataOf(place: Place, server: string): string {
  return join(folderOf(place, server), 'data');
}

async function makeFirst(place: Place, server: string): Promise<void> {
  const folder = folderOf(place, server);
  const data = dataOf(place, server);
  const parameters = ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-locale', '-E', 'UTF8'];
  parameters.push('--data-checksums', '--no-sync', '--no-instructions');
  await runAsServer(join(PROGRAMS, 'initdb'), parameters, { folder });
  await runAsServer(join(PROGRAMS, 'postgres'), ['--single', '-D', data, 'postgres'], {
    folder,
    input: `create role ${ROLE} login createdb;\n`,
  });
  await appendFile(join(data, 'postgresql.conf'), `${SETTINGS.join('\n')}\n`);
  await writeFile(join(data, 'pg_hba.conf'), ACCESS.join(''));
}

async function copyPrimary(place: Place, server: string): Promise<void> {
  const port = portOf(place, await untilPrimary(place), 'client');
  const source = `host=127.0.0.1 port=${port} user=postgres application_name=${server}`;
  const parameters = ['-D', dataOf(place, server), '-d', source, '-R', '-X', 'stream'];
  parameters.push('-c', 'fast', '--no-sync');
  await runAsServer(join(PROGRAMS, 'pg_basebackup'), parameters, {
    folder: folderOf(place, server),
  });
}

/** The server that is the primary now; the one before in the order of starts may still begin. */
async function untilPrimary(place: Place): Promise<string> {
  const deadlineMs = performance.now() + PRIMARY_MS_MAX;
  for (;;) {
    for (const server of SERVERS) {
      if ((await postgres.ask(place, server)) === 'primary') return server;
    }
    if (performance.now() > deadlineMs) {
      throw new EngineProblem(`postgres: no server below ${place.folder} is a primary to copy.`);
    }
    await pause(LOOK_MS);
  }
}

/**
 * A killed server is there until whoever started it has heard of its end, and its children follow
 * it a moment later; before that a new one refuses to start. The children are known by the shared
 * memory that they hold, whose number stands in the lock file.
 */
async function untilEnded(data: string): Promise<void> {
  const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const segment = lines[SEGMENT_LINE]?.trim().split(/\s+/)[1];
  const pid = Number.parseInt(lines[0] ?? '', 10);
  const deadlineMs = performance.now() + LEFTOVER_MS_MAX;
  while ((await markOf(pid)) !== undefined || (await isAttached(segment))) {
    if (performance.now() > deadlineMs) return;
    await pause(LOOK_MS);
  }
}

async function isAttached(segment: string | undefined): Promise<boolean> {
  const table = await readFile('/proc/sysvipc/shm', 'utf8').catch(() => '');
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/));
  const id = rows[0]?.indexOf('shmid') ?? -1;
  const attached = rows[0]?.indexOf('nattch') ?? -1;
  return rows.some(
    (row) => segment !== undefined && row[id] === segment && Number(row[attached]) > 0,
  );
}

async function askOne(
  place: Place,
  server: string,
  text: string,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: portOf(place, server, 'client'),
    user: 'postgres',
    database: 'postgres',
    password: '',
    ssl: false,
    connectionTimeoutMillis: ASK_MS_MAX,
    query_timeout: ASK_MS_MAX,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<Record<string, unknown>>(text);
    return rows[0];
  } catch {
    return undefined;
  } finally {
    await client.end().catch(() => undefined);
  }
}
