// The only place that wires things together: one process, one node, its journal and its doors.

import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { type BinaryServer, createBinaryServer } from './api/binary/server.ts';
import { binaryReadings } from './api/binary/traffic.ts';
import { type HttpServer, createHttpServer } from './api/server.ts';
import { OperationalError } from './base/errors.ts';
import { assertLimits } from './base/limits.ts';
import { readCheckpointKey } from './config/checkpoint-key.ts';
import { type Config, type SettingName, loadConfig, pathsOf } from './config/config.ts';
import {
  type DataFolder,
  noteJournalBegun,
  openDataFolder,
  removeRunningNode,
  writeRunningNode,
} from './config/data-folder.ts';
import { defaultLedgers } from './config/default-ledgers.ts';
import { releaseVersion } from './config/release.ts';
import { readTlsFiles } from './config/tls-files.ts';
import { ledgersCommand } from './domain/commands.ts';
import { listLedgers } from './domain/queries.ts';
import { HASH_KEY_BYTES, seedIdHashes } from './domain/ledger/id-hash.ts';
import { isSuccess } from './domain/refusals.ts';
import { CHECKPOINT_DRIVERS, JOURNAL_DRIVERS } from './drivers/index.ts';
import { createClock } from './drivers/system/clock.ts';
import { createEntropy } from './drivers/system/entropy.ts';
import { CheckpointTelemetry } from './engine/checkpoint-telemetry.ts';
import type { CheckpointSettings } from './engine/checkpointing.ts';
import { type HistorySurvey, rebuildHistory, surveyHistory } from './engine/history-offline.ts';
import { startRepair } from './engine/history-repair.ts';
import { HoldfastNode } from './engine/node.ts';
import { createNodeMetrics, createTelemetryObserver } from './engine/telemetry-observer.ts';
import { JournalHistory } from './history/journal-history.ts';
import { createEncryptedStore } from './recovery/encrypted-store.ts';
import { type Logger, createLogger } from './telemetry/log.ts';
import type { Metrics } from './telemetry/metrics.ts';

export type UpOptions = {
  /** Settings given as flags; they win over the environment. */
  readonly settings: { readonly [Name in SettingName]?: string | undefined };
  /** JSON lines on standard output instead of text for people. */
  readonly json: boolean;
};

export type { HistorySurvey } from './engine/history-offline.ts';

/** Exit status of a node that halted by itself: a supervisor should start it again. */
const EXIT_HALTED = 70;

/** After a halt: how long answers to callers may still take before the process ends. */
const HALT_GRACE_MS = 1000;

/** What comes again so soon after the first signal is its echo. */
const SAME_SIGNAL_MS = 500;

/** Starts a node and serves until it is told to stop or halts; resolves with the exit status. */
export async function up(options: UpOptions): Promise<number> {
  assertLimits();
  // Before there is any state: whoever sends ids must not know where they will stand.
  seedIdHashes(createEntropy().bytes(HASH_KEY_BYTES));
  const config = loadConfig(options.settings, process.env);
  const logger = createLogger(options.json ? config.logLevel : atLeastWarn(config.logLevel));
  const folder = openDataFolder(config.dataFolder, pathsOf(config.journalDirectories));
  const halted = Promise.withResolvers<void>();
  const { node, metrics } = await createNode({ config, folder, logger, onHalted: halted.resolve });
  const doors = createDoors({ config, folder, logger, node, metrics });
  metrics.add(binaryReadings(doors.binary));
  // Listening comes first: while a long journal is replayed, /livez and /readyz say so already.
  const urls = await listen(doors, config);
  if (config.tlsCertFile !== '') renewCertificateOnHangup({ config, logger, doors });
  // Before anybody is told that the node is there: whoever knows of it may stop it.
  const stopping = toldToStop();
  const served = serve({ options, folder, logger, urls, node });
  served.catch(() => undefined);
  try {
    await Promise.race([served, stopping]);
  } catch (error) {
    await node.stop(0);
    await Promise.all([doors.http.close(), doors.binary.close()]);
    throw error;
  }
  const ending = await Promise.race([halted.promise.then(() => 'halted' as const), stopping]);
  if (ending === 'halted') {
    setTimeout(() => process.exit(EXIT_HALTED), HALT_GRACE_MS);
  } else {
    logger.info({ event: 'stopping', signal: ending }, `told to stop by ${ending}`);
  }
  doors.http.sayGoodbye();
  doors.binary.sayGoodbye();
  await node.stop(config.drainMs);
  await Promise.all([doors.http.close(), doors.binary.close()]);
  removeRunningNode(folder.folder, process.pid);
  return node.status().role === 'halted' ? EXIT_HALTED : 0;
}

/** What there is of the history in a data folder; `isThorough`: every byte of it is read. */
export function lookAtHistory(dataFolder: string, isThorough: boolean): HistorySurvey {
  return surveyHistory(join(dataFolder, 'history'), { isThorough });
}

/**
 * Makes it again from the journal; JOURNAL_LOCKED while a node runs. `directories`: where else the
 * journal is, a comma between two.
 */
export async function remakeHistory(
  dataFolder: string,
  directories: string,
): Promise<HistorySurvey> {
  const createJournal = await JOURNAL_DRIVERS.file();
  const directory = join(dataFolder, 'journal');
  const journal = createJournal({ directory, directories: pathsOf(directories) });
  const { signal } = new AbortController();
  try {
    await journal.open({ mode: 'write', signal });
    return await rebuildHistory(join(dataFolder, 'history'), journal, { signal });
  } finally {
    await journal.close();
  }
}

type Serving = {
  readonly options: UpOptions;
  readonly folder: DataFolder;
  readonly logger: Logger;
  readonly urls: Urls;
  readonly node: HoldfastNode;
};

/** Recovers and leads, and tells whoever waits for it. */
async function serve({ options, folder, logger, urls, node }: Serving): Promise<void> {
  await node.start();
  noteJournalBegun(folder.folder);
  await defineFirstLedgers(node);
  noteRunningNode({ logger, folder: folder.folder, urls });
  announce({ json: options.json, folder, urls, node });
  flushCompileCache();
}

type Doors = { readonly http: HttpServer; readonly binary: BinaryServer };
type Urls = { readonly url: string; readonly binary_url: string };

type DoorParts = {
  readonly config: Config;
  readonly folder: DataFolder;
  readonly logger: Logger;
  readonly node: HoldfastNode;
  readonly metrics: Metrics;
};

function createDoors({ config, folder, logger, node, metrics }: DoorParts): Doors {
  const common = { engine: node, apiKey: folder.apiKey, logger };
  const outcomeWaitMs = config.requestDeadlineMs;
  const tls = readTlsFiles(config);
  const metricsText = (): Promise<string> => metrics.text();
  return {
    http: createHttpServer({ ...common, tls, checkpoints: node, outcomeWaitMs, metricsText }),
    binary: createBinaryServer({ ...common, tls, bounds: { outcomeWaitMs } }),
  };
}

type Renewal = { readonly config: Config; readonly logger: Logger; readonly doors: Doors };

/** With files that cannot be used it goes on with what it has: a node does not end by a typo. */
function renewCertificateOnHangup({ config, logger, doors }: Renewal): void {
  process.on('SIGHUP', () => {
    try {
      const tls = readTlsFiles(config);
      if (tls === undefined) return;
      doors.http.useCertificate(tls);
      doors.binary.useCertificate(tls);
      logger.info(
        { event: 'certificate_renewed' },
        'new connections use the files as they are now',
      );
    } catch (error) {
      const text = 'the certificate could not be renewed; the one before stays in use';
      logger.error({ event: 'certificate_not_renewed', err: error }, text);
    }
  });
}

/** Opens both doors or none. */
async function listen(doors: Doors, config: Config): Promise<Urls> {
  const { host, port, binaryPort } = config;
  const url = await told(doors.http.listen({ host, port }), { host, port, option: '--port' });
  try {
    const listening = doors.binary.listen({ host, port: binaryPort });
    const place = { host, port: binaryPort, option: '--binary-port' };
    return { url, binary_url: await told(listening, place) };
  } catch (error) {
    await doors.http.close();
    throw error;
  }
}

type Place = { readonly host: string; readonly port: number; readonly option: string };

/** A port in use is the commonest mistake of all: it is told as one, not as a failed call. */
async function told(listening: Promise<string>, { host, port, option }: Place): Promise<string> {
  try {
    return await listening;
  } catch (error) {
    const isInUse = (error as { readonly code?: unknown }).code === 'EADDRINUSE';
    const why = isInUse ? 'the address is in use by another process' : String(error);
    throw new OperationalError('CONFIGURATION_INVALID', {
      detail: `Nothing can listen on ${host}:${port}: ${why}. The journal was not touched.`,
      wayOut: `Give another ${option} (0 = any free one) or --host, or stop what listens there.`,
      cause: error,
    });
  }
}

/** People see a few lines of text; below warnings the log would drown them. */
function atLeastWarn(level: string): string {
  return level === 'info' ? 'warn' : level;
}

type NodeParts = {
  readonly config: Config;
  readonly folder: DataFolder;
  readonly logger: Logger;
  readonly onHalted: () => void;
};

async function createNode(parts: NodeParts): Promise<{ node: HoldfastNode; metrics: Metrics }> {
  const { config, folder, logger } = parts;
  const release = releaseVersion();
  const createJournal = await JOURNAL_DRIVERS.file();
  const journal = createJournal({
    directory: folder.journalFolder,
    directories: pathsOf(config.journalDirectories),
    withoutDirectories: pathsOf(config.journalWithout),
    segmentBytes: config.segmentBytes,
    lockWaitMs: config.lockWaitMs,
    log: (level, text) => logger[level === 'warning' ? 'warn' : 'info']({ event: 'journal' }, text),
    onAlarm: ({ kind, directory, text }) => logger.error({ event: kind, directory }, text),
  });
  const history = createHistory(parts);
  const clock = createClock();
  const telemetry = new CheckpointTelemetry(logger, clock);
  const metrics = createNodeMetrics(
    () => node,
    release,
    history.figures,
    () => journal.health?.(),
    telemetry.gauges(),
  );
  const node: HoldfastNode = new HoldfastNode({
    journal,
    clusterId: folder.cluster.clusterId,
    timeline: folder.cluster.timeline,
    clock,
    entropy: createEntropy(),
    observer: createTelemetryObserver(logger, metrics),
    history,
    intakeBounds: { commandsMax: config.queueCommandsMax, bytesMax: config.queueBytesMax },
    groupCommitMs: config.groupCommitMs,
    release,
    memoryAhead: config.memoryAhead === 'full',
    checkpoints: await checkpointSettings(parts, telemetry, history),
    onHalted: parts.onHalted,
  });
  return { node, metrics };
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
function createHistory({ config, folder, logger }: NodeParts): JournalHistory {
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const url = new URL(`./drivers/file/driver${ending}`, import.meta.url).href;
  const directories = pathsOf(config.journalDirectories);
  const journal = { url, options: { directory: folder.journalFolder, directories } };
  return new JournalHistory({
    folder: join(folder.folder, 'history'),
    log: (level, text) => logger[level === 'warning' ? 'warn' : 'info']({ event: 'history' }, text),
    startRepair: (job) => startRepair(journal, job),
  });
}

type RunningNote = { readonly logger: Logger; readonly folder: string; readonly urls: Urls };

/** A convenience for the command line: on a full disk there is none, and payments go on. */
function noteRunningNode({ logger, folder, urls }: RunningNote): void {
  try {
    writeRunningNode(folder, { ...urls, pid: process.pid });
  } catch (error) {
    logger.warn({ event: 'node_not_noted', err: error }, 'node.json could not be written');
  }
}

/** A new cluster starts with the common currencies; it is a command like any other. */
async function defineFirstLedgers(node: HoldfastNode): Promise<void> {
  if (listLedgers(node.state).length > 0) return;
  const { outcome } = await node.submit(
    ledgersCommand(defaultLedgers()),
    AbortSignal.timeout(10_000),
  );
  if (outcome.codes.every(isSuccess)) return;
  throw new OperationalError('CONFIGURATION_INVALID', {
    detail: `The first ledgers were refused with code ${outcome.codes.join(', ')}.`,
  });
}

type Announcement = {
  readonly json: boolean;
  readonly folder: DataFolder;
  readonly urls: Urls;
  readonly node: HoldfastNode;
};

function announce({ json, folder, urls, node }: Announcement): void {
  const { position, epoch, tornBytesCut } = node.status();
  if (json) {
    const ready = {
      event: 'ready',
      ...urls,
      pid: process.pid,
      data: folder.folder,
      api_key_file: folder.apiKeyFile,
      epoch,
      position,
      torn_bytes_cut: tornBytesCut,
    };
    process.stdout.write(`${JSON.stringify(ready)}\n`);
    return;
  }
  const origin = folder.isNew ? 'new' : `position ${position}, epoch ${epoch}`;
  process.stdout.write(
    `Holdfast is ready.\n\n` +
      `  API    ${urls.url}\n` +
      `  Binary ${urls.binary_url}\n` +
      `  Key    ${folder.apiKey}   (also in ${folder.apiKeyFile})\n` +
      `  Data   ${folder.folder}   (${origin})\n\n` +
      `Ctrl-C stops it: whatever was admitted is answered first.\n`,
  );
}

/**
 * Resolves at the first SIGINT or SIGTERM; the second ends the process at once. One Ctrl-C can come
 * twice: a terminal signals everybody in the foreground, and a wrapper hands its own on.
 */
function toldToStop(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let toldAtMs: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now();
    if (toldAtMs !== undefined && nowMs - toldAtMs > SAME_SIGNAL_MS) process.exit(1);
    toldAtMs ??= nowMs;
    resolve(signal);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return promise;
}
