// Kafka in KRaft mode: three servers, each broker and controller, from the jars that Maven brings;
// Java processes of some 200 MB. Brokers are fenced after a second of silence; that is for machines
// beside each other, not for distant ones.
//
// Each broker has a second way in: it listens on the port `inner` and tells clients that come that
// way to use the port `outer`, where nothing listens until a test puts a proxy there. A third one
// (`secure`) wants TLS and a password.

import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Engine } from './engine.ts';
import { type JarSet, jarsFolder } from './jars.ts';
import { findProgram, isThere } from './packages.ts';
import { type Place, addressOf, folderOf, hostOf, portOf } from './place.ts';
import type { ServerCommand } from './servers.ts';

const VERSION = '4.4.0';
const JARS: JarSet = {
  name: `kafka-${VERSION}`,
  artefacts: [
    `org.apache.kafka:kafka_2.13:${VERSION}`,
    'org.apache.logging.log4j:log4j-slf4j-impl:2.25.5',
  ],
};
const SERVERS = ['n1', 'n2', 'n3'];
const CLUSTER_ID = 'aG9sZGZhc3RrYWZrYTAwMA';
const JVM = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Djava.awt.headless=true'];
const ASK_MS_MAX = 1000;

/** Of the port `secure`; the servers are on loopback and hold nothing. */
export const KAFKA_USER = { name: 'holdfast', password: 'only-for-tests' };

export const kafka: Engine = {
  name: 'kafka',
  packages: ['default-jre-headless', 'maven', 'openssl'],
  jars: JARS,
  servers: SERVERS,
  ports: ['client', 'controller', 'inner', 'outer', 'secure'],
  portDefault: 25_250,

  async missing() {
    const missing: string[] = [];
    for (const program of ['java', 'mvn', 'openssl']) {
      if ((await findProgram(program)) === undefined) missing.push(program);
    }
    return missing;
  },

  async prepare(place, server) {
    const folder = folderOf(place, server);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'log4j2.properties'), LOGGING);
    const secrets = await certificateIn(place.folder);
    await writeFile(join(folder, 'server.properties'), configuration(place, server, secrets));
    if (await isThere(join(folder, 'data', 'meta.properties'))) return;
    const parameters = [...JVM, '-Xmx128m', ...classPath(folder), 'kafka.tools.StorageTool'];
    parameters.push('format', '-t', CLUSTER_ID, '-c', join(folder, 'server.properties'));
    await promisify(execFile)('java', parameters);
  },

  command(place, server): ServerCommand {
    const folder = folderOf(place, server);
    const parameters = [...JVM, '-Xms64m', '-Xmx256m', ...classPath(folder)];
    parameters.push('kafka.Kafka', join(folder, 'server.properties'));
    return { program: 'java', parameters };
  },

  /** How many brokers it sees; undefined until it is one of them. */
  async ask(place, server) {
    const brokers = brokersOf(await askMetadata(place, server));
    if (brokers?.includes(nodeId(server)) !== true) return undefined;
    return `sees ${brokers.length}`;
  },

  isUsable(words) {
    return (
      2 * words.filter((word) => word !== undefined && word !== 'sees 1').length > words.length
    );
  },
};

function nodeId(server: string): number {
  return SERVERS.indexOf(server) + 1;
}

function classPath(folder: string): string[] {
  const logging = `-Dlog4j2.configurationFile=${join(folder, 'log4j2.properties')}`;
  return [logging, '-cp', join(jarsFolder(JARS), '*')];
}

type Secrets = { readonly key: string; readonly certificate: string };

function configuration(place: Place, server: string, secrets: Secrets): string {
  const at = (name: string): string => addressOf(place, server, name);
  const voters = SERVERS.map((name) => `${nodeId(name)}@${addressOf(place, name, 'controller')}`);
  const lines = [
    'process.roles=broker,controller',
    `node.id=${nodeId(server)}`,
    `controller.quorum.voters=${voters.join(',')}`,
    `listeners=${listeners(at, 'inner')},CONTROLLER://${at('controller')}`,
    `advertised.listeners=${listeners(at, 'outer')}`,
    'listener.security.protocol.map=PLAIN:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL',
    'inter.broker.listener.name=PLAIN',
    'controller.listener.names=CONTROLLER',
    `log.dirs=${join(folderOf(place, server), 'data')}`,
    'auto.create.topics.enable=false',
    'default.replication.factor=3',
    'min.insync.replicas=2',
    'unclean.leader.election.enable=false',
    // One batch may be larger than the largest entry.
    'message.max.bytes=4194304',
    'replica.fetch.max.bytes=4194304',
    'log.segment.bytes=134217728',
    ...SILENCE,
    ...SMALL,
    'listener.name.secure.sasl.enabled.mechanisms=PLAIN',
    `listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_${KAFKA_USER.name}="${KAFKA_USER.password}";`,
    'listener.name.secure.ssl.keystore.type=PEM',
    `listener.name.secure.ssl.keystore.key=${secrets.key}`,
    `listener.name.secure.ssl.keystore.certificate.chain=${secrets.certificate}`,
  ];
  return `${lines.join('\n')}\n`;
}

function listeners(at: (name: string) => string, proxied: string): string {
  return [`PLAIN://${at('client')}`, `PROXIED://${at(proxied)}`, `SECURE://${at('secure')}`].join(
    ',',
  );
}

/** A second without a word and another one leads; measured without false alarms under load. */
const SILENCE = [
  'broker.heartbeat.interval.ms=100',
  'broker.session.timeout.ms=1000',
  'replica.lag.time.max.ms=1000',
  'controller.quorum.election.timeout.ms=300',
  'controller.quorum.fetch.timeout.ms=1000',
  'controller.quorum.election.backoff.max.ms=150',
  'controller.quorum.request.timeout.ms=1000',
  // The default lets a follower sleep for a second after its leader died.
  'replica.fetch.backoff.ms=50',
];

const SMALL = [
  // So that what was discarded soon stays so when all are killed; half a minute after the start,
  // and then each minute, by default.
  'log.initial.task.delay.ms=500',
  'log.flush.start.offset.checkpoint.interval.ms=500',
  'num.network.threads=2',
  'num.io.threads=4',
  'num.replica.fetchers=1',
  'log.cleaner.enable=false',
  'offsets.topic.num.partitions=1',
];

const LOGGING = `status = error
appender.f.type = Console
appender.f.name = f
appender.f.layout.type = PatternLayout
appender.f.layout.pattern = %d{ISO8601} %p %c{1} %m%n
rootLogger.level = info
rootLogger.appenderRef.f.ref = f
`;

/** One for all servers, made once; as values of properties, so without line breaks. */
async function certificateIn(folder: string): Promise<Secrets> {
  const keyPath = join(folder, 'server-key.pem');
  const certificatePath = join(folder, 'server-certificate.pem');
  if (!(await isThere(certificatePath))) {
    const parameters = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '3650'];
    parameters.push('-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1');
    parameters.push('-keyout', keyPath, '-out', certificatePath);
    await promisify(execFile)('openssl', parameters);
  }
  const inOneLine = async (path: string): Promise<string> =>
    (await readFile(path, 'utf8')).trim().split('\n').join('\\n');
  return { key: await inOneLine(keyPath), certificate: await inOneLine(certificatePath) };
}

/** Metadata, version 1, of no topics. */
const METADATA_REQUEST = Buffer.from('0000000e0003000100000001ffff00000000', 'hex');

/** The answer without its length; as much as there is where it does not come in time. */
async function askMetadata(place: Place, server: string): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let answer = Buffer.alloc(0);
  const [host, port] = [hostOf(place, server), portOf(place, server, 'client')];
  const socket = connect({ host, port }, () => socket.write(METADATA_REQUEST));
  const timer = setTimeout(() => socket.destroy(), ASK_MS_MAX);
  socket.on('data', (chunk: Buffer) => {
    answer = Buffer.concat([answer, chunk]);
    const isWhole = answer.byteLength >= 4 && answer.byteLength >= 4 + answer.readInt32BE(0);
    if (isWhole) socket.destroy();
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    clearTimeout(timer);
    resolve();
  });
  await promise;
  return answer.subarray(4);
}

/** Node ids; undefined where it is no whole answer. */
function brokersOf(answer: Buffer): number[] | undefined {
  try {
    const ids: number[] = [];
    let at = 8;
    for (let left = answer.readInt32BE(4); left > 0; left--) {
      ids.push(answer.readInt32BE(at));
      at += 4 + 2 + answer.readInt16BE(at + 4) + 4;
      at += 2 + Math.max(0, answer.readInt16BE(at));
    }
    return ids;
  } catch {
    return undefined;
  }
}
