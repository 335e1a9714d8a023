// RabbitMQ from Debian's package: a cluster of three brokers, each an Erlang process of some
// 130 MB, and the port mapper (epmd) by which they find each other, on a port of its own so that
// several clusters do not meet. Nothing listens outside of the loopback address but the streams'
// replication for the moment in which one replica meets another (ports 6000 to 6500).

import { connect } from 'node:net';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Engine } from './engine.ts';
import { findProgram, isThere } from './packages.ts';
import { type Place, folderOf, portOf } from './place.ts';
import type { ServerCommand } from './servers.ts';

const HOME = '/usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8';
const SERVER = join(HOME, 'sbin', 'rabbitmq-server');
const MAPPER = 'epmd';
const BROKERS = ['n1', 'n2', 'n3'];
const ASK_MS_MAX = 1000;

/** Quiet nodes are looked after at this pace; a frozen one is given up within about 3 times it. */
const TICK_SECONDS = 4;

/** "AMQP", 0, and version 0-9-1: a broker that serves answers with its greeting. */
const GREETING = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1]);

/** The names of the brokers, without the port mapper. */
export const RABBITMQ_BROKERS: readonly string[] = BROKERS;

export const rabbitmq: Engine = {
  name: 'rabbitmq',
  packages: ['rabbitmq-server'],
  servers: [MAPPER, ...BROKERS],
  ports: ['client', 'distribution'],
  portDefault: 55_610,

  async missing() {
    const missing: string[] = [];
    if ((await findProgram('epmd')) === undefined) missing.push('epmd');
    if ((await findProgram('erl')) === undefined) missing.push('erl');
    if (!(await isThere(SERVER))) missing.push(SERVER);
    return missing;
  },

  async prepare(place, server) {
    if (server === MAPPER) return;
    const folder = folderOf(place, server);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'rabbitmq.conf'), configuration(place, server));
    await writeFile(join(folder, 'enabled_plugins'), '[].\n');
    await writeFile(join(folder, 'advanced.config'), '[].\n');
    // A secret that all of them share; Erlang wants that nobody else may read it.
    const cookie = join(folder, '.erlang.cookie');
    if (!(await isThere(cookie))) await writeFile(cookie, await cookieOf(place), { mode: 0o400 });
    await chmod(cookie, 0o400);
  },

  command(place, server): ServerCommand {
    const mapperPort = `${portOf(place, MAPPER, 'client')}`;
    if (server === MAPPER) {
      return { program: 'epmd', parameters: ['-port', mapperPort, '-address', '127.0.0.1'] };
    }
    const folder = folderOf(place, server);
    const environment = {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: folder,
      LANG: 'C.UTF-8',
      ERL_EPMD_PORT: mapperPort,
      ERL_EPMD_ADDRESS: '127.0.0.1',
      // The process that is started becomes the broker itself: signals meet the right one.
      RABBITMQ_ALLOW_INPUT: 'true',
      RABBITMQ_NODENAME: nodeName(server),
      RABBITMQ_DIST_PORT: `${portOf(place, server, 'distribution')}`,
      RABBITMQ_MNESIA_BASE: join(folder, 'data'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_PID_FILE: join(folder, 'pid'),
      RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
      RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, 'advanced.config'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
        '-noinput -kernel inet_dist_use_interface {127,0,0,1} ' +
        '+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none',
    };
    return { program: SERVER, parameters: [], environment };
  },

  /** mapping, serving; undefined while it does not serve. */
  async ask(place, server) {
    const port = portOf(place, server, 'client');
    // The port mapper answers the question for all names (110) with its own port first.
    if (server === MAPPER) {
      return (await answer(port, Buffer.from([0, 1, 110]), 4)) ? 'mapping' : undefined;
    }
    return (await answer(port, GREETING, 8)) ? 'serving' : undefined;
  },

  isUsable(words) {
    const serving = words.filter((word) => word === 'serving');
    return words.includes('mapping') && 2 * serving.length > BROKERS.length;
  },
};

function nodeName(server: string): string {
  return `${server}@localhost`;
}

/** The first broker that is prepared makes it. */
async function cookieOf(place: Place): Promise<string> {
  const path = join(dirname(folderOf(place, MAPPER)), 'cookie');
  if (!(await isThere(path))) {
    await writeFile(path, randomBytes(20).toString('hex'), { mode: 0o600 });
  }
  return await readFile(path, 'utf8');
}

function configuration(place: Place, server: string): string {
  const lines = [
    `listeners.tcp.1 = 127.0.0.1:${portOf(place, server, 'client')}`,
    'cluster_formation.peer_discovery_backend = classic_config',
    ...BROKERS.map((name, index) => {
      return `cluster_formation.classic_config.nodes.${index + 1} = ${nodeName(name)}`;
    }),
    `cluster_formation.target_cluster_size_hint = ${BROKERS.length}`,
    'cluster_partition_handling = pause_minority',
    `net_ticktime = ${TICK_SECONDS}`,
    'vm_memory_high_watermark.absolute = 1GB',
    'disk_free_limit.absolute = 500MB',
    'loopback_users.guest = true',
    'log.console = false',
    'log.file.level = info',
  ];
  return `${lines.join('\n')}\n`;
}

/** Whether the port answers the question with at least so many bytes in time. */
async function answer(port: number, question: Buffer, bytesMin: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let bytes = 0;
  const socket = connect({ host: '127.0.0.1', port }, () => socket.write(question));
  const timer = setTimeout(() => socket.destroy(), ASK_MS_MAX);
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes >= bytesMin) socket.destroy();
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    clearTimeout(timer);
    resolve(bytes >= bytesMin);
  });
  return await promise;
}
