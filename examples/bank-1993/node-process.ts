// A node of our own as a child process: started, killed without mercy, started again. Only
// processes that were started here are ever signalled, by their pid.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export type NodeProcessOptions = {
  readonly stateFolder: string;
  /** Called when the node ends although nobody here ended it. */
  readonly onUnexpectedExit: (error: Error) => void;
};

type Ready = { readonly event: 'ready'; readonly url: string; readonly pid: number };

const SHIM_PATH = fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url));
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;
const MESSAGES_KEPT_MAX = 20;

export class NodeProcess {
  readonly #options: NodeProcessOptions;
  #child: ChildProcess | undefined;
  #url = '';
  #isEnding = false;
  /** The node's last messages, for the error when it does not start. */
  #messages: string[] = [];

  constructor(options: NodeProcessOptions) {
    this.#options = options;
  }

  get url(): string {
    return this.#url;
  }

  /** Starts the node and resolves when it serves. */
  async start(): Promise<void> {
    const { stateFolder } = this.#options;
    const parameters = [
      'up',
      '--data',
      stateFolder,
      '--host',
      '127.0.0.1',
      '--port',
      '0',
      '--json',
    ];
    const child = spawn(process.execPath, [SHIM_PATH, ...parameters], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#isEnding = false;
    this.#messages = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#messages = [...this.#messages, line].slice(-MESSAGES_KEPT_MAX);
    });
    child.once('exit', (code, signal) => {
      if (!this.#isEnding) this.#options.onUnexpectedExit(this.#ended(code, signal));
    });
    this.#url = (await this.#ready(child)).url;
  }

  async key(): Promise<string> {
    return (await readFile(join(this.#options.stateFolder, 'api-key'), 'utf8')).trim();
  }

  /** SIGKILL: nothing of the node runs any more, nothing is flushed. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM, and time to finish. Idempotent. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    this.#isEnding = true;
    const exited = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await exited;
    clearTimeout(timer);
  }

  async #ready(child: ChildProcess): Promise<Ready> {
    const { stdout } = child;
    if (stdout === null) throw new Error('The node has no stdout.');
    const lines = createInterface({ input: stdout });
    const { promise, resolve, reject } = Promise.withResolvers<Ready>();
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`The node did not serve within ${READY_MS_MAX} ms. ${this.#tail()}`));
    }, READY_MS_MAX);
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(this.#ended(code, signal)));
    lines.on('line', (line) => {
      const ready = parseReady(line);
      if (ready !== undefined) resolve(ready);
    });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): Error {
    return new Error(`The node ended by itself (${signal ?? `exit ${code}`}). ${this.#tail()}`);
  }

  #tail(): string {
    return this.#messages.length === 0
      ? 'It said nothing.'
      : `Its last messages:\n  ${this.#messages.join('\n  ')}`;
  }
}

function parseReady(line: string): Ready | undefined {
  try {
    const value = JSON.parse(line) as Partial<Ready> | null;
    return value?.event === 'ready' && typeof value.url === 'string' ? (value as Ready) : undefined;
  } catch {
    return undefined;
  }
}
