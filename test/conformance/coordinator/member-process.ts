// The other end of member-program.ts: starts it, tells it what to do, kills and freezes it by its
// number.

import { type ChildProcess, fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseProcessStat } from '../../../src/base/process-stat.ts';
import { until } from '../../support/until.ts';
import type { DriverChoice } from './harness.ts';
import type { Order, Told } from './member-messages.ts';

const PROGRAM = fileURLToPath(new URL('member-program.ts', import.meta.url));

export class MemberProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #told: Told[] = [];
  #isEnded = false;

  private constructor() {
    this.#child = fork(PROGRAM, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.#child.on('message', (told: Told) => this.#told.push(told));
    this.#child.once('exit', () => {
      this.#isEnded = true;
    });
  }

  /** A process that is a member already. */
  static async open(choice: DriverChoice, id: string): Promise<MemberProcess> {
    const member = new MemberProcess();
    await member.#hears('ready');
    member.#order({ kind: 'open', choice, id });
    await member.#hears('opened');
    return member;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  get isLost(): boolean {
    return this.#count('lost') > 0;
  }

  /** Whether it still counted on its candidacy when it heard that it is lost. */
  get wasHeldWhenLost(): boolean {
    return this.#told.some((told) => told.kind === 'lost' && told.isHeld);
  }

  campaign(): void {
    this.#order({ kind: 'campaign' });
  }

  async granted(): Promise<void> {
    await this.#hears('granted');
  }

  async resign(): Promise<void> {
    this.#order({ kind: 'resign' });
    await this.#hears('resigned');
  }

  async isHeld(): Promise<boolean> {
    const before = this.#count('asked');
    this.#order({ kind: 'ask' });
    await until(() => this.#count('asked') > before, 'an answer of the process');
    const told = this.#told.findLast(({ kind }) => kind === 'asked');
    return told?.kind === 'asked' && told.isHeld;
  }

  async claim(epochs: number, id: string): Promise<readonly number[]> {
    this.#order({ kind: 'claim', epochs, id });
    await this.#hears('claimed');
    const told = this.#told.find(({ kind }) => kind === 'claimed');
    return told?.kind === 'claimed' ? told.epochs : [];
  }

  async freeze(): Promise<void> {
    this.#child.kill('SIGSTOP');
    await until(async () => {
      const stat = await readFile(`/proc/${this.#child.pid}/stat`, 'utf8');
      return parseProcessStat(stat).state === 'T';
    }, 'the process is stopped');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await until(() => this.#isEnded, 'the process has ended');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isEnded) await this.kill();
  }

  #order(order: Order): void {
    this.#child.send(order);
  }

  #count(kind: Told['kind']): number {
    return this.#told.filter((told) => told.kind === kind).length;
  }

  async #hears(kind: Told['kind']): Promise<void> {
    await until(() => this.#count(kind) > 0 || this.#isEnded, `the process says ${kind}`);
    if (this.#count(kind) === 0) throw new Error(`The process ended before it said ${kind}.`);
  }
}
