// A PostgreSQL cluster of its own, in a temporary folder, on loopback, with full durability (fsync
// and synchronous_commit on, checked). Started without a service and, where this process is root,
// as an unprivileged user, since PostgreSQL refuses root; ended by its process id.

import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chown } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';
import { ChildProgram } from './child-program.ts';
import { BenchRefused } from './failures.ts';

/** Where Debian keeps the programs of each version; elsewhere they are on the path. */
const DEBIAN_FOLDER = '/usr/lib/postgresql';
/** The user and group `nobody` of Debian. */
const NOBODY = 65_534;
const USER = 'lab';
const SETTINGS = ['shared_buffers=512MB', 'max_wal_size=4GB', 'max_connections=100'];

const run = promisify(execFile);

export class Postgres implements AsyncDisposable {
  readonly port: number;
  readonly version: string;
  readonly #folder: TemporaryFolder;
  readonly #server: ChildProgram;

  private constructor(
    folder: TemporaryFolder,
    server: ChildProgram,
    place: { readonly port: number; readonly version: string },
  ) {
    this.#folder = folder;
    this.#server = server;
    this.port = place.port;
    this.version = place.version;
  }

  /** Starts an empty cluster with the database `baseline` of the user `lab`. */
  static async start(parentFolder: string): Promise<Postgres> {
    const programs = programFolder();
    const folder = await TemporaryFolder.make(parentFolder);
    const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
    if ('uid' in user) await chown(folder.path, NOBODY, NOBODY);
    const data = join(folder.path, 'data');
    const options = { ...user, cwd: folder.path };
    await run(
      join(programs, 'initdb'),
      ['-D', data, '-U', USER, '-A', 'trust', '--no-locale', '-E', 'UTF8', '-N'],
      options,
    );
    const port = await freePort();
    const settings = [
      'listen_addresses=127.0.0.1',
      `port=${port}`,
      `unix_socket_directories=${folder.path}`,
      ...SETTINGS,
    ].flatMap((setting) => ['-c', setting]);
    const server = new ChildProgram(join(programs, 'postgres'), ['-D', data, ...settings], {
      ...options,
      // Ends connections and writes a checkpoint; SIGTERM would wait for the connections.
      endSignal: 'SIGINT',
    });
    const { stdout } = await run(join(programs, 'postgres'), ['--version'], options);
    const cluster = new Postgres(folder, server, { port, version: stdout.trim() });
    await until(() => cluster.#answers(), 'PostgreSQL answers');
    await cluster.sql('create database baseline', 'postgres');
    await cluster.#assertDurable();
    return cluster;
  }

  /** Runs SQL and returns its rows, columns separated by |. */
  async sql(text: string, database = 'baseline'): Promise<string> {
    return (await this.#psql(['-c', text], database)).trim();
  }

  async sqlFile(path: string): Promise<void> {
    await this.#psql(['-f', path], 'baseline');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }

  async #psql(words: readonly string[], database: string): Promise<string> {
    const where = ['-h', '127.0.0.1', '-p', String(this.port), '-U', USER, '-d', database];
    const how = ['-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1'];
    return (await run(join(programFolder(), 'psql'), [...where, ...how, ...words])).stdout;
  }

  async #answers(): Promise<boolean> {
    if (this.#server.hasEnded) throw new Error(`PostgreSQL ended:\n${this.#server.words}`);
    try {
      return (await this.sql('select 1', 'postgres')) === '1';
    } catch {
      return false;
    }
  }

  async #assertDurable(): Promise<void> {
    for (const name of ['fsync', 'synchronous_commit', 'full_page_writes']) {
      const value = await this.sql(`show ${name}`);
      if (value !== 'on') throw new BenchRefused(`PostgreSQL runs with ${name} ${value}.`);
    }
  }
}

function programFolder(): string {
  const debian = existsSync(DEBIAN_FOLDER)
    ? readdirSync(DEBIAN_FOLDER).map((version) => join(DEBIAN_FOLDER, version, 'bin'))
    : [];
  const folders = [...debian.reverse(), ...(process.env['PATH'] ?? '').split(delimiter)];
  const found = folders.find((folder) =>
    ['initdb', 'postgres', 'psql'].every((program) => existsSync(join(folder, program))),
  );
  if (found !== undefined) return found;
  throw new BenchRefused(
    'PostgreSQL is not installed (apt-get install -y postgresql), or use --peers echo or none.',
  );
}

/** It takes no port 0, so one is asked of the system and given back. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  const address = server.address();
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  await closed.promise;
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}
