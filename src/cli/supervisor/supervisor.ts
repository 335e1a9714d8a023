// `holdfast up --nodes N`: starts N nodes of one cluster as child processes, starts again what
// ends, and stops all of them in order. It decides nothing about money and nothing about who leads:
// without it the nodes go on as they are told from outside.

import { type NodeEnd, NodeChild, type NodeListener } from './node-child.ts';

/** Between the end of a node and its next start: doubled with each end that comes soon. */
const AGAIN_MS_MIN = 200;
const AGAIN_MS_MAX = 5000;
/** After so long a run an end is taken for the first. */
const STEADY_MS = 10_000;
/** Ports that were free once may be somebody else's now. */
const PORTS_TRIED = 3;
/** A node that was told to stop and does not is killed, so long after its own drain time. */
const STOP_GRACE_MS = 5000;

export type NodePorts = { readonly port: number; readonly binary: number; readonly peer: number };

export type SupervisorEvents = {
  /** Every node has served once, and one leads. Once. */
  allReady(children: readonly NodeChild[]): void;
  /** A node ended although nobody told it to; `againMs` = when it is started again. */
  lost(child: NodeChild, end: NodeEnd, lost: { readonly led: boolean; againMs: number }): void;
  back(child: NodeChild, tookMs: number): void;
  /** `pausedMs`: since the leader before was lost or let go; undefined at the first one. */
  leader(child: NodeChild, pausedMs: number | undefined): void;
  /** A node could not start at all, before all of them had. */
  startFailed(child: NodeChild, end: NodeEnd): void;
};

export type SupervisorOptions = {
  /** Name and ports of each node; port 0 = any free one, which it then keeps. */
  readonly nodes: ReadonlyMap<string, NodePorts>;
  readonly parametersOf: (name: string, ports: NodePorts) => readonly string[];
  readonly stderrOf: (name: string) => number | 'inherit';
  readonly drainMs: number;
  readonly events: SupervisorEvents;
};

type Place = {
  readonly name: string;
  ports: NodePorts;
  child: NodeChild | undefined;
  /** Ends that came soon after their start, one after the other. */
  failures: number;
  /** Starts, one after the other, in which it did not come to serve. */
  unserved: number;
  endedMs: number;
  timer: NodeJS.Timeout | undefined;
};

export class Supervisor implements NodeListener {
  readonly #options: SupervisorOptions;
  readonly #places: Place[];
  #isStopping = false;
  #wasAllReady = false;
  #leader: NodeChild | undefined;
  #leaderGoneMs: number | undefined;
  readonly #ended = new Set<() => void>();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#places = [...options.nodes].map(([name, ports]) => ({
      name,
      ports,
      child: undefined,
      failures: 0,
      unserved: 0,
      endedMs: 0,
      timer: undefined,
    }));
  }

  start(): void {
    for (const place of this.#places) this.#start(place);
  }

  /** Standbys first, so that the leader hands over to nobody. Resolves when all have ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const { timer } of this.#places) clearTimeout(timer);
    const leader = this.#children().find((child) => child.isLeading);
    await this.#stopThese(this.#children().filter((child) => child !== leader));
    if (leader !== undefined) await this.#stopThese([leader]);
  }

  /** At once; `stop` then ends too. */
  killAll(): void {
    this.#isStopping = true;
    for (const child of this.#children()) child.kill('SIGKILL');
  }

  /** Hands a signal on to every node. */
  signal(signal: NodeJS.Signals): void {
    for (const child of this.#children()) child.kill(signal);
  }

  ready(child: NodeChild): void {
    const place = this.#placeOf(child);
    const { url, binary_url: binary, peer } = child.ready!;
    place.ports = { port: portOf(url), binary: portOf(binary), peer: portOf(`tcp://${peer}`) };
    if (place.endedMs > 0) this.#options.events.back(child, performance.now() - place.endedMs);
    this.#tellWhenAllReady();
  }

  role(child: NodeChild, before: string): void {
    if (child.isLeading && this.#leader !== child) {
      const goneMs = this.#leaderGoneMs;
      const isFirst = this.#leader === undefined && goneMs === undefined;
      this.#leader = child;
      this.#leaderGoneMs = undefined;
      const pausedMs = goneMs === undefined ? undefined : performance.now() - goneMs;
      if (!isFirst || this.#wasAllReady) this.#options.events.leader(child, pausedMs);
      this.#tellWhenAllReady();
    } else if (before === 'leading' && !child.isLeading && this.#leader === child) {
      this.#leaderGone();
    }
  }

  ended(child: NodeChild, end: NodeEnd): void {
    const place = this.#placeOf(child);
    const led = this.#leader === child;
    if (led) this.#leaderGone();
    for (const heard of this.#ended) heard();
    if (this.#isStopping) return;
    const { events } = this.#options;
    if (!this.#wasAllReady && child.ready === undefined && end.signal === null) {
      events.startFailed(child, end);
      return;
    }
    place.endedMs = performance.now();
    const isSteady = place.endedMs - child.startedMs >= STEADY_MS;
    place.failures = isSteady ? 1 : place.failures + 1;
    place.unserved = child.ready === undefined ? place.unserved + 1 : 0;
    const againMs = Math.min(AGAIN_MS_MIN * 2 ** (place.failures - 1), AGAIN_MS_MAX);
    events.lost(child, end, { led, againMs });
    place.timer = setTimeout(() => this.#start(place), againMs);
  }

  #leaderGone(): void {
    this.#leader = undefined;
    this.#leaderGoneMs = performance.now();
  }

  #start(place: Place): void {
    const first = this.#options.nodes.get(place.name)!;
    // Callers know a node by its ports: they are given up only where it cannot have them any more.
    if (place.unserved >= PORTS_TRIED && first.port === 0) place.ports = first;
    place.child = new NodeChild({
      name: place.name,
      parameters: this.#options.parametersOf(place.name, place.ports),
      stderr: this.#options.stderrOf(place.name),
      listener: this,
    });
  }

  #tellWhenAllReady(): void {
    if (this.#wasAllReady || this.#leader === undefined) return;
    const children = this.#children();
    const isEvery = children.every(({ ready }) => ready !== undefined);
    if (!isEvery || children.length < this.#places.length) return;
    this.#wasAllReady = true;
    this.#options.events.allReady(children);
  }

  async #stopThese(children: readonly NodeChild[]): Promise<void> {
    for (const child of children) child.kill('SIGTERM');
    const timer = setTimeout(() => {
      for (const child of children) child.kill('SIGKILL');
    }, this.#options.drainMs + STOP_GRACE_MS);
    while (children.some(({ hasEnded }) => !hasEnded)) await this.#nextEnd();
    clearTimeout(timer);
  }

  #nextEnd(): Promise<void> {
    return new Promise((resolve) => {
      const heard = (): void => {
        this.#ended.delete(heard);
        resolve();
      };
      this.#ended.add(heard);
    });
  }

  #children(): NodeChild[] {
    const children = this.#places.flatMap(({ child }) => (child === undefined ? [] : [child]));
    return children.filter(({ hasEnded }) => !hasEnded);
  }

  #placeOf({ name }: NodeChild): Place {
    return this.#places.find((place) => place.name === name)!;
  }
}

function portOf(url: string): number {
  return Number(new URL(url.replace(/^holdfast/, 'http').replace(/^tcp/, 'http')).port);
}
