// The only place that wires things together: one process, one node, its journal and its doors.

import { flushCompileCache } from 'node:module';
import { type BinaryServer, createBinaryServer } from './api/binary/server.ts';
import { type HttpServer, createHttpServer } from './api/server.ts';
import { OperationalError } from './base/errors.ts';
import { assertLimits } from './base/limits.ts';
import { type Config, type SettingName, loadConfig } from './config/config.ts';
import {
  type DataFolder,
  openDataFolder,
  removeRunningNode,
  writeRunningNode,
} from './config/data-folder.ts';
import { defaultLedgers } from './config/default-ledgers.ts';
import { releaseVersion } from './config/release.ts';
import { readTlsFiles } from './config/tls-files.ts';
import { ledgersCommand } from './domain/commands.ts';
import { listLedgers } from './domain/queries.ts';
import { isSuccess } from './domain/refusals.ts';
import { JOURNAL_DRIVERS } from './drivers/index.ts';
import { createClock } from './drivers/system/clock.ts';
import { createEntropy } from './drivers/system/entropy.ts';
import { HoldfastNode } from './engine/node.ts';
import { createNodeMetrics, createTelemetryObserver } from './engine/telemetry-observer.ts';
import { type Logger, createLogger } from './telemetry/log.ts';
import type { Metrics } from './telemetry/metrics.ts';

export type UpOptions = {
  /** Settings given as flags; they win over the environment. */
  readonly settings: { readonly [Name in SettingName]?: string | undefined };
  /** JSON lines on standard output instead of text for people. */
  readonly json: boolean;
};

/** Exit status of a node that halted by itself: a supervisor should start it again. */
const EXIT_HALTED = 70;

/** After a halt: how long answers to callers may still take before the process ends. */
const HALT_GRACE_MS = 1000;

/** Starts a node and serves until it is told to stop or halts; resolves with the exit status. */
export async function up(options: UpOptions): Promise<number> {
  assertLimits();
  const config = loadConfig(options.settings, process.env);
  const logger = createLogger(options.json ? config.logLevel : atLeastWarn(config.logLevel));
  const folder = openDataFolder(config.dataFolder);
  const halted = Promise.withResolvers<void>();
  const { node, metrics } = await createNode({ config, folder, logger, onHalted: halted.resolve });
  const doors = createDoors({ config, folder, logger, node, metrics });
  // Listening comes first: while a long journal is replayed, /livez and /readyz say so already.
  const urls = await listen(doors, config);
  try {
    await node.start();
    await defineFirstLedgers(node);
  } catch (error) {
    await Promise.all([doors.http.close(), doors.binary.close()]);
    throw error;
  }
  writeRunningNode(folder.folder, { ...urls, pid: process.pid });
  announce({ json: options.json, folder, urls, node });
  flushCompileCache();
  const ending = await Promise.race([halted.promise.then(() => 'halted' as const), toldToStop()]);
  if (ending === 'halted') {
    setTimeout(() => process.exit(EXIT_HALTED), HALT_GRACE_MS);
  } else {
    logger.info({ event: 'stopping', signal: ending }, `told to stop by ${ending}`);
  }
  doors.binary.sayGoodbye();
  await node.stop(config.drainMs);
  await Promise.all([doors.http.close(), doors.binary.close()]);
  removeRunningNode(folder.folder);
  return ending === 'halted' ? EXIT_HALTED : 0;
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
    http: createHttpServer({ ...common, outcomeWaitMs, metricsText }),
    binary: createBinaryServer({ ...common, tls, bounds: { outcomeWaitMs } }),
  };
}

async function listen(doors: Doors, config: Config): Promise<Urls> {
  const { host, port, binaryPort } = config;
  const url = await doors.http.listen({ host, port }).catch(refusePort('--port', port));
  try {
    const address = { host, port: binaryPort };
    const listening = doors.binary.listen(address);
    return { url, binary_url: await listening.catch(refusePort('--binary-port', binaryPort)) };
  } catch (error) {
    await doors.http.close();
    throw error;
  }
}

/** Two nodes on one machine meet here first. */
function refusePort(option: string, port: number): (cause: unknown) => never {
  return (cause) => {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
    throw new OperationalError('CONFIGURATION_INVALID', {
      detail: `Another process listens on port ${port} already.`,
      wayOut: `Nothing was started. Stop it, or give another port with ${option}; 0 = any free one.`,
      cause,
    });
  };
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
    segmentBytes: config.segmentBytes,
    lockWaitMs: config.lockWaitMs,
    log: (level, text) => logger[level === 'warning' ? 'warn' : 'info']({ event: 'journal' }, text),
  });
  const metrics = createNodeMetrics(() => node, release);
  const node: HoldfastNode = new HoldfastNode({
    journal,
    clusterId: folder.cluster.clusterId,
    timeline: folder.cluster.timeline,
    clock: createClock(),
    entropy: createEntropy(),
    observer: createTelemetryObserver(logger, metrics),
    intakeBounds: { commandsMax: config.queueCommandsMax, bytesMax: config.queueBytesMax },
    groupCommitMs: config.groupCommitMs,
    release,
    onHalted: parts.onHalted,
  });
  return { node, metrics };
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

/** Resolves at the first SIGINT or SIGTERM; the second ends the process at once. */
function toldToStop(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let told = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (told) process.exit(1);
    told = true;
    resolve(signal);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return promise;
}
