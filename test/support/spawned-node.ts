// A node as a process of its own, seen from outside as a supervisor sees it: its ready line, its
// messages, its exit status. Only processes that were started here are signalled, by their pid.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '../../src/client/http-client.ts';
import { PlainCaller } from './plain-caller.ts';

const SHIM = fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url));
const READY_MS_MAX = 30_000;
const LIFE_MS_DEFAULT = 60_000;
/** Many nodes at once need not take a gigabyte each. */
const FRUGAL = { HOLDFAST_MEMORY_AHEAD: 'none' };

export type Ready = {
  readonly event: 'ready';
  readonly url: string;
  readonly binary_url: string;
  readonly pid: number;
  readonly data: string;
  readonly api_key_file: string;
  readonly epoch: number;
  readonly position: number;
  readonly torn_bytes_cut: number;
};

/** A line of `up --json`: the node is ready, or its part has changed. */
export type NodeLine = Partial<Ready> & {
  readonly event: string;
  readonly role?: string;
  readonly reason?: string;
};

export type Ended = {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};

export type SpawnOptions = {
  readonly data: string;
  readonly port?: number;
  readonly binaryPort?: number;
  /** One of several on the data folder; nothing = it runs alone. */
  readonly member?: { readonly name: string; readonly peerPort: number };
  /** Each line of standard output, the ready line too. */
  readonly onLine?: (line: NodeLine) => void;
  /** Options of the runtime itself, such as --cpu-prof. */
  readonly runtimeOptions?: readonly string[];
  /** Settings; those of the caller's own environment are not handed on. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The Node that reads the shim; an old one starts ours as a child of its own. */
  readonly program?: string;
  /** A module of faults that the process loads first. */
  readonly faults?: URL;
  /** A process that should have ended by itself and did not is killed after this time. */
  readonly lifeMsMax?: number;
};

export class SpawnedNode implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly #readyLine = Promise.withResolvers<Ready>();
  #stdout = '';
  #stderr = '';

  constructor(options: SpawnOptions) {
    const { data, port = 0, binaryPort = 0, runtimeOptions = [], settings = {} } = options;
    const { lifeMsMax = LIFE_MS_DEFAULT, faults, program = process.execPath } = options;
    const { member, onLine } = options;
    const preloaded = faults === undefined ? [] : ['--import', faults.href];
    const parameters = [...runtimeOptions, ...preloaded, SHIM, 'up', '--data', data, '--json'];
    parameters.push('--binary-port', String(binaryPort));
    if (settings['HOLDFAST_PORT'] === undefined) parameters.push('--port', String(port));
    if (member !== undefined) {
      parameters.push('--node', member.name, '--peer-port', String(member.peerPort));
    }
    this.#child = spawn(program, parameters, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...foreignEnvironment(), ...FRUGAL, ...settings },
    });
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) throw new Error('The node has no pipes.');
    createInterface({ input: stdout }).on('line', (line) => {
      this.#stdout += `${line}\n`;
      const said = JSON.parse(line) as NodeLine;
      onLine?.(said);
      if (said.event === 'ready') this.#readyLine.resolve(said as Ready);
    });
    createInterface({ input: stderr }).on('line', (line) => {
      this.#stderr += `${line}\n`;
    });
    this.#readyLine.promise.catch(() => undefined);
    this.ended = this.#watch(lifeMsMax);
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error('The process was never started.');
    return pid;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Resolves with the ready line; rejects with the node's own words when it ends before. */
  async ready(readyMsMax = READY_MS_MAX): Promise<Ready> {
    const timer = setTimeout(() => {
      this.#readyLine.reject(new Error(`not ready in time:\n${this.#stderr}`));
    }, readyMsMax);
    try {
      return await this.#readyLine.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends the signal and resolves when the process has ended. */
  async end(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<Ended> {
    this.signal(signal);
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }

  #watch(lifeMsMax: number): Promise<Ended> {
    const { promise, resolve } = Promise.withResolvers<Ended>();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), lifeMsMax);
    this.#child.once('close', (exitCode, signal) => {
      clearTimeout(timer);
      this.#readyLine.reject(
        new Error(`ended before it was ready (${signal ?? exitCode}):\n${this.#stderr}`),
      );
      resolve({ exitCode, signal, stdout: this.#stdout, stderr: this.#stderr });
    });
    return promise;
  }
}

export async function keyOf(ready: Ready): Promise<string> {
  return (await readFile(ready.api_key_file, 'utf8')).trim();
}

/** `ca`: the certificate of a node that speaks TLS. */
export async function clientOf(ready: Ready, ca?: Buffer): Promise<Client> {
  const tls = ca === undefined ? undefined : { ca };
  return createClient({ url: ready.url, key: await keyOf(ready), tls });
}

export async function callerOf(ready: Ready): Promise<PlainCaller> {
  return new PlainCaller(ready.url, await keyOf(ready));
}

function foreignEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('HOLDFAST_')),
  );
}
