// One node of `up --nodes`: a child process of this one, with what it said of itself last. It talks
// in lines of JSON on its standard output; its standard input is a pipe that ends with this
// process, so that it never runs on when nobody watches it.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** What a node says when it serves. */
export type NodeReady = {
  readonly url: string;
  readonly binary_url: string;
  readonly peer: string;
};

/** What a node says when its part changes. */
export type NodeRoleLine = {
  readonly role: string;
  readonly reason: string;
  readonly epoch: number;
  readonly position: number;
};

/**
 * Memory in pages of 2 MiB where the system has them. The lock and the connections of a killed
 * process are free only when its memory is: for a gigabyte in small pages that takes 150 ms, for
 * large ones 40. Read by the C library when a process starts, so a node cannot ask for it itself.
 */
const LARGE_PAGES = 'glibc.malloc.hugetlb=1';

export type NodeEnd = { readonly exitCode: number | null; readonly signal: string | null };

export type NodeListener = {
  ready(child: NodeChild): void;
  role(child: NodeChild, before: string): void;
  ended(child: NodeChild, end: NodeEnd): void;
};

export type NodeSpawn = {
  readonly name: string;
  readonly parameters: readonly string[];
  /** Where its standard error goes: a descriptor, or this process's own. */
  readonly stderr: number | 'inherit';
  readonly listener: NodeListener;
};

export class NodeChild {
  readonly name: string;
  readonly startedMs = performance.now();
  readonly #child: ChildProcess;
  readonly #listener: NodeListener;
  #ready: NodeReady | undefined;
  #role: NodeRoleLine = { role: 'starting', reason: '', epoch: 0, position: 0 };
  #end: NodeEnd | undefined;

  constructor({ name, parameters, stderr, listener }: NodeSpawn) {
    this.name = name;
    this.#listener = listener;
    const program = process.argv[1] ?? '';
    const all = [...process.execArgv, program, 'up', '--node', name, '--supervised', '--json'];
    this.#child = spawn(process.execPath, [...all, ...parameters], {
      stdio: ['pipe', 'pipe', stderr],
      env: { ...process.env, GLIBC_TUNABLES: process.env['GLIBC_TUNABLES'] ?? LARGE_PAGES },
    });
    // It is never written to; that its other end is gone is told by `exit`.
    this.#child.stdin?.on('error', () => undefined);
    const lines = createInterface({ input: this.#child.stdout! });
    lines.on('line', (line) => this.#heard(line));
    this.#child.once('exit', (exitCode, signal) => this.#ended({ exitCode, signal }));
    this.#child.once('error', () => this.#ended({ exitCode: 1, signal: null }));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Undefined until it serves. */
  get ready(): NodeReady | undefined {
    return this.#ready;
  }

  get role(): NodeRoleLine {
    return this.#role;
  }

  get isLeading(): boolean {
    return this.#end === undefined && this.#role.role === 'leading';
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#end === undefined) this.#child.kill(signal);
  }

  #ended(end: NodeEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#listener.ended(this, end);
  }

  #heard(line: string): void {
    if (this.#end !== undefined) return;
    const said = parsed(line);
    if (said === undefined) return;
    const before = this.#role.role;
    if (said.event === 'ready') this.#ready = said;
    if (said.event === 'ready' || said.event === 'role') {
      const { role, reason, epoch, position } = said;
      this.#role = { role, reason, epoch, position };
      this.#listener.role(this, before);
    }
    if (said.event === 'ready') this.#listener.ready(this);
  }
}

type Said = NodeReady & NodeRoleLine & { readonly event: string };

function parsed(line: string): Said | undefined {
  try {
    const said = JSON.parse(line) as Said | null;
    return typeof said?.event === 'string' ? said : undefined;
  } catch {
    return undefined;
  }
}
