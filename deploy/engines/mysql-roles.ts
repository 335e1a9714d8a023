// Who is the primary and who replicates from whom, in the MariaDB of the harness. The servers are
// asked, and told what is missing; one whose history left the primary's is made anew from the
// primary's binlog, which the harness never purges.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Connection, type RowDataPacket, createConnection } from 'mysql2/promise';
import type { Engine } from './engine.ts';
import { type Place, folderOf, portOf } from './place.ts';
import { EngineProblem } from './problem.ts';
import { endProcess } from './processes.ts';
import { processOf, startServer } from './servers.ts';

/** Whom the tests and trials connect as; loopback only. */
export const CLIENT_USER = 'holdfast';
export const CLIENT_PASSWORD = 'holdfast';

const REPLICATION_USER = 'replication';
const SETTLE_MS_MAX = 40_000;
const LOOK_MS = 50;
const ASK_MS_MAX = 2000;
const END_MS_MAX = 20_000;
/** Then the replicas connect anew. */
const RECOUNT_MS = 5000;

const RELAXED = 'sync_binlog=0, global innodb_flush_log_at_trx_commit=0, global sync_relay_log=0';
const STRICT = 'sync_binlog=1, global innodb_flush_log_at_trx_commit=1, global sync_relay_log=1';

export type Row = Readonly<Record<string, string | number | null>>;

/** A connection as the server's root, for one piece of work. */
export async function withRoot<Result>(
  port: number,
  work: (ask: (statement: string) => Promise<readonly Row[]>) => Promise<Result>,
): Promise<Result> {
  let connection: Connection | undefined;
  // A frozen server must not keep whoever asks it.
  const timer = setTimeout(() => connection?.destroy(), SETTLE_MS_MAX);
  try {
    connection = await createConnection({
      host: '127.0.0.1',
      port,
      user: 'root',
      connectTimeout: ASK_MS_MAX,
    });
    // Its end is also told to whoever waits for an answer.
    connection.on('error', () => undefined);
    const open = connection;
    return await work(async (statement) => {
      const [rows] = await open.query<RowDataPacket[]>(statement);
      return Array.isArray(rows) ? rows : [];
    });
  } finally {
    clearTimeout(timer);
    connection?.destroy();
  }
}

export async function isReachable(port: number): Promise<boolean> {
  return await withRoot(port, async (ask) => (await ask('select 1')).length === 1).catch(
    () => false,
  );
}

export type ServerView = {
  readonly isReadOnly: boolean;
  /** Port of the one that it replicates from; undefined: from nobody. */
  readonly source: number | undefined;
  readonly isReplicating: boolean;
  /** Why replication has stopped for good; empty = it has not. */
  readonly fault: string;
  /** Sequence number of its last GTID. */
  readonly sequence: number;
  /** Semi-synchronous replication from it is on, with so many replicas. */
  readonly semiSyncClients: number;
};

export async function viewOf(port: number): Promise<ServerView> {
  return await withRoot(port, async (ask) => {
    const [own] = await ask('select @@read_only as ro, @@gtid_current_pos as gtid');
    const [slave] = await ask('show all slaves status');
    const semiSync = new Map(
      (await ask("show global status like 'rpl_semi_sync_master_%'")).map((row) => [
        String(row['Variable_name']).toLowerCase(),
        String(row['Value']),
      ]),
    );
    const isOn = semiSync.get('rpl_semi_sync_master_status') === 'ON';
    const faults = [slave?.['Last_IO_Error'], slave?.['Last_SQL_Error']].map((f) => f ?? '');
    const isRetrying = slave?.['Slave_IO_Running'] === 'Connecting';
    return {
      isReadOnly: Number(own?.['ro']) === 1,
      source: slave === undefined ? undefined : Number(slave['Master_Port']),
      isReplicating: slave?.['Slave_IO_Running'] === 'Yes' && slave['Slave_SQL_Running'] === 'Yes',
      fault: isRetrying ? '' : faults.join(''),
      sequence: Number(String(own?.['gtid']).split('-').at(-1) ?? 0) || 0,
      semiSyncClients: isOn ? Number(semiSync.get('rpl_semi_sync_master_clients')) : 0,
    };
  });
}

/** In its place and of use in it; otherwise undefined. */
export async function roleOf(port: number): Promise<'primary' | 'replica' | undefined> {
  const view = await viewOf(port).catch(() => undefined);
  if (view === undefined) return undefined;
  if (view.source !== undefined) return view.isReplicating ? 'replica' : undefined;
  return !view.isReadOnly && view.semiSyncClients > 0 ? 'primary' : undefined;
}

/** Returns when there is a primary and all others replicate from it. */
export async function settleRoles(
  place: Place,
  servers: readonly string[],
  engine: Engine,
): Promise<void> {
  const deadlineMs = performance.now() + SETTLE_MS_MAX;
  const portOfServer = (server: string): number => portOf(place, server, 'client');
  for (const server of servers) {
    await until(() => isReachable(portOfServer(server)), deadlineMs, `${server} answers`);
  }
  const views = new Map<string, ServerView>();
  for (const server of servers) views.set(server, await viewOf(portOfServer(server)));
  const primary = primaryAmong(views, portOfServer);
  const primaryPort = portOfServer(primary);
  if ([...views.values()].every(({ source, sequence }) => source === undefined && sequence === 0)) {
    await makeUsers(primaryPort);
  }
  await withRoot(primaryPort, (ask) => ask('set global read_only=0'));
  for (const [server, view] of views) {
    if (server === primary) continue;
    const joining = { place, server, engine, primaryPort, deadlineMs };
    // It was the primary: it may hold what nobody else has, and nothing says so in time.
    if (view.source === undefined && view.sequence > 0) await joinAnew(joining);
    else await joinPrimary(joining);
  }
  await withRoot(primaryPort, (ask) => ask('set global rpl_semi_sync_master_enabled=1'));
  const replicas = servers.filter((server) => server !== primary).map(portOfServer);
  await untilAcknowledging(primaryPort, replicas, deadlineMs);
}

/** A primary may have lost count of a replica whose connection was made while it was promoted. */
async function untilAcknowledging(
  primaryPort: number,
  replicas: readonly number[],
  deadlineMs: number,
): Promise<void> {
  let clients = 0;
  const isWhole = async (): Promise<boolean> => {
    clients = (await viewOf(primaryPort)).semiSyncClients;
    return clients >= replicas.length;
  };
  const soonMs = Math.min(deadlineMs, performance.now() + RECOUNT_MS);
  const isSoon = await until(isWhole, soonMs, '').then(
    () => true,
    () => false,
  );
  if (isSoon) return;
  for (const port of replicas) {
    await withRoot(port, async (ask) => {
      await ask('stop slave io_thread');
      await ask('start slave io_thread');
    });
  }
  const what = `${replicas.length} replicas acknowledge (${clients} did)`;
  await until(isWhole, deadlineMs, what);
}

/** The writable one; where none is, the one that others follow, and of those the furthest. */
function primaryAmong(
  views: ReadonlyMap<string, ServerView>,
  portOfServer: (server: string) => number,
): string {
  const able = [...views].filter(([, { source }]) => source === undefined);
  const writable = able.filter(([, { isReadOnly }]) => !isReadOnly);
  if (writable.length > 1) {
    const names = writable.map(([name]) => name).join(' and ');
    throw new EngineProblem(`${names} take writes both: set one of them to read_only=1.`);
  }
  const followers = (server: string): number =>
    [...views.values()].filter(({ source }) => source === portOfServer(server)).length;
  const [first] = (writable.length > 0 ? writable : able).toSorted(
    ([a, one], [b, other]) => followers(b) - followers(a) || other.sequence - one.sequence,
  );
  if (first === undefined) throw new EngineProblem('Every server is a replica of another one.');
  return first[0];
}

/** In the binlog, so that every replica has them. */
async function makeUsers(primaryPort: number): Promise<void> {
  await withRoot(primaryPort, async (ask) => {
    await ask('set global read_only=0');
    const replication = `${REPLICATION_USER}@'127.0.0.1'`;
    await ask(`create user ${replication} identified by '${REPLICATION_USER}'`);
    await ask(`grant replication slave on *.* to ${replication}`);
    const client = `${CLIENT_USER}@'127.0.0.1'`;
    await ask(`create user ${client} identified by '${CLIENT_PASSWORD}'`);
    await ask(`grant create, select, insert, update, delete on *.* to ${client}`);
    await ask(`grant slave monitor on *.* to ${client}`);
  });
}

type Joining = {
  readonly place: Place;
  readonly server: string;
  readonly engine: Engine;
  readonly primaryPort: number;
  readonly deadlineMs: number;
};

/** Returns when it has applied what the primary has. */
async function joinPrimary(joining: Joining): Promise<void> {
  const { place, server, primaryPort, deadlineMs } = joining;
  const port = portOf(place, server, 'client');
  await follow(port, primaryPort);
  let fault = '';
  const isDecided = async (): Promise<boolean> => {
    const view = await viewOf(port);
    ({ fault } = view);
    return fault !== '' || (view.isReplicating && (await hasCaughtUp(port, primaryPort)));
  };
  await until(isDecided, deadlineMs, `${server} catches up`);
  if (fault !== '') await joinAnew(joining);
}

async function follow(port: number, primaryPort: number): Promise<void> {
  const { source, isReplicating } = await viewOf(port);
  if (source === primaryPort && isReplicating) return;
  await withRoot(port, async (ask) => {
    await ask('stop slave');
    await ask('set global read_only=1');
    await ask('set global rpl_semi_sync_master_enabled=0');
    if (source !== primaryPort) {
      await ask(
        `change master to master_host='127.0.0.1', master_port=${primaryPort}, ` +
          `master_user='${REPLICATION_USER}', master_password='${REPLICATION_USER}', ` +
          'master_use_gtid=slave_pos, master_connect_retry=1',
      );
    }
    await ask('start slave');
  });
}

/** Its whole history comes from the primary's binlog: nothing is lost when that is broken off. */
async function joinAnew({ place, server, ...joining }: Joining): Promise<void> {
  const { engine, primaryPort, deadlineMs } = joining;
  const port = portOf(place, server, 'client');
  const mark = await processOf(place, server);
  if (mark !== undefined) await endProcess(mark, END_MS_MAX);
  await rm(join(folderOf(place, server), 'data'), { recursive: true });
  await engine.prepare(place, server);
  await startServer(place, server, engine.command(place, server));
  await until(() => isReachable(port), deadlineMs, `${server} answers, made anew`);
  await withRoot(port, (ask) => ask(`set global ${RELAXED}`));
  await follow(port, primaryPort);
  const isBack = (): Promise<boolean> => hasCaughtUp(port, primaryPort);
  await until(isBack, deadlineMs, `${server} catches up, made anew`);
  await withRoot(port, (ask) => ask(`set global ${STRICT}`));
}

async function hasCaughtUp(port: number, primaryPort: number): Promise<boolean> {
  const [own] = await withRoot(primaryPort, (ask) => ask('select @@gtid_binlog_pos as gtid'));
  const wait = `select master_gtid_wait('${own?.['gtid'] ?? ''}', 1) as result`;
  const [row] = await withRoot(port, (ask) => ask(wait));
  return Number(row?.['result']) === 0;
}

async function until(
  condition: () => Promise<boolean>,
  deadlineMs: number,
  what: string,
): Promise<void> {
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new EngineProblem(`Not in time: ${what}.`);
    await pause(LOOK_MS);
  }
}
