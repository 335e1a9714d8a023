// A cluster of our own: `holdfast up --nodes N --json` as a child process, and what it tells of its
// nodes. Only nodes that it named are ever signalled, by their number.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export type DemoNode = {
  readonly node: string;
  readonly pid: number;
  readonly url: string;
  readonly binary_url: string;
};

/** A line of the supervisor; which fields there are depends on `event`. */
export type ClusterEvent = {
  readonly event: 'ready' | 'node_lost' | 'node_back' | 'leader' | 'stopped';
  readonly node: string;
  readonly pid: number;
  readonly epoch: number;
  readonly signal: string | null;
  readonly exit_code: number | null;
  readonly without_leader_ms?: number;
};

type ReadyEvent = {
  readonly leader: string;
  readonly api_key_file: string;
  readonly nodes: readonly DemoNode[];
};

export type ClusterOptions = {
  readonly folder: string;
  readonly nodes: number;
  /** Settings of the nodes; those of the caller's own environment are not handed on. */
  readonly settings: Readonly<Record<string, string>>;
  readonly onEvent: (event: ClusterEvent) => void;
};

const SHIM = fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url));
const WAIT_MS_MAX = 60_000;
const MESSAGES_KEPT = 40;

export class DemoCluster implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #onEvent: ClusterOptions['onEvent'];
  readonly #nodes = new Map<string, DemoNode>();
  readonly #up = new Set<string>();
  readonly #waiting = new Set<() => void>();
  readonly #messages: string[] = [];
  #keyFile = '';
  #leader: { readonly node: string; readonly epoch: number } | undefined;
  #ended = false;

  constructor({ folder, nodes, settings, onEvent }: ClusterOptions) {
    this.#onEvent = onEvent;
    mkdirSync(folder, { recursive: true });
    const parameters = ['up', '--nodes', String(nodes), '--port', '0', '--data', folder];
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HOLDFAST_'));
    const env = { ...Object.fromEntries(inherited), ...settings };
    this.#child = spawn(process.execPath, [SHIM, ...parameters, '--json', '--supervised'], {
      // It ends with this process, whatever happens to it.
      stdio: ['pipe', 'pipe', 'pipe'],
      env,
    });
    this.#child.stdin?.on('error', () => undefined);
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.#heard(line));
    const log = createWriteStream(join(folder, 'demo.log'), { flags: 'a' });
    this.#child.once('close', () => log.end());
    createInterface({ input: this.#child.stderr! }).on('line', (line) => {
      log.write(`${line}\n`);
      this.#messages.push(line);
      if (this.#messages.length > MESSAGES_KEPT) this.#messages.shift();
    });
    this.#child.once('exit', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  get leader(): { readonly node: string; readonly epoch: number } | undefined {
    return this.#leader;
  }

  get nodes(): readonly DemoNode[] {
    return [...this.#nodes.values()];
  }

  async key(): Promise<string> {
    return (await readFile(this.#keyFile, 'utf8')).trim();
  }

  async ready(): Promise<void> {
    await this.#until(() => this.#nodes.size > 0 && this.#leader !== undefined, 'the nodes');
  }

  /** Kills whoever leads, with SIGKILL; tells who it was. */
  async killLeader(): Promise<DemoNode> {
    const { node } = await this.settled();
    this.#leader = undefined;
    this.#up.delete(node.node);
    process.kill(node.pid, 'SIGKILL');
    return node;
  }

  /** All nodes serve and one leads. */
  async settled(): Promise<{ readonly node: DemoNode; readonly epoch: number }> {
    const isSettled = (): boolean =>
      this.#leader !== undefined && this.#up.size === this.#nodes.size;
    await this.#until(isSettled, 'all nodes to serve');
    const { node, epoch } = this.#leader!;
    return { node: this.#nodes.get(node)!, epoch };
  }

  /** Somebody leads in an epoch higher than this one. */
  async leaderAfter(epoch: number): Promise<string> {
    await this.#until(() => (this.#leader?.epoch ?? 0) > epoch, 'another leader');
    return this.#leader!.node;
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (this.#ended) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    const timer = setTimeout(() => this.#wake(), WAIT_MS_MAX);
    const deadlineMs = performance.now() + WAIT_MS_MAX;
    try {
      while (!condition()) {
        if (this.#ended || performance.now() >= deadlineMs - 1) {
          const why = this.#ended ? 'the cluster ended' : 'not in time';
          throw new Error(`Waited for ${what}: ${why}.\n  ${this.#messages.join('\n  ')}`);
        }
        await new Promise<void>((resolve) => this.#waiting.add(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }

  #heard(line: string): void {
    const event = JSON.parse(line) as ClusterEvent;
    switch (event.event) {
      case 'ready':
        this.#allReady(JSON.parse(line) as ReadyEvent & ClusterEvent);
        break;
      case 'node_back':
        this.#nodes.set(event.node, JSON.parse(line) as DemoNode);
        this.#up.add(event.node);
        break;
      case 'node_lost':
        this.#up.delete(event.node);
        if (this.#leader?.node === event.node) this.#leader = undefined;
        break;
      case 'leader':
        this.#leader = { node: event.node, epoch: event.epoch };
        break;
      case 'stopped':
        break;
    }
    this.#onEvent(event);
    this.#wake();
  }

  #allReady({ leader, nodes, api_key_file: file }: ReadyEvent): void {
    this.#keyFile = file;
    for (const node of nodes) {
      this.#nodes.set(node.node, node);
      this.#up.add(node.node);
    }
    this.#leader = { node: leader, epoch: 0 };
  }
}
