// What a node is made of: its journal, history, checkpoints and metrics, by the settings.

import type { Config } from '../config/config.ts';
import { pathsOf } from '../config/config.ts';
import { readCheckpointKey } from '../config/checkpoint-key.ts';
import type { DataFolder } from '../config/data-folder.ts';
import { releaseVersion } from '../config/release.ts';
import { CHECKPOINT_DRIVERS, JOURNAL_DRIVERS } from '../drivers/index.ts';
import { createClock } from '../drivers/system/clock.ts';
import { createEntropy } from '../drivers/system/entropy.ts';
import { CheckpointTelemetry } from '../engine/checkpoint-telemetry.ts';
import type { CheckpointSettings } from '../engine/checkpointing.ts';
import { clusterReadings, watchCluster } from '../engine/cluster-telemetry.ts';
import { startRepair } from '../engine/history-repair.ts';
import { HoldfastNode } from '../engine/node.ts';
import { alsoSpanning } from '../engine/span-observer.ts';
import { createNodeMetrics, createTelemetryObserver } from '../engine/telemetry-observer.ts';
import { JournalHistory } from '../history/journal-history.ts';
import type { Journal } from '../ports/journal.ts';
import { createEncryptedStore } from '../recovery/encrypted-store.ts';
import type { Logger } from '../telemetry/log.ts';
import { viewReadings } from '../views/view-readings.ts';
import { roomReadings } from '../telemetry/disk.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Spans } from '../telemetry/spans.ts';
import { type ClusterMembership, createMembership } from './cluster.ts';
import { driverLog } from './driver-log.ts';
import { createViews } from './views.ts';
import { type RoleListener, alsoTelling } from './announcing.ts';
import { type JournalDescription, createJournal, describeJournal } from './journals.ts';

export type NodeParts = {
  readonly config: Config;
  readonly folder: DataFolder;
  readonly logger: Logger;
  readonly onHalted: () => void;
  readonly onRole: RoleListener;
  readonly spans: Spans | undefined;
};

export type CreatedNode = {
  readonly node: HoldfastNode;
  readonly metrics: Metrics;
  /** Undefined on a node that runs alone. */
  readonly membership: ClusterMembership | undefined;
};

export async function createNode(parts: NodeParts): Promise<CreatedNode> {
  const { config, folder, logger } = parts;
  const release = releaseVersion();
  const description = await describeJournal({ ...config, ...folder });
  const journal =
    description.driver === 'file'
      ? await createFileJournal(parts)
      : await createJournal(description, driverLog(logger, 'journal'));
  const history = createHistory(parts, description);
  const views = createViews(parts);
  const clock = createClock();
  const membership =
    config.node === '' ? undefined : await createMembership({ config, folder, logger, clock });
  const telemetry = new CheckpointTelemetry(logger, clock);
  const metrics = createNodeMetrics(
    () => node,
    release,
    history.figures,
    () => journal.health?.(),
    telemetry.gauges(),
  );
  metrics.add(roomReadings(folder.folder));
  const told = createTelemetryObserver(logger, metrics);
  const observer = parts.spans === undefined ? told : alsoSpanning(told, parts.spans);
  const node: HoldfastNode = new HoldfastNode({
    journal,
    clusterId: folder.cluster.clusterId,
    timeline: folder.cluster.timeline,
    hasBegun: folder.hasBegun,
    clock,
    entropy: createEntropy(),
    observer: alsoTelling(observer, parts.onRole),
    history,
    ...(views !== undefined && { views }),
    intakeBounds: { commandsMax: config.queueCommandsMax, bytesMax: config.queueBytesMax },
    groupCommitMs: config.groupCommitMs,
    release,
    memoryAhead: config.memoryAhead === 'full',
    checkpoints: await checkpointSettings(parts, telemetry, history),
    ...(membership !== undefined && { cluster: membership.options }),
    onHalted: parts.onHalted,
  });
  if (views !== undefined) metrics.add(viewReadings(views));
  if (membership !== undefined) {
    metrics.add(clusterReadings(() => node.cluster));
    watchCluster({ leadership: membership.options.leadership, logger });
  }
  return { node, metrics, membership };
}

/** In files it is told more: who runs a node may mend them. */
async function createFileJournal({ config, folder, logger }: NodeParts): Promise<Journal> {
  const create = await JOURNAL_DRIVERS.file();
  return create({
    directory: folder.journalFolder,
    directories: pathsOf(config.journalDirectories),
    withoutDirectories: pathsOf(config.journalWithout),
    segmentBytes: config.segmentBytes,
    lockWaitMs: lockWaitMs(config),
    log: driverLog(logger, 'journal'),
    onAlarm: ({ kind, directory, text }) => logger.error({ event: kind, directory }, text),
  });
}

/** One of several does not wait long for a journal that another one has: it follows him. */
function lockWaitMs({ node, lockWaitMs: alone, challengeMs }: Config): number {
  return node === '' ? alone : Math.min(alone, challengeMs);
}

async function checkpointSettings(
  { config, folder }: NodeParts,
  observer: CheckpointTelemetry,
  history: JournalHistory,
): Promise<CheckpointSettings> {
  const createStore = await CHECKPOINT_DRIVERS.file();
  const files = createStore({ directory: folder.checkpointFolder });
  const key = readCheckpointKey(config.checkpointKeyFile);
  return {
    store: key === undefined ? files : createEncryptedStore(files, key),
    journalBytes: config.checkpointJournalBytes,
    periodMs: config.checkpointSeconds * 1000,
    kept: config.checkpointsKept,
    observer,
    // A checkpoint may not be ahead of the history: what lies before it is not read again.
    beforePublish: async () => {
      await history.persist();
    },
  };
}

/** What it lacks it reads from the journal, by a thread that has a journal of its own. */
function createHistory(
  { folder, logger }: NodeParts,
  description: JournalDescription,
): JournalHistory {
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const url = new URL(`./journals${ending}`, import.meta.url).href;
  return new JournalHistory({
    folder: folder.historyFolder,
    log: driverLog(logger, 'history'),
    startRepair: (job) => startRepair({ url, options: description }, job),
  });
}
