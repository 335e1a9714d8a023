// A program that runs beside the measurement (the echo, PostgreSQL, the SQL ledger): started
// without a shell, its last words kept for the error, ended by its own process id, and never left
// behind.

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const WORDS_KEPT = 4000;

export class ChildProgram implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #signal: NodeJS.Signals;
  readonly #onExit: () => void;
  readonly ended: Promise<void>;
  readonly firstLine: Promise<string>;
  #words = '';

  /** `endSignal` asks it to end. */
  constructor(
    program: string,
    words: readonly string[],
    options: SpawnOptions & { readonly endSignal?: NodeJS.Signals } = {},
  ) {
    const { endSignal = 'SIGTERM', ...spawnOptions } = options;
    this.#signal = endSignal;
    this.#child = spawn(program, [...words], {
      ...spawnOptions,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#onExit = () => void this.#child.kill('SIGKILL');
    process.prependOnceListener('exit', this.#onExit);
    const ended = Promise.withResolvers<void>();
    const first = Promise.withResolvers<string>();
    first.promise.catch(() => undefined);
    createInterface({ input: this.#child.stdout! }).once('line', first.resolve);
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#words = (this.#words + text).slice(-WORDS_KEPT);
    });
    const onEnd = (): void => {
      first.reject(new Error(`${program} ended before it was ready:\n${this.#words}`));
      ended.resolve();
    };
    this.#child.once('error', (error) => {
      this.#words += error.message;
      onEnd();
    });
    this.#child.once('close', onEnd);
    this.firstLine = first.promise;
    this.ended = ended.promise;
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error(`The program was not started: ${this.#words}`);
    return pid;
  }

  /** What it last said on standard error. */
  get words(): string {
    return this.#words;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.removeListener('exit', this.#onExit);
    this.#child.kill(this.#signal);
    await this.ended;
  }
}
