// MariaDB from Debian's packages: a primary and two replicas, lossless semi-synchronous. Every
// server starts read-only; who is the primary is asked of the servers, since a failover may have
// made it another than the first, and `settle` (mysql-roles.ts) gives each its place.

import { spawn } from 'node:child_process';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from './engine.ts';
import { isReachable, roleOf, settleRoles } from './mysql-roles.ts';
import { findProgram, isThere } from './packages.ts';
import { type Place, folderOf, portOf } from './place.ts';
import { EngineProblem } from './problem.ts';
import type { ServerCommand } from './servers.ts';
import { giveTo } from './servers.ts';
import { serverUser } from './user.ts';

const SERVERS = ['n1', 'n2', 'n3'];
const PROGRAMS = ['mariadbd', 'mariadb-install-db'];

export const mysql: Engine = {
  name: 'mysql',
  packages: ['mariadb-server'],
  servers: SERVERS,
  ports: ['client'],
  portDefault: 55_700,

  async missing() {
    const missing: string[] = [];
    for (const name of PROGRAMS) if ((await programPath(name)) === undefined) missing.push(name);
    return missing;
  },

  async prepare(place, server) {
    const folder = folderOf(place, server);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'server.cnf'), configuration(place, server));
    if (!(await isThere(join(folder, 'data')))) await makeData(folder);
  },

  command(place, server): ServerCommand {
    const file = join(folderOf(place, server), 'server.cnf');
    return { program: '/usr/sbin/mariadbd', parameters: [`--defaults-file=${file}`] };
  },

  settle: (place) => settleRoles(place, SERVERS, mysql),

  /** primary, replica; undefined while it is neither. */
  async ask(place, server) {
    const port = portOf(place, server, 'client');
    return (await isReachable(port)) ? await roleOf(port) : undefined;
  },

  isUsable(words) {
    const primaries = words.filter((word) => word === 'primary');
    return primaries.length === 1 && words.includes('replica');
  },
};

/** The servers' programs are not on everybody's path. */
async function programPath(name: string): Promise<string | undefined> {
  const path = `/usr/sbin/${name}`;
  return (await isThere(path)) ? path : await findProgram(name);
}

/** Made beside its place, so that one that was broken off is not taken for a whole one. */
async function makeData(folder: string): Promise<void> {
  const user = await serverUser();
  const partial = join(folder, 'data.partial');
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial);
  if (user !== undefined) await giveTo(folder, user);
  const parameters = ['--no-defaults', `--datadir=${partial}`, '--skip-test-db'];
  parameters.push('--auth-root-authentication-method=normal', '--skip-name-resolve');
  const child = spawn((await programPath('mariadb-install-db')) ?? '', parameters, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...user,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
    });
  }
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  if (status !== 0) throw new EngineProblem(`mariadb-install-db ended with ${status}:\n${output}`);
  await rename(partial, join(folder, 'data'));
}

/** What the driver checks (src/drivers/mysql/README.md), and a size for a machine of its own. */
function configuration(place: Place, server: string): string {
  const folder = folderOf(place, server);
  const lines = [
    '[mariadbd]',
    `datadir=${join(folder, 'data')}`,
    `socket=${join(folder, 'server.socket')}`,
    `pid-file=${join(folder, 'server.pid')}`,
    `log-error=${join(folder, 'server.log')}`,
    `tmpdir=${folder}`,
    'bind-address=127.0.0.1',
    `port=${portOf(place, server, 'client')}`,
    `server-id=${SERVERS.indexOf(server) + 1}`,
    'skip-name-resolve',
    'character-set-server=utf8mb4',
    'log-bin=binlog',
    'binlog_format=ROW',
    'gtid_strict_mode=1',
    'gtid_domain_id=1',
    'log_slave_updates=1',
    'sync_binlog=1',
    'innodb_flush_log_at_trx_commit=1',
    'relay-log=relay',
    'sync_relay_log=1',
    'sync_relay_log_info=1',
    'sync_master_info=1',
    'relay_log_recovery=1',
    'slave_net_timeout=4',
    'max_allowed_packet=64M',
    'slave_max_allowed_packet=64M',
    'innodb_buffer_pool_size=128M',
    'innodb_log_file_size=256M',
    'max_connections=200',
    'performance_schema=0',
    // A discarded entry is not sent to the replicas once more.
    'binlog_row_image=MINIMAL',
    'read_only=1',
    // On a replica it would block the replica's own applying: the primary is told when it is one.
    'rpl_semi_sync_master_enabled=0',
    'rpl_semi_sync_slave_enabled=1',
    'rpl_semi_sync_master_wait_point=AFTER_SYNC',
    'rpl_semi_sync_master_timeout=4294967295',
    'rpl_semi_sync_master_wait_no_slave=1',
  ];
  return `${lines.join('\n')}\n`;
}
