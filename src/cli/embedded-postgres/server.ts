// One PostgreSQL server of the embedded cluster: a child process that is started again whenever it
// ends by itself. It restarts where it stands, with everything that it had committed.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const AGAIN_MS_MIN = 50;
const AGAIN_MS_MAX = 5000;
/** One that lived so long has not failed at its start. */
const LIVED_MS = 10_000;
const STOP_MS_MAX = 15_000;
const LOOK_MS = 20;

export type ServerOptions = {
  readonly name: string;
  readonly program: string;
  /** Holds `data` and the log. */
  readonly folder: string;
  readonly port: number;
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
  /** It ended by itself, and is started again. */
  readonly onEnded: (name: string, how: string) => void;
};

export class PostgresServer {
  readonly name: string;
  readonly port: number;
  readonly data: string;
  readonly #options: ServerOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #isStopping = false;
  #againMs = AGAIN_MS_MIN;
  #again: NodeJS.Timeout | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.name = options.name;
    this.port = options.port;
    this.data = join(options.folder, 'data');
  }

  /** One that outlived an earlier supervisor is ended first. */
  async start(): Promise<void> {
    await endLeftover(this.data);
    this.#isStopping = false;
    this.#spawn();
  }

  /** As `pg_ctl stop -m fast`: sessions are ended, what is committed is kept. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#again);
    const child = this.#child;
    if (child === undefined) return;
    child.kill('SIGINT');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await this.#ended;
    clearTimeout(late);
  }

  /** At once, with no word: it recovers at its next start. */
  kill(): void {
    this.#isStopping = true;
    clearTimeout(this.#again);
    this.#child?.kill('SIGQUIT');
  }

  #spawn(): void {
    const { program, folder, port, user } = this.#options;
    const log = openSync(join(folder, 'server.log'), 'a');
    const startedMs = performance.now();
    const child = spawn(program, ['-D', this.data, '-p', String(port)], {
      cwd: folder,
      stdio: ['ignore', log, log],
      env: { LC_ALL: 'C', TZ: 'UTC', PATH: process.env['PATH'] ?? '' },
      // A terminal's Ctrl-C is for the supervisor, who ends everybody in order.
      detached: true,
      ...user,
    });
    closeSync(log);
    this.#child = child;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    const ended = (how: string): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      resolve();
      if (this.#isStopping) return;
      this.#options.onEnded(this.name, how);
      if (performance.now() - startedMs > LIVED_MS) this.#againMs = AGAIN_MS_MIN;
      this.#again = setTimeout(() => this.#spawn(), this.#againMs);
      this.#againMs = Math.min(2 * this.#againMs, AGAIN_MS_MAX);
    };
    child.once('exit', (code, signal) => ended(signal ?? `exit status ${code}`));
    child.once('error', (error) => ended(error.message));
  }
}

/** A supervisor that was killed leaves its servers behind: they still have the data folder. */
async function endLeftover(data: string): Promise<void> {
  const pid = leftover(data);
  if (pid === undefined) return;
  process.kill(pid, 'SIGINT');
  const deadlineMs = performance.now() + STOP_MS_MAX;
  while (leftover(data) !== undefined) {
    if (performance.now() > deadlineMs) process.kill(pid, 'SIGQUIT');
    await sleep(LOOK_MS);
  }
}

/** The server that has this data folder; its number may be another process's by now. */
function leftover(data: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]);
    if (!(pid > 1)) return undefined;
    return readlinkSync(`/proc/${pid}/cwd`) === data ? pid : undefined;
  } catch {
    return undefined;
  }
}
