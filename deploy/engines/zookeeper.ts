// ZooKeeper from Debian's package: an ensemble of three, each server a Java process of some 70 MB.
// The tick of 200 ms allows sessions from 400 ms on and makes the ensemble notice a frozen leader
// of its own within a second; it is for machines beside each other, not for distant ones.

import { connect } from 'node:net';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from './engine.ts';
import { findProgram, isThere } from './packages.ts';
import { type Place, folderOf, hostOf, portOf } from './place.ts';
import type { ServerCommand } from './servers.ts';

const JARS = ['zookeeper.jar', 'slf4j-log4j12.jar', 'log4j-1.2.jar'].map(
  (name) => `/usr/share/java/${name}`,
);
const SERVERS = ['n1', 'n2', 'n3'];
const TICK_MS = 200;
const ASK_MS_MAX = 1000;

type Ensemble = Omit<Engine, 'name' | 'servers' | 'portDefault'>;

/** An ensemble of servers with these names; another engine may bring its own. */
export const ensembleOf = (servers: readonly string[]): Ensemble => ({
  packages: ['zookeeper', 'default-jre-headless'],
  ports: ['client', 'quorum', 'election'],

  async missing() {
    const missing: string[] = [];
    if ((await findProgram('java')) === undefined) missing.push('java');
    for (const jar of JARS) if (!(await isThere(jar))) missing.push(jar);
    return missing;
  },

  async prepare(place, server) {
    const folder = folderOf(place, server);
    await mkdir(join(folder, 'data'), { recursive: true });
    await mkdir(join(folder, 'conf'), { recursive: true });
    await writeFile(join(folder, 'data', 'myid'), `${servers.indexOf(server) + 1}\n`);
    await writeFile(join(folder, 'conf', 'zoo.cfg'), configuration(place, server, servers));
    await writeFile(join(folder, 'conf', 'log4j.properties'), logging(folder));
  },

  command(place, server): ServerCommand {
    const conf = join(folderOf(place, server), 'conf');
    const parameters = ['-Xms64m', '-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
    parameters.push(`-Dlog4j.configuration=file:${join(conf, 'log4j.properties')}`);
    parameters.push('-cp', [conf, ...JARS].join(':'));
    parameters.push('org.apache.zookeeper.server.quorum.QuorumPeerMain', join(conf, 'zoo.cfg'));
    return { program: 'java', parameters };
  },

  /** leader, follower; undefined while it does not serve. */
  async ask(place, server) {
    const answer = await fourLetters(place, server, 'srvr');
    return /^Mode: (\w+)$/m.exec(answer)?.[1];
  },

  isUsable(words) {
    const serving = words.filter((word) => word !== undefined);
    // One that was frozen may still take itself for the leader when it goes on.
    const leaders = serving.filter((word) => word === 'leader');
    return leaders.length === 1 && 2 * serving.length > words.length;
  },
});

export const zookeeper: Engine = {
  name: 'zookeeper',
  servers: SERVERS,
  portDefault: 55_210,
  ...ensembleOf(SERVERS),
};

function configuration(place: Place, server: string, servers: readonly string[]): string {
  const members = servers.map((name, index) => {
    const quorum = portOf(place, name, 'quorum');
    const election = portOf(place, name, 'election');
    const client = portOf(place, name, 'client');
    const host = hostOf(place, name);
    return `server.${index + 1}=${host}:${quorum}:${election};${host}:${client}`;
  });
  const lines = [
    `tickTime=${TICK_MS}`,
    `minSessionTimeout=${2 * TICK_MS}`,
    'maxSessionTimeout=60000',
    'initLimit=25',
    'syncLimit=5',
    `dataDir=${join(folderOf(place, server), 'data')}`,
    'admin.enableServer=false',
    '4lw.commands.whitelist=srvr',
    'maxClientCnxns=0',
    'autopurge.purgeInterval=0',
    'quorumListenOnAllIPs=false',
    ...members,
  ];
  return `${lines.join('\n')}\n`;
}

function logging(folder: string): string {
  const lines = [
    'log4j.rootLogger=INFO, F',
    'log4j.appender.F=org.apache.log4j.RollingFileAppender',
    'log4j.appender.F.MaxFileSize=10MB',
    'log4j.appender.F.MaxBackupIndex=2',
    `log4j.appender.F.File=${join(folder, 'server.log')}`,
    'log4j.appender.F.layout=org.apache.log4j.PatternLayout',
    'log4j.appender.F.layout.ConversionPattern=%d{ISO8601} %p %c{1} %m%n',
  ];
  return `${lines.join('\n')}\n`;
}

/** ZooKeeper's question of four letters; an empty answer where nobody answers in time. */
async function fourLetters(place: Place, server: string, question: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let answer = '';
  const [host, port] = [hostOf(place, server), portOf(place, server, 'client')];
  const socket = connect({ host, port }, () => socket.write(question));
  const timer = setTimeout(() => socket.destroy(), ASK_MS_MAX);
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('utf8');
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    clearTimeout(timer);
    resolve(answer);
  });
  return await promise;
}
