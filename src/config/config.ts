// Configuration of a node: read once at start, frozen, unknown keys refused. Precedence: what the
// caller gives (flags) before environment before default. Everything that influences `apply` is not
// here: it is journalled (docs/reference/ledger-rules.md, "Ledgers and configuration").

import { OperationalError } from '../base/errors.ts';
import { QUEUE_BYTES_MAX, QUEUE_COMMANDS_MAX } from '../base/limits.ts';
import { journalPlaceOf, shownPlace } from './journal-place.ts';

type Setting<T> = {
  readonly env: string;
  readonly fallback: T;
  readonly text: string;
  readonly parse: (text: string) => T;
};

function text(env: string, fallback: string, description: string): Setting<string> {
  return { env, fallback, text: description, parse: (value) => value };
}

/** Paths with a comma between two. An empty one is a variable that was not filled in. */
function paths(env: string, description: string): Setting<string> {
  const parse = (value: string): string => {
    if (pathsOf(value).length === value.split(',').length) return value;
    throw new RangeError('wants paths with one comma between two, and no empty one');
  };
  return { env, fallback: '', text: description, parse };
}

function integer(
  env: string,
  fallback: number,
  range: { readonly min: number; readonly max: number },
  description: string,
): Setting<number> {
  return {
    env,
    fallback,
    text: `${description} (${range.min} to ${range.max})`,
    parse: (value) => {
      const number = /^[0-9]+$/.test(value) ? Number(value) : Number.NaN;
      if (!(number >= range.min && number <= range.max)) {
        throw new RangeError(`wants a whole number from ${range.min} to ${range.max}`);
      }
      return number;
    },
  };
}

function oneOf(
  env: string,
  fallback: string,
  words: readonly string[],
  description: string,
): Setting<string> {
  return {
    env,
    fallback,
    text: `${description}: ${words.join(', ')}`,
    parse: (value) => {
      if (!words.includes(value)) throw new RangeError(`wants one of ${words.join(', ')}`);
      return value;
    },
  };
}

const NODE_NAME = /^[a-z0-9-]{1,32}$/;

function nodeName(value: string): string {
  if (!NODE_NAME.test(value)) throw new RangeError('wants 1 to 32 of a-z, 0-9 and -');
  return value;
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

const MIB = 1024 * 1024;

/**
 * Every setting: its environment variable, default and meaning. `holdfast up --help` refers here.
 */
export const SETTINGS = {
  dataFolder: text('HOLDFAST_DATA', './holdfast-data', 'folder of journal, identity and key'),
  host: text('HOLDFAST_HOST', '127.0.0.1', 'address to listen on'),
  port: integer('HOLDFAST_PORT', 7400, { min: 0, max: 65_535 }, 'port; 0 = any free one'),
  binaryPort: integer(
    'HOLDFAST_BINARY_PORT',
    7401,
    { min: 0, max: 65_535 },
    'port of the binary protocol; 0 = any free one, which is the default where the port is 0',
  ),
  node: {
    env: 'HOLDFAST_NODE',
    fallback: '',
    text: 'name of this node in its cluster (1 to 32 of a-z, 0-9 and -); none = it runs alone',
    parse: nodeName,
  },
  peerPort: integer(
    'HOLDFAST_PEER_PORT',
    7402,
    { min: 0, max: 65_535 },
    'port of the channel between nodes; 0 = any free one, which is the default where the port is 0',
  ),
  peerAddress: text(
    'HOLDFAST_PEER_ADDRESS',
    '',
    'host:port at which the other nodes reach this one; none = where it listens',
  ),
  coordinator: oneOf(
    'HOLDFAST_COORDINATOR',
    'local',
    ['local', 'zookeeper'],
    'what tells the nodes of each other',
  ),
  zookeeperServers: text(
    'HOLDFAST_ZOOKEEPER_SERVERS',
    '',
    'host:port of every server of the ensemble, separated by commas',
  ),
  zookeeperPath: text(
    'HOLDFAST_ZOOKEEPER_PATH',
    '',
    "the cluster's own node there; none = /holdfast/ and 8 digits of the cluster's id",
  ),
  sessionMs: integer(
    'HOLDFAST_SESSION_MS',
    600,
    { min: 100, max: 60_000 },
    'after so long without a sign of life the coordinator takes a node for dead',
  ),
  heartbeatMs: integer(
    'HOLDFAST_HEARTBEAT_MS',
    50,
    { min: 10, max: 10_000 },
    'nodes tell each other how they are so often',
  ),
  challengeMs: integer(
    'HOLDFAST_CHALLENGE_MS',
    300,
    { min: 50, max: 60_000 },
    'after so long without a word of the leader the others ask for his place',
  ),
  tlsCertFile: text('HOLDFAST_TLS_CERT_FILE', '', 'certificate chain (PEM) of both ports'),
  tlsKeyFile: text('HOLDFAST_TLS_KEY_FILE', '', 'private key (PEM) that belongs to it'),
  journal: {
    env: 'HOLDFAST_JOURNAL',
    fallback: 'file',
    text: 'where the journal is: file, postgres (with --nodes), or engine://user@host:port,.../name',
    parse: (value: string): string => {
      journalPlaceOf(value);
      return value;
    },
  },
  journalPasswordFile: text(
    'HOLDFAST_JOURNAL_PASSWORD_FILE',
    '',
    "file with the password of the journal's engine",
  ),
  journalWaived: {
    env: 'HOLDFAST_JOURNAL_WAIVED',
    fallback: '',
    text: "checks of the engine's settings, separated by commas, that may fail",
    parse: (value: string): string => value,
  },
  segmentBytes: integer(
    'HOLDFAST_JOURNAL_SEGMENT_BYTES',
    64 * MIB,
    { min: 2 * MIB, max: 4096 * MIB },
    'size of a journal segment',
  ),
  journalDirectories: paths(
    'HOLDFAST_JOURNAL_DIRECTORIES',
    'further directories, separated by commas, that each hold the whole journal',
  ),
  journalWithout: paths(
    'HOLDFAST_JOURNAL_WITHOUT',
    'journal directories, separated by commas, to start without though they may be ahead',
  ),
  lockWaitMs: integer(
    'HOLDFAST_JOURNAL_LOCK_WAIT_MS',
    5000,
    { min: 0, max: 600_000 },
    'how long to wait for a journal that another process is just leaving',
  ),
  groupCommitMs: integer(
    'HOLDFAST_GROUP_COMMIT_MS',
    2,
    { min: 1, max: 1000 },
    'longest wait of a command for company while the journal is busy',
  ),
  queueCommandsMax: integer(
    'HOLDFAST_QUEUE_COMMANDS_MAX',
    QUEUE_COMMANDS_MAX,
    { min: 1, max: 1_000_000 },
    'commands that may wait; beyond it callers hear 429',
  ),
  queueBytesMax: integer(
    'HOLDFAST_QUEUE_BYTES_MAX',
    QUEUE_BYTES_MAX,
    { min: 2 * MIB, max: 4096 * MIB },
    'bytes that may wait; beyond it callers hear 429',
  ),
  requestDeadlineMs: integer(
    'HOLDFAST_REQUEST_DEADLINE_MS',
    10_000,
    { min: 100, max: 600_000 },
    'how long a request waits for its outcome before it hears "unknown"',
  ),
  drainMs: integer(
    'HOLDFAST_DRAIN_MS',
    10_000,
    { min: 0, max: 600_000 },
    'how long a stopping node waits for requests under way',
  ),
  checkpointJournalBytes: integer(
    'HOLDFAST_CHECKPOINT_JOURNAL_BYTES',
    256 * MIB,
    { min: 64 * 1024, max: 1024 * 1024 * MIB },
    'a checkpoint is taken after so many bytes of journal',
  ),
  checkpointSeconds: integer(
    'HOLDFAST_CHECKPOINT_SECONDS',
    300,
    { min: 1, max: 86_400 },
    'and after so many seconds in which something changed',
  ),
  checkpointsKept: integer(
    'HOLDFAST_CHECKPOINTS_KEPT',
    3,
    { min: 1, max: 1000 },
    'checkpoints that are kept',
  ),
  checkpointKeyFile: text(
    'HOLDFAST_CHECKPOINT_KEY_FILE',
    '',
    'file with a key (64 hex digits) that checkpoints are encrypted with',
  ),
  memoryAhead: oneOf(
    'HOLDFAST_MEMORY_AHEAD',
    'full',
    ['full', 'none'],
    'whether memory is taken before it is needed, remembered ids in full',
  ),
  views: oneOf(
    'HOLDFAST_VIEWS',
    'off',
    ['off', 'sqlite'],
    'where tables and reports for people are kept',
  ),
  logLevel: oneOf('HOLDFAST_LOG_LEVEL', 'info', LOG_LEVELS, 'what is logged'),
} as const;

export type Config = {
  readonly [Name in keyof typeof SETTINGS]: (typeof SETTINGS)[Name]['fallback'] extends number
    ? number
    : string;
};
export type SettingName = keyof typeof SETTINGS;

/**
 * Builds the configuration; reports every mistake at once, with the variable or flag that has it.
 */
export function loadConfig(
  given: { readonly [Name in SettingName]?: string | undefined },
  environment: { readonly [name: string]: string | undefined },
): Config {
  const mistakes: string[] = [];
  const isGiven = (name: SettingName): boolean =>
    ![undefined, ''].includes(given[name] ?? environment[SETTINGS[name].env]);
  const config: { [name: string]: string | number } = {};
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const flag = given[name as SettingName];
    const value = flag ?? environment[setting.env];
    const where = flag === undefined ? setting.env : flagOf(name);
    config[name] = setting.fallback;
    if (value === undefined || value === '') continue;
    try {
      config[name] = setting.parse(value);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      mistakes.push(`${where}=${shownPlace(value)} ${why}`);
    }
  }
  mistakes.push(...tlsMistakes(config), ...clusterMistakes(config), ...journalMistakes(config));
  // Whoever asks for any free port runs several nodes on one machine: the other doors are free too.
  for (const name of ['binaryPort', 'peerPort'] as const) {
    if (config['port'] === 0 && !isGiven(name)) config[name] = 0;
  }
  const known = new Set<string>(Object.values(SETTINGS).map((setting) => setting.env));
  const others = new Set([
    'HOLDFAST_SHIM',
    'HOLDFAST_URL',
    'HOLDFAST_API_KEY',
    'HOLDFAST_CA_FILE',
    'HOLDFAST_PROPERTY_RUNS',
  ]);
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('HOLDFAST_') || known.has(name) || others.has(name)) continue;
    mistakes.push(`${name} is not a setting of Holdfast`);
  }
  if (mistakes.length > 0) {
    throw new OperationalError('CONFIGURATION_INVALID', {
      detail: `${mistakes.join('; ')}.`,
      wayOut: 'Nothing was started. Mend or unset what is named.',
    });
  }
  return Object.freeze(config) as Config;
}

function flagOf(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The paths, or addresses, of a setting that lists some. */
export function pathsOf(list: string): readonly string[] {
  const paths = list.split(',').map((path) => path.trim());
  return paths.filter((path) => path !== '');
}

/** One without the other would leave the ports in the clear, or not open at all. */
function tlsMistakes(config: { readonly [name: string]: string | number }): string[] {
  const { tlsCertFile, tlsKeyFile } = config;
  if ((tlsCertFile === '') === (tlsKeyFile === '')) return [];
  return ['HOLDFAST_TLS_CERT_FILE and HOLDFAST_TLS_KEY_FILE belong together'];
}

function clusterMistakes(config: { readonly [name: string]: string | number }): string[] {
  const { coordinator, zookeeperServers, zookeeperPath } = config;
  const mistakes: string[] = [];
  if (coordinator === 'zookeeper' && zookeeperServers === '') {
    mistakes.push('HOLDFAST_COORDINATOR=zookeeper wants HOLDFAST_ZOOKEEPER_SERVERS');
  }
  if (coordinator !== 'zookeeper' && `${zookeeperServers}${zookeeperPath}` !== '') {
    mistakes.push('HOLDFAST_ZOOKEEPER_... is read only with HOLDFAST_COORDINATOR=zookeeper');
  }
  if (Number(config['challengeMs']) <= 2 * Number(config['heartbeatMs'])) {
    mistakes.push('HOLDFAST_CHALLENGE_MS must be more than twice HOLDFAST_HEARTBEAT_MS');
  }
  return mistakes;
}

function journalMistakes(config: { readonly [name: string]: string | number }): string[] {
  const isFile = config['journal'] === 'file';
  const mistakes: string[] = [];
  if (!isFile && config['node'] === '') {
    mistakes.push('HOLDFAST_JOURNAL on an engine is for nodes with a name (HOLDFAST_NODE)');
  }
  const ofEngines = { journalPasswordFile: 'PASSWORD_FILE', journalWaived: 'WAIVED' };
  const ofFiles = { journalDirectories: 'DIRECTORIES', journalWithout: 'WITHOUT' };
  for (const [name, variable] of Object.entries(isFile ? ofEngines : ofFiles)) {
    if (config[name] === '') continue;
    const only = isFile ? 'with a journal on an engine' : 'with HOLDFAST_JOURNAL=file';
    mistakes.push(`HOLDFAST_JOURNAL_${variable} is read only ${only}`);
  }
  return mistakes;
}
