// Which nodes a command talks to, and with which key. Flag before environment before what the node
// has written into its data folder. The key is never a flag: command lines are public on a machine.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { namedNodes, runningNodes } from '../config/data-folder.ts';
import type { Client } from '../client/http-client.ts';
import { ExitCode } from './exit-codes.ts';
import { CliFailure, usageFailure } from './failure.ts';
import type { GlobalOptions, Io } from './io.ts';

const DATA_FOLDER_DEFAULT = './holdfast-data';
const DEADLINE_SECONDS_DEFAULT = 10;

export type Target = {
  /** The preferred node first. */
  readonly url: readonly string[];
  readonly key: string;
};

export function dataFolder(io: Io, options: GlobalOptions): string {
  return options.data ?? present(io.environment['HOLDFAST_DATA']) ?? DATA_FOLDER_DEFAULT;
}

/** For what is a node's own, offline. */
export const NODE_OPTION = ['--node <name>', 'of one of several nodes'] as const;

export function nodeFolder(io: Io, options: GlobalOptions & { readonly node?: string }): string {
  const folder = dataFolder(io, options);
  if (options.node === undefined) return folder;
  if (namedNodes(folder).includes(options.node)) return join(folder, 'nodes', options.node);
  throw usageFailure(`There is no node "${options.node}" in ${folder}.`);
}

export async function connect(io: Io, options: GlobalOptions): Promise<Client> {
  const target = await findTarget(io, options);
  const deadlineMs = deadlineSeconds(options) * 1000;
  const ca = await findAuthority(io, options);
  const { createClient } = await import('../client/http-client.ts');
  return createClient({ ...target, deadlineMs, ...(ca !== undefined && { tls: { ca } }) });
}

/** The certificates that an https node's is checked with, beside those of the runtime. */
async function findAuthority(io: Io, options: GlobalOptions): Promise<string | undefined> {
  const file = options.ca ?? present(io.environment['HOLDFAST_CA_FILE']);
  if (file === undefined) return undefined;
  const text = await readIfThere(file);
  if (text?.includes('-----BEGIN CERTIFICATE-----') === true) return text;
  throw new CliFailure({
    exitCode: ExitCode.usage,
    code: 'certificate_unreadable',
    message: `There is no certificate (PEM) in ${file}.`,
    money: 'Nothing was sent.',
    action: 'Name the file with --ca or HOLDFAST_CA_FILE.',
  });
}

export async function findTarget(io: Io, options: GlobalOptions): Promise<Target> {
  const folder = dataFolder(io, options);
  const given = options.url ?? present(io.environment['HOLDFAST_URL']);
  const text = given === undefined ? await runningUrl(folder) : [given].flat().join(',');
  const url = text.split(',').map((one) => one.trim());
  for (const one of url) {
    if (URL.canParse(one) && /^https?:$/.test(new URL(one).protocol)) continue;
    throw usageFailure(`"${one}" is not a URL of a node.`, 'It looks like http://127.0.0.1:7400.');
  }
  return { url, key: await findKey(io, options, folder) };
}

/** Of all that run there, with commas; a note of one that was killed is the last resort. */
async function runningUrl(folder: string): Promise<string> {
  const running = runningNodes(folder);
  if (running.length > 0) return running.map(({ url }) => url).join(',');
  const file = join(folder, 'node.json');
  const text = await readIfThere(file);
  if (text === undefined) {
    throw new CliFailure({
      exitCode: ExitCode.unavailable,
      code: 'node_unavailable',
      message: `No node is running on ${folder}: there is no ${file}.`,
      money: 'Nothing was sent.',
      action: 'Start one with `holdfast up`, or name a node with --url or HOLDFAST_URL.',
    });
  }
  try {
    const node = JSON.parse(text) as { readonly url?: unknown } | null;
    if (typeof node?.url === 'string') return node.url;
  } catch {
    // Said below, like every other content that is not a node's address.
  }
  throw new CliFailure({
    exitCode: ExitCode.failed,
    code: 'node_file_unreadable',
    message: `${file} does not name a node.`,
    money: 'Nothing was sent.',
    action: 'Name the node with --url.',
  });
}

async function findKey(io: Io, options: GlobalOptions, folder: string): Promise<string> {
  if (options.keyFile !== undefined) return readKey(options.keyFile);
  return present(io.environment['HOLDFAST_API_KEY']) ?? readKey(join(folder, 'api-key'));
}

async function readKey(file: string): Promise<string> {
  const key = (await readIfThere(file))?.trim() ?? '';
  if (key !== '') return key;
  throw new CliFailure({
    exitCode: ExitCode.failed,
    code: 'key_missing',
    message: `There is no API key in ${file}.`,
    money: 'Nothing was sent.',
    action: 'Name the file with --key-file, or set HOLDFAST_API_KEY.',
  });
}

export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new CliFailure(
      {
        exitCode: ExitCode.failed,
        code: 'file_unreadable',
        message: `${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`,
        money: 'Nothing was sent.',
      },
      cause,
    );
  }
}

function deadlineSeconds(options: GlobalOptions): number {
  const text = options.deadline ?? String(DEADLINE_SECONDS_DEFAULT);
  const seconds = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (seconds >= 1) return seconds;
  throw usageFailure(`--deadline ${text} is not a number of seconds from 1 to 99999.`);
}

function present(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
