// PostgreSQL under Patroni: three members, synchronous replication in its strict mode, and an
// ensemble of ZooKeeper that says who leads. Patroni starts, promotes and rewinds PostgreSQL. The
// times are for machines beside each other and for tests: ttl 4 s is below what newer releases of
// Patroni (3.2 and later) take.

import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from './engine.ts';
import { findProgram } from './packages.ts';
import { type Place, addressOf, folderOf } from './place.ts';
import { ensembleOf } from './zookeeper.ts';

const COORDINATORS = ['z1', 'z2', 'z3'];
export const MEMBERS = ['p1', 'p2', 'p3'];
const BIN = '/usr/lib/postgresql/15/bin';
const PYTHON = '/usr/bin/python3';
const ASK_MS_MAX = 1000;

const ensemble = ensembleOf(COORDINATORS);

/** What the harness needs of Patroni's own report on a member. */
type Report = {
  readonly state?: string;
  readonly role?: string;
  readonly replication?: readonly { readonly sync_state?: string; readonly state?: string }[];
};

export const patroni: Engine = {
  name: 'patroni',
  packages: [...ensemble.packages, 'patroni', 'python3-kazoo', 'postgresql-15'],
  servers: [...COORDINATORS, ...MEMBERS],
  ports: [...ensemble.ports, 'rest'],
  portDefault: 55_240,

  async missing() {
    const missing = [...(await ensemble.missing())];
    if ((await findProgram('patroni')) === undefined) missing.push('patroni');
    const isThere = await access(join(BIN, 'postgres')).then(
      () => true,
      () => false,
    );
    if (!isThere) missing.push(join(BIN, 'postgres'));
    return missing;
  },

  async prepare(place, server) {
    if (COORDINATORS.includes(server)) return await ensemble.prepare(place, server);
    const folder = folderOf(place, server);
    await mkdir(folder, { recursive: true });
    // YAML is a superset of JSON.
    const text = JSON.stringify(configuration(place, server), undefined, 2);
    await writeFile(join(folder, 'patroni.yml'), `${text}\n`);
  },

  async stragglers(place, server) {
    const pid = await postmasterOf(place, server);
    return pid === undefined ? [] : [pid];
  },

  command(place, server) {
    if (COORDINATORS.includes(server)) return ensemble.command(place, server);
    const parameters = ['/usr/bin/patroni', join(folderOf(place, server), 'patroni.yml')];
    return { program: PYTHON, parameters, environment: { LC_ALL: 'C' } };
  },

  /** Of a member: primary, as soon as a synchronous standby follows it; standby. */
  async ask(place, server) {
    if (COORDINATORS.includes(server)) return await ensemble.ask(place, server);
    const report = await reportOf(place, server);
    if (report?.state !== 'running' && report?.state !== 'streaming') return undefined;
    if (report.role === 'replica') return 'standby';
    const hasSync = (report.replication ?? []).some(
      ({ state, sync_state: sync }) => state === 'streaming' && sync === 'sync',
    );
    return hasSync ? 'primary' : undefined;
  },

  isUsable(words) {
    const ofEnsemble = words.slice(0, COORDINATORS.length);
    const primaries = words.filter((word) => word === 'primary');
    return ensemble.isUsable(ofEnsemble) && primaries.length === 1;
  },
};

/** The number of the member's postmaster; undefined where none runs. */
export async function postmasterOf(place: Place, server: string): Promise<number | undefined> {
  const data = join(folderOf(place, server), 'data');
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number(text.split('\n')[0]);
  if (!(pid > 0)) return undefined;
  // The number of one that has died may be another process's now.
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return command.includes(data) ? pid : undefined;
}

async function reportOf(place: Place, server: string): Promise<Report | undefined> {
  const url = `http://${addressOf(place, server, 'rest')}/patroni`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ASK_MS_MAX) });
    return (await answer.json()) as Report;
  } catch {
    return undefined;
  }
}

function configuration(place: Place, server: string): object {
  const folder = folderOf(place, server);
  const address = addressOf(place, server, 'client');
  const rest = addressOf(place, server, 'rest');
  const hosts = COORDINATORS.map((name) => addressOf(place, name, 'client'));
  return {
    scope: 'holdfast',
    namespace: '/patroni/',
    name: server,
    restapi: { listen: rest, connect_address: rest },
    zookeeper: { hosts },
    bootstrap: {
      dcs: {
        ttl: 4,
        loop_wait: 1,
        retry_timeout: 1,
        // A crashed primary is replaced, not restarted.
        primary_start_timeout: 0,
        maximum_lag_on_failover: 1_048_576,
        synchronous_mode: true,
        synchronous_mode_strict: true,
        postgresql: { use_pg_rewind: true, use_slots: true, parameters: PARAMETERS },
      },
      initdb: [{ encoding: 'UTF8' }, 'data-checksums', { locale: 'C' }, { auth: 'trust' }],
      pg_hba: ['local all all trust', 'host all all all trust', 'host replication all all trust'],
    },
    postgresql: {
      listen: address,
      connect_address: address,
      data_dir: join(folder, 'data'),
      bin_dir: BIN,
      pgpass: join(folder, 'pgpass'),
      authentication: {
        superuser: { username: 'postgres', password: 'loopback' },
        replication: { username: 'replicator', password: 'loopback' },
        rewind: { username: 'rewinder', password: 'loopback' },
      },
      parameters: { unix_socket_directories: folder, shared_buffers: '64MB' },
    },
    tags: {},
  };
}

const PARAMETERS = {
  wal_level: 'replica',
  hot_standby: 'on',
  wal_log_hints: 'on',
  max_wal_senders: 10,
  max_replication_slots: 10,
  wal_keep_size: '256MB',
  max_connections: 50,
  synchronous_commit: 'on',
  wal_receiver_timeout: '2s',
  wal_sender_timeout: '2s',
  wal_retrieve_retry_interval: '200ms',
};
