// The journal's topic: how it is made, and what of its settings would let acknowledged entries be
// lost. A topic's settings are asked for as they are in force, whether they stand at the topic, at
// the cluster or in a broker's file.

import {
  ConfigResourceTypes,
  ResponseError,
  createTopicsV7,
  describeConfigsV4,
} from '@platformatic/kafka';
import { OperationalError } from '../../base/errors.ts';
import { ENTRY_BYTES_MAX } from '../../base/limits.ts';
import {
  type Cluster,
  type Leader,
  NoLeader,
  TopicMissing,
  pause,
  unavailable,
} from './cluster.ts';
import { BATCH_OVERHEAD_BYTES } from './record-batch.ts';
import { KafkaCode } from './requests.ts';

const REPLICATION_FACTOR = 3;
const IN_SYNC_MIN = 2;
const BATCH_BYTES_MIN = ENTRY_BYTES_MAX + BATCH_OVERHEAD_BYTES;

/** What a topic is made with. */
const SETTINGS: Readonly<Record<string, string>> = {
  'min.insync.replicas': String(IN_SYNC_MIN),
  'unclean.leader.election.enable': 'false',
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'max.message.bytes': String(2 * ENTRY_BYTES_MAX),
  'compression.type': 'producer',
  // The brokers then look at no time of ours, and write their own.
  'message.timestamp.type': 'LogAppendTime',
};

export type TopicCheck = {
  /** Name by which it can be waived. */
  readonly name: string;
  readonly found: string;
  readonly isRight: boolean;
  readonly mustBe: string;
};

/** The leader of the topic, which is made where it is missing and `make` says so. */
export async function findTopic(
  cluster: Cluster,
  make: boolean,
  signal: AbortSignal,
): Promise<Leader | undefined> {
  const { openMs, retryMs } = cluster.settings.times;
  const deadlineMs = performance.now() + openMs;
  let isMade = false;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await cluster.findLeader();
    } catch (error) {
      const isMissing = error instanceof TopicMissing;
      if (!isMissing && !(error instanceof NoLeader)) throw error;
      if (isMissing && !make) return undefined;
      if (performance.now() > deadlineMs) throw unavailable(error.message, error);
      if (isMissing && !isMade) isMade = await makeTopic(cluster);
    }
    await pause(retryMs, signal);
  }
}

/** Whether it is there now, whoever made it. */
async function makeTopic(cluster: Cluster): Promise<boolean> {
  const topic = {
    name: cluster.settings.topic,
    numPartitions: 1,
    replicationFactor: REPLICATION_FACTOR,
    assignments: [],
    configs: Object.entries(SETTINGS).map(([name, value]) => ({ name, value })),
  };
  try {
    await cluster.callAny(createTopicsV7.api, [topic], cluster.settings.times.askMs, false);
    return true;
  } catch (error) {
    if (!(error instanceof ResponseError)) return false;
    const made = (error as { response?: { topics?: { errorCode: number }[] } }).response;
    if (made?.topics?.[0]?.errorCode === KafkaCode.topicAlreadyExists) return true;
    cluster.settings.log(
      'warning',
      `Kafka: the topic ${topic.name} cannot be made: ${reason(error)}`,
    );
    return false;
  }
}

/** Rejects with JOURNAL_UNSAFE, naming each setting that is wrong and not waived. */
export async function checkTopic(cluster: Cluster, leader: Leader): Promise<void> {
  const { topic, waived, log } = cluster.settings;
  const wrong = (await checksOf(cluster, leader)).filter(({ isRight }) => !isRight);
  for (const check of wrong) {
    if (waived.has(check.name)) log('warning', `Kafka, topic ${topic}, waived: ${sentence(check)}`);
  }
  const unsafe = wrong.filter(({ name }) => !waived.has(name));
  if (unsafe.length === 0) return;
  throw new OperationalError('JOURNAL_UNSAFE', {
    detail: `The topic ${topic} could lose what was acknowledged: ${unsafe.map(sentence).join('; ')}.`,
    wayOut: `Set it right (\`kafka-configs --alter --topic ${topic}\`), or waive a check by its name.`,
  });
}

/** Of so many replicas an acknowledged entry is on. */
export async function inSyncMin(cluster: Cluster, leader: Leader): Promise<number> {
  return Number((await settingsInForce(cluster, leader)).get('min.insync.replicas') ?? IN_SYNC_MIN);
}

async function checksOf(cluster: Cluster, leader: Leader): Promise<TopicCheck[]> {
  const settings = await settingsInForce(cluster, leader);
  const check = (name: string, mustBe: string, isRight: (value: string) => boolean): TopicCheck => {
    const found = settings.get(name) ?? 'unknown';
    return { name, found, isRight: isRight(found), mustBe };
  };
  const inSync = Number(settings.get('min.insync.replicas'));
  const replicas = leader.replicas.length;
  const factorMin = Math.max(REPLICATION_FACTOR, inSync + 1);
  return [
    {
      name: 'partitions',
      found: String(leader.partitionCount),
      isRight: leader.partitionCount === 1,
      mustBe: '1',
    },
    {
      name: 'replication.factor',
      found: String(replicas),
      isRight: replicas >= factorMin,
      mustBe: `${factorMin} or more`,
    },
    check('min.insync.replicas', '2 or more', (value) => Number(value) >= IN_SYNC_MIN),
    check('unclean.leader.election.enable', 'false', (value) => value === 'false'),
    check('cleanup.policy', 'delete', (value) => value === 'delete'),
    check('retention.ms', '-1', (value) => value === '-1'),
    check('retention.bytes', '-1', (value) => value === '-1'),
    check(
      'max.message.bytes',
      `${BATCH_BYTES_MIN} or more`,
      (value) => Number(value) >= BATCH_BYTES_MIN,
    ),
    check(
      'compression.type',
      'producer',
      (value) => value === 'producer' || value === 'uncompressed',
    ),
  ];
}

async function settingsInForce(
  cluster: Cluster,
  leader: Leader,
): Promise<ReadonlyMap<string, string>> {
  const resource = {
    resourceType: ConfigResourceTypes.TOPIC,
    resourceName: cluster.settings.topic,
    configurationKeys: Object.keys(SETTINGS),
  };
  const answer = await cluster.callLeader(leader, describeConfigsV4.api, [resource]);
  const configs = answer.results[0]?.configs ?? [];
  return new Map(configs.map(({ name, value }) => [name, value ?? '']));
}

function sentence({ name, found, mustBe }: TopicCheck): string {
  return `${name} is ${found} and must be ${mustBe}`;
}

function reason(error: Error): string {
  return 'errors' in error && Array.isArray(error.errors)
    ? error.errors.map(String).join(', ')
    : error.message;
}
