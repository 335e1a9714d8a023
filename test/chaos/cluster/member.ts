// One node of the cluster under test: its processes, one after the other, each started here, so
// that signals go to pids that are known.

import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ended, type Ready, SpawnedNode } from '../../support/spawned-node.ts';

const PROCESS_MS_MAX = 3_600_000;
const ENDED_MS_MAX = 30_000;

export type MemberOptions = {
  readonly name: string;
  readonly data: string;
  readonly ports: { readonly http: number; readonly binary: number; readonly peer: number };
  readonly settings: Readonly<Record<string, string>>;
  /** What its processes write to standard error. */
  readonly logFile: string;
};

/** How a process ended that nobody here had ended. */
export type OwnEnd = { readonly exitCode: number | null; readonly signal: string | null };

export class Member {
  readonly name: string;
  readonly url: string;
  readonly binaryUrl: string;
  readonly #options: MemberOptions;
  #node: SpawnedNode | undefined;
  #isEnding = false;
  #role = 'stopped';
  /** Of its last word on its part. */
  epoch = 0;
  /** Ends that nobody here asked for, since they were looked at last. */
  readonly ownEnds: OwnEnd[] = [];

  constructor(options: MemberOptions) {
    const { name, ports } = options;
    this.name = name;
    this.#options = options;
    this.url = `http://127.0.0.1:${ports.http}`;
    this.binaryUrl = `holdfast://127.0.0.1:${ports.binary}`;
  }

  get isRunning(): boolean {
    return this.#node !== undefined;
  }

  get role(): string {
    return this.isRunning ? this.#role : 'stopped';
  }

  /** Starts a process; its end is noted, whenever it comes. */
  begin(): SpawnedNode {
    if (this.#node !== undefined) throw new Error(`${this.name} is running.`);
    const { data, name, ports, settings } = this.#options;
    this.#isEnding = false;
    this.#role = 'starting';
    const node = new SpawnedNode({
      data,
      port: ports.http,
      binaryPort: ports.binary,
      member: { name, peerPort: ports.peer },
      settings,
      lifeMsMax: PROCESS_MS_MAX,
      onLine: ({ role, epoch }) => {
        if (this.#node !== node) return;
        this.#role = role ?? this.#role;
        this.epoch = epoch ?? this.epoch;
      },
    });
    this.#node = node;
    void node.ended.then((ended) => this.#ended(node, ended));
    return node;
  }

  async start(): Promise<Ready> {
    return await this.begin().ready();
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#node?.signal(signal);
  }

  async kill(): Promise<void> {
    this.#isEnding = true;
    await this.#node?.end('SIGKILL');
  }

  /** As an operator stops it: requests under way finish. */
  async stop(): Promise<void> {
    const node = this.#node;
    if (node === undefined) return;
    this.#isEnding = true;
    const { signal, exitCode } = await node.end('SIGTERM');
    if (exitCode !== 0) this.ownEnds.push({ signal, exitCode });
  }

  /** Resolves when its process is gone; it is to end by itself, or by another node. */
  async ended(): Promise<void> {
    const node = this.#node;
    if (node === undefined) return;
    const timer = new AbortController();
    const late = sleep(ENDED_MS_MAX, 'late', { signal: timer.signal }).catch(() => 'late');
    const first = await Promise.race([node.ended.then(() => 'ended'), late]);
    timer.abort();
    if (first === 'late') throw new Error(`${this.name} should have ended and has not.`);
  }

  #ended(node: SpawnedNode, { exitCode, signal, stdout, stderr }: Ended): void {
    const { name, logFile } = this.#options;
    const how = `${name} ended: ${signal ?? exitCode}, asked for: ${this.#isEnding}`;
    appendFileSync(logFile, `${stdout}${stderr}== ${how}\n`);
    if (this.#node === node) this.#node = undefined;
    if (!this.#isEnding) this.ownEnds.push({ exitCode, signal });
  }
}
