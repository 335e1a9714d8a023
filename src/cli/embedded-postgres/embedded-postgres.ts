// A PostgreSQL for `holdfast up --nodes N --journal postgres`: a primary and two standbys, of which
// one must have every commit before it is answered, on this machine and its loopback address. It
// lives as long as the supervisor; a server that ends is started again in its place. Whoever
// outgrows one machine names his own servers instead.

import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
} from 'node:fs';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import {
  type Programs,
  assertReachable,
  postgresPrograms,
  serverUser,
  unusable,
} from './programs.ts';
import { PostgresServer } from './server.ts';

const run = promisify(execFile);

const NAMES = ['pg-1', 'pg-2', 'pg-3'] as const;
const DATABASE = 'holdfast';
const READY_MS_MAX = 60_000;
const LOOK_MS = 20;
const WAL_FILE = /^[0-9A-F]{24}$/;

const SETTINGS = [
  "listen_addresses = '127.0.0.1'",
  "unix_socket_directories = ''",
  'dynamic_shared_memory_type = posix',
  'shared_buffers = 128MB',
  'wal_level = replica',
  'wal_log_hints = on',
  'max_wal_senders = 10',
  'hot_standby = on',
  'max_wal_size = 1GB',
  'wal_keep_size = 512MB',
  'wal_receiver_timeout = 2s',
  'wal_sender_timeout = 2s',
  'wal_receiver_status_interval = 1s',
  'wal_retrieve_retry_interval = 200ms',
  'synchronous_commit = on',
  `synchronous_standby_names = 'ANY 1 (${NAMES.map((name) => `"${name}"`).join(', ')})'`,
];

export type EmbeddedPostgresOptions = {
  /** The data folder of the cluster; its subfolder `postgres` is this one's. */
  readonly dataFolder: string;
  /** A server ended by itself and is started again. */
  readonly onServerEnded: (name: string, how: string) => void;
};

export class EmbeddedPostgres {
  readonly #servers: readonly PostgresServer[];

  private constructor(servers: readonly PostgresServer[]) {
    this.#servers = servers;
  }

  /** Makes the servers at the first start. Resolves when commits are replicated. */
  static async start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
    const programs = postgresPrograms();
    const folder = resolve(options.dataFolder, 'postgres');
    mkdirSync(folder, { recursive: true });
    const user = serverUser();
    if (user !== undefined) assertReachable(folder);
    const ports = await portsIn(folder);
    const servers = NAMES.map((name, index) => {
      const own = join(folder, name);
      mkdirSync(own, { recursive: true });
      if (user !== undefined) chownSync(own, user.uid, user.gid);
      const { onServerEnded: onEnded } = options;
      return new PostgresServer({
        name,
        program: programs.postgres,
        folder: own,
        port: ports[index]!,
        user,
        onEnded,
      });
    });
    const embedded = new EmbeddedPostgres(servers);
    try {
      await embedded.#start(programs, user);
    } catch (error) {
      await embedded.stop();
      throw error;
    }
    return embedded;
  }

  /** The setting HOLDFAST_JOURNAL of the nodes. */
  get journal(): string {
    const hosts = this.#servers.map(({ port }) => `127.0.0.1:${port}`).join(',');
    return `postgres://postgres@${hosts}/${DATABASE}`;
  }

  /** The nodes have ended. The primary first: the standbys get all that it has written. */
  async stop(): Promise<void> {
    const [primary, ...standbys] = this.#servers;
    await primary!.stop();
    await Promise.all(standbys.map((server) => server.stop()));
  }

  kill(): void {
    for (const server of this.#servers) server.kill();
  }

  async #start(programs: Programs, user: ReturnType<typeof serverUser>): Promise<void> {
    const [primary, ...standbys] = this.#servers;
    if (!isMade(primary!)) await makePrimary(programs, primary!, user);
    await primary!.start();
    const client = await connected(primary!.port, 'postgres');
    try {
      for (const standby of standbys) {
        if (!isMade(standby)) await copyTo(client, primary!, standby);
        await standby.start();
      }
      await untilReplicated(client);
      await makeDatabase(client);
    } finally {
      await client.end();
    }
  }
}

/** Its folder gets its name when it is whole. */
function isMade(server: PostgresServer): boolean {
  return existsSync(server.data);
}

async function makePrimary(
  { initdb }: Programs,
  { data }: PostgresServer,
  user: ReturnType<typeof serverUser>,
): Promise<void> {
  const partial = `${data}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const parameters = ['-D', partial, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8'];
  parameters.push('--no-locale', '--data-checksums', '--no-instructions');
  await run(initdb, parameters, { ...user, env: { LC_ALL: 'C', TZ: 'UTC' } }).catch(
    (error: unknown) => {
      throw unusable(`PostgreSQL could not make its data folder: ${String(error)}`, 'See above.');
    },
  );
  appendFileSync(join(partial, 'postgresql.conf'), `\n${SETTINGS.join('\n')}\n`);
  renameSync(partial, data);
}

/** What pg_basebackup does, which the package does not ship. */
async function copyTo(
  client: pg.Client,
  primary: PostgresServer,
  standby: PostgresServer,
): Promise<void> {
  const partial = `${standby.data}.partial`;
  rmSync(partial, { recursive: true, force: true });
  await client.query("select pg_backup_start('standby', true)");
  cpSync(primary.data, partial, { recursive: true, preserveTimestamps: true });
  rmSync(join(partial, 'postmaster.pid'), { force: true });
  for (const name of readdirSync(join(partial, 'pg_wal'))) {
    if (WAL_FILE.test(name)) rmSync(join(partial, 'pg_wal', name));
  }
  const { rows } = await client.query<{ labelfile: string }>('select * from pg_backup_stop(false)');
  writeFileSync(join(partial, 'backup_label'), rows[0]!.labelfile);
  writeFileSync(join(partial, 'standby.signal'), '');
  const conninfo = `host=127.0.0.1 port=${primary.port} user=postgres application_name=${standby.name}`;
  appendFileSync(join(partial, 'postgresql.auto.conf'), `primary_conninfo = '${conninfo}'\n`);
  // PostgreSQL refuses a folder that others may read, and copying makes one.
  chmodSync(partial, 0o700);
  giveTo(partial, primary.data);
  renameSync(partial, standby.data);
}

/** Whoever has the primary's folder gets the copy. */
function giveTo(copy: string, like: string): void {
  if (process.getuid?.() !== 0) return;
  const user = serverUser();
  if (user === undefined || !existsSync(like)) return;
  chownSync(copy, user.uid, user.gid);
  for (const item of readdirSync(copy, { withFileTypes: true, recursive: true })) {
    chownSync(join(item.parentPath, item.name), user.uid, user.gid);
  }
}

async function connected(port: number, database: string): Promise<pg.Client> {
  const deadlineMs = performance.now() + READY_MS_MAX;
  for (;;) {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (performance.now() < deadlineMs) {
        await sleep(LOOK_MS);
        continue;
      }
      throw unusable(
        `The embedded PostgreSQL on port ${port} does not come up: ${String(error)}.`,
        'Its log is server.log in the folders below postgres/ in the data folder.',
      );
    }
  }
}

async function untilReplicated(client: pg.Client): Promise<void> {
  const deadlineMs = performance.now() + READY_MS_MAX;
  for (;;) {
    const { rows } = await client.query(
      "select 1 from pg_stat_replication where state = 'streaming' and sync_state = 'quorum'",
    );
    if (rows.length > 0) return;
    if (performance.now() > deadlineMs) {
      throw unusable(
        'No standby of the embedded PostgreSQL follows its primary.',
        'Its logs are server.log in the folders below postgres/ in the data folder.',
      );
    }
    await sleep(LOOK_MS);
  }
}

async function makeDatabase(client: pg.Client): Promise<void> {
  const { rows } = await client.query('select 1 from pg_database where datname = $1', [DATABASE]);
  if (rows.length === 0) await client.query(`create database ${DATABASE}`);
}

/** The same at every start: the standbys know the primary by its port. */
async function portsIn(folder: string): Promise<readonly number[]> {
  const file = join(folder, 'ports.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as readonly number[];
  const servers = NAMES.map(() => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((done, fail) => {
          server.once('error', fail);
          server.listen(0, '127.0.0.1', () => done((server.address() as AddressInfo).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  writeFileSync(`${file}.partial`, JSON.stringify(ports));
  renameSync(`${file}.partial`, file);
  return ports;
}
