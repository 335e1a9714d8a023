// The only place that wires things together, with src/main/: one process, one node, its journal,
// its peers and its doors.

import { flushCompileCache } from 'node:module';
import { binaryReadings } from './api/binary/traffic.ts';
import { assertLimits } from './base/limits.ts';
import { type Config, type SettingName, loadConfig, pathsOf } from './config/config.ts';
import {
  type DataFolder,
  noteJournalBegun,
  openDataFolder,
  removeRunningNode,
} from './config/data-folder.ts';
import { releaseVersion } from './config/release.ts';
import { HASH_KEY_BYTES, seedIdHashes } from './domain/ledger/id-hash.ts';
import { createEntropy } from './drivers/system/entropy.ts';
import type { HoldfastNode } from './engine/node.ts';
import type { RoleChange } from './engine/observer.ts';
import {
  type RoleListener,
  announce,
  announceRole,
  noteLeader,
  noteRunningNode,
} from './main/announcing.ts';
import type { ClusterMembership } from './main/cluster.ts';
import {
  type Doors,
  type Urls,
  closeDoors,
  createDoors,
  openDoors,
  renewCertificateOnHangup,
} from './main/doors.ts';
import { defineFirstLedgers } from './main/first-ledgers.ts';
import { adoptNewerCheckpoints } from './main/adopting.ts';
import { type HeldLock, lockAlone, lockNamedNode } from './main/node-locks.ts';
import { createNode } from './main/node-parts.ts';
import { rehearseTakeOver } from './main/rehearsal.ts';
import { toldToStop, toldToStopBySupervisor } from './main/signals.ts';
import { type Logger, createLogger } from './telemetry/log.ts';
import { createSpans } from './telemetry/spans.ts';

export type UpOptions = {
  /** Settings given as flags; they win over the environment. */
  readonly settings: { readonly [Name in SettingName]?: string | undefined };
  /** JSON lines on standard output instead of text for people. */
  readonly json: boolean;
  /** A supervisor started it, and it ends with that. */
  readonly supervised: boolean;
};

export { type HistorySurvey, lookAtHistory, remakeHistory } from './main/history-tools.ts';
export { type JournalSettings, createJournal, describeJournal } from './main/journals.ts';

export {
  type ExportedRows,
  type ViewExport,
  type ViewsSurvey,
  lookAtViews,
  openExport,
  removeViews,
} from './main/view-tools.ts';

/** Exit status of a node that halted by itself: a supervisor should start it again. */
const EXIT_HALTED = 70;

/** After a halt: how long answers to callers may still take before the process ends. */
const HALT_GRACE_MS = 1000;

/** After a halt, or after the time to drain: a stop that takes longer has got stuck. */
const STUCK_MS = 4000;

/** Starts a node and serves until it is told to stop or halts; resolves with the exit status. */
export async function up(options: UpOptions): Promise<number> {
  assertLimits();
  // Before there is any state: whoever sends ids must not know where they will stand.
  seedIdHashes(createEntropy().bytes(HASH_KEY_BYTES));
  const config = loadConfig(options.settings, process.env);
  const logger = createLogger(options.json ? config.logLevel : atLeastWarn(config.logLevel));
  const folder = openDataFolder(config.dataFolder, {
    otherJournalFolders: pathsOf(config.journalDirectories),
    isJournalElsewhere: config.journal !== 'file',
    node: config.node,
  });
  const locks: HeldLock[] = [];
  if (config.node !== '') locks.push(await lockNamedNode(folder, config.node, config.lockWaitMs));
  const halted = Promise.withResolvers<void>();
  const roleListeners = new Set<RoleListener>();
  const spans = createSpans(releaseVersion());
  const { node, metrics, membership } = await createNode({
    config,
    folder,
    logger,
    onHalted: halted.resolve,
    spans,
    onRole: (change) => {
      for (const listener of roleListeners) listener(change);
    },
  });
  const doors = createDoors({ config, folder, logger, node, metrics, spans });
  metrics.add(doors.http.traffic.readings());
  metrics.add(binaryReadings(doors.binary));
  // Listening comes first: while a long journal is replayed, /livez and /readyz say so already.
  const urls = await openDoors(doors, config);
  renewCertificateOnHangup({ config, logger, doors });
  // Before anybody is told that the node is there: whoever knows of it may stop it.
  const stopping = options.supervised ? toldToStopBySupervisor() : toldToStop();
  try {
    const peer = await listenToPeers(membership, doors, urls);
    const parts = {
      options,
      config,
      folder,
      logger,
      node,
      doors,
      urls,
      peer,
      roleListeners,
      locks,
    };
    return await run(parts, halted.promise, stopping.told);
  } finally {
    stopping.close();
    for (const lock of locks) lock.release();
  }
}

/** All three or none: doors that nobody closes would keep the process. */
async function listenToPeers(
  membership: ClusterMembership | undefined,
  doors: Doors,
  urls: Urls,
): Promise<string> {
  try {
    return (await membership?.listen(urls)) ?? '';
  } catch (error) {
    await closeDoors(doors);
    throw error;
  }
}

type Running = {
  readonly options: UpOptions;
  readonly config: Config;
  readonly folder: DataFolder;
  readonly logger: Logger;
  readonly node: HoldfastNode;
  readonly doors: Doors;
  readonly urls: Urls;
  /** Address of the channel between nodes; '' = it runs alone. */
  readonly peer: string;
  readonly roleListeners: Set<RoleListener>;
  /** What is kept here is held. */
  readonly locks: HeldLock[];
};

async function run(parts: Running, halted: Promise<void>, told: Promise<string>): Promise<number> {
  const { config, folder, logger, node, doors } = parts;
  let isTold = false;
  void told.then(() => (isTold = true));
  const served = serve(parts, () => isTold);
  served.catch(() => undefined);
  try {
    await Promise.race([served, told]);
  } catch (error) {
    const stuck = endIfStuck(logger, STUCK_MS);
    await node.stop(0);
    await closeDoors(doors);
    clearTimeout(stuck);
    throw error;
  }
  const ending = await Promise.race([halted.then(() => 'halted' as const), told]);
  const isHalted = ending === 'halted';
  const stuck = endIfStuck(logger, STUCK_MS + (isHalted ? 0 : config.drainMs));
  if (!isHalted) {
    logger.info({ event: 'stopping', signal: ending }, `told to stop by ${ending}`);
  }
  doors.http.sayGoodbye();
  doors.binary.sayGoodbye();
  await node.stop(config.drainMs);
  if (isHalted) setTimeout(() => process.exit(EXIT_HALTED), HALT_GRACE_MS);
  await closeDoors(doors);
  clearTimeout(stuck);
  removeRunningNode(folder.nodeFolder, process.pid);
  return node.status().role === 'halted' ? EXIT_HALTED : 0;
}

/**
 * Where the disk does not answer, stopping waits for it; so would `process.exit`, which joins the
 * threads that wait. The process must not: it holds the locks that another node needs.
 */
function endIfStuck(logger: Logger, afterMs: number): NodeJS.Timeout {
  return setTimeout(() => {
    const text = 'stopping has got stuck, as on a disk that does not answer: the process is killed';
    logger.error({ event: 'stop_stuck' }, text);
    process.kill(process.pid, 'SIGKILL');
  }, afterMs);
}

/** Recovers, leads or follows, and tells whoever waits for it. */
async function serve(parts: Running, isTold: () => boolean): Promise<void> {
  const { options, config, folder, logger, urls, peer, node } = parts;
  const name = config.node;
  if (name === '') parts.locks.push(await lockAlone(folder, config.lockWaitMs));
  else parts.roleListeners.add((change) => memberChanged(parts, change));
  // Told to stop while it waited for the lock: whoever is stopped is not started any more.
  if (isTold()) return;
  await adoptNewerCheckpoints(folder, name, logger);
  await node.start();
  noteJournalBegun(folder.folder, config.journal);
  if (name === '') await defineFirstLedgers(node);
  noteRunningNode({ logger, folder, name, urls });
  announce({ json: options.json, folder, name, urls, peer, status: node.status() });
  if (name !== '') void rehearseTakeOver(folder.nodeFolder, logger);
  flushCompileCache();
}

/** One of several: its part changes while it runs. */
function memberChanged(
  { options, config, folder, logger, urls, node }: Running,
  change: RoleChange,
): void {
  const name = config.node;
  if (options.json) announceRole(name, change);
  if (change.to !== 'leading') return;
  void noteLeader({ logger, folder, name, urls, epoch: change.epoch });
  defineFirstLedgers(node).catch((error: unknown) => {
    logger.error({ event: 'ledgers_not_defined', err: error }, 'the first ledgers are not defined');
  });
}

/** People see a few lines of text; below warnings the log would drown them. */
function atLeastWarn(level: string): string {
  return level === 'info' ? 'warn' : level;
}
