// `holdfast up --nodes N` from its options to its exit status.

import { existsSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, type SettingName, loadConfig } from '../../config/config.ts';
import { EMBEDDED_POSTGRES } from '../../config/journal-place.ts';
import type { EmbeddedPostgres } from '../embedded-postgres/embedded-postgres.ts';
import { CliFailure, type FailureFields, usageFailure } from '../failure.ts';
import type { Io } from '../io.ts';
import type { NodeEnd } from './node-child.ts';
import { type NodePorts, Supervisor } from './supervisor.ts';
import { type Telling, jsonTelling, textTelling } from './telling.ts';

export const NODES_MAX = 9;

/** From one node's ports to the next one's. */
const PORTS_STEP = 10;

/** A log that has grown beyond this is put aside at the next start of its node; one is kept. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;

const SAME_SIGNAL_MS = 500;

export type RunNodes = {
  readonly io: Io;
  readonly count: string;
  readonly settings: { readonly [Name in SettingName]?: string | undefined };
  readonly json: boolean;
  /** It ends with its standard input, as its nodes do. */
  readonly supervised: boolean;
};

export async function runNodes({
  io,
  count,
  settings,
  json,
  supervised,
}: RunNodes): Promise<number> {
  const config = checkedConfig(io, settings);
  const nodes = portsOf(nodeCount(count), config.port);
  const folder = config.dataFolder;
  const apiKeyFile = join(folder, 'api-key');
  const key = (): string => readFileSync(apiKeyFile, 'utf8').trim();
  const isNew = !existsSync(join(folder, 'cluster.json'));
  const telling = (json ? jsonTelling : textTelling)(io.stdout, { folder, apiKeyFile, key, isNew });
  const failed = Promise.withResolvers<{ readonly name: string; readonly end: NodeEnd }>();
  const embedded = await embeddedOf(config, telling);
  const journal = embedded?.journal ?? config.journal;
  const supervisor = new Supervisor({
    nodes,
    parametersOf: (_, ports) => parametersOf({ ...config, journal }, ports),
    stderrOf: (name) => (json ? 'inherit' : openLog(folder, name)),
    drainMs: config.drainMs,
    events: { ...telling, startFailed: ({ name }, end) => failed.resolve({ name, end }) },
  });
  const told = toldToStop(supervisor, embedded, supervised);
  supervisor.start();
  const ending = await Promise.race([failed.promise, told]);
  await supervisor.stop();
  await embedded?.stop();
  if (supervised) process.stdin.destroy();
  if (ending !== undefined) return startFailure(ending, folder, json);
  telling.stopped();
  return 0;
}

/** Loaded only where it is asked for. */
async function embeddedOf(
  { journal, dataFolder }: Config,
  telling: Telling,
): Promise<EmbeddedPostgres | undefined> {
  if (journal !== EMBEDDED_POSTGRES) return undefined;
  const { EmbeddedPostgres } = await import('../embedded-postgres/embedded-postgres.ts');
  return await EmbeddedPostgres.start({
    dataFolder,
    onServerEnded: (name, how) => telling.serverLost(name, how),
  });
}

function nodeCount(text: string): number {
  const count = /^[0-9]$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= NODES_MAX) return count;
  throw usageFailure(`--nodes ${text} is not a number from 1 to ${NODES_MAX}.`);
}

/** What is of one node only cannot be said for several. */
function checkedConfig(io: Io, settings: RunNodes['settings']): Config {
  // Each of them has a name, which a journal on an engine asks for.
  const config = loadConfig({ ...settings, node: nameOf(0) }, io.environment);
  const { node, binaryPort, peerPort } = settings;
  const { HOLDFAST_NODE, HOLDFAST_BINARY_PORT, HOLDFAST_PEER_PORT } = io.environment;
  const flags = [node, binaryPort, peerPort, io.environment['HOLDFAST_PEER_ADDRESS']];
  const given = [...flags, HOLDFAST_NODE, HOLDFAST_BINARY_PORT, HOLDFAST_PEER_PORT];
  if (given.every((value) => value === undefined || value === '')) return config;
  throw usageFailure(
    'A name, a binary port and a peer port (also as HOLDFAST_NODE, HOLDFAST_BINARY_PORT, ' +
      'HOLDFAST_PEER_PORT) and HOLDFAST_PEER_ADDRESS are one node’s; with --nodes they follow ' +
      'from --port.',
    `Node i of them has port + ${PORTS_STEP} (i - 1), and the two after it.`,
  );
}

function portsOf(count: number, base: number): Map<string, NodePorts> {
  const nodes = new Map<string, NodePorts>();
  for (let index = 0; index < count; index++) {
    const port = base + PORTS_STEP * index;
    const ports = { port, binary: port + 1, peer: port + 2 };
    nodes.set(nameOf(index), base === 0 ? { port: 0, binary: 0, peer: 0 } : ports);
  }
  return nodes;
}

function nameOf(index: number): string {
  return `node-${index + 1}`;
}

/** What stands in the environment they have from it. */
function parametersOf(config: Config, { port, binary, peer }: NodePorts): string[] {
  const place = ['--data', config.dataFolder, '--host', config.host, '--journal', config.journal];
  const { journalPasswordFile } = config;
  if (journalPasswordFile !== '') place.push('--journal-password-file', journalPasswordFile);
  const ports = ['--port', port, '--binary-port', binary, '--peer-port', peer];
  return [...place, ...ports.map(String)];
}

function logFile(folder: string, name: string): string {
  return join(folder, 'nodes', name, 'node.log');
}

/** The node has it for itself: it goes on whatever becomes of this process. */
function openLog(folder: string, name: string): number {
  const file = logFile(folder, name);
  mkdirSync(join(folder, 'nodes', name), { recursive: true });
  if (existsSync(file) && statSync(file).size > LOG_BYTES_MAX) renameSync(file, `${file}.1`);
  return openSync(file, 'a');
}

/**
 * Resolves at the first SIGINT or SIGTERM; the second kills all nodes. SIGHUP goes on to the nodes
 * (they read their certificate again).
 */
function toldToStop(
  supervisor: Supervisor,
  embedded: EmbeddedPostgres | undefined,
  supervised: boolean,
): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let toldAtMs: number | undefined;
  const onSignal = (): void => {
    const nowMs = performance.now();
    if (toldAtMs !== undefined && nowMs - toldAtMs > SAME_SIGNAL_MS) {
      supervisor.killAll();
      embedded?.kill();
    }
    toldAtMs ??= nowMs;
    resolve(undefined);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  if (supervised) {
    process.stdin.on('close', () => resolve(undefined));
    process.stdin.resume();
  }
  process.on('SIGHUP', () => supervisor.signal('SIGHUP'));
  return promise;
}

type Failed = { readonly name: string; readonly end: NodeEnd };

/** The node said why, as JSON: on this process's standard error, or in its log. */
function startFailure({ name, end }: Failed, folder: string, json: boolean): number {
  const exitCode = end.exitCode ?? 1;
  if (json) return exitCode;
  const said = lastError(logFile(folder, name));
  throw new CliFailure({
    exitCode,
    code: said?.code ?? 'node_failed',
    message: `${name} could not start: ${said?.message ?? `exit status ${exitCode}.`}`,
    money: said?.money ?? '',
    action: said?.action ?? `Its log is ${logFile(folder, name)}.`,
  });
}

function lastError(file: string): Omit<FailureFields, 'exitCode'> | undefined {
  const last = readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? '';
  try {
    const { error } = JSON.parse(last) as { readonly error?: { readonly [name: string]: string } };
    if (error === undefined) return undefined;
    const { code = '', detail = '', money = '', action = '' } = error;
    return { code, message: detail, money, action };
  } catch {
    return undefined;
  }
}
