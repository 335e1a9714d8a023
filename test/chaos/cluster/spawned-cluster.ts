// Three nodes of one cluster on one data folder, as real processes, with wires between them that
// can be cut (peer-wires.ts). Their addresses stay the same when they are started again.

import { mkdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Prng } from '../../../src/base/prng.ts';
import type { JsonObject } from '../../../src/client/wire.ts';
import { Member } from './member.ts';
import { PeerWires } from './peer-wires.ts';

export const NODE_NAMES = ['node-1', 'node-2', 'node-3'] as const;

const WHOLE_MS_MAX = 60_000;
const LOOK_MS = 20;
/** More than a request's own deadline. */
const ANSWER_MS_MAX = 12_000;
const LAG_MAX = 200;

/**
 * Checkpoints and discards often, so that faults hit them as well. The judge reads what was
 * discarded too.
 */
const SETTINGS = {
  HOLDFAST_CHECKPOINT_JOURNAL_BYTES: String(2 * 1024 * 1024),
  HOLDFAST_CHECKPOINTS_KEPT: '2',
  HOLDFAST_JOURNAL_SEGMENT_BYTES: String(2 * 1024 * 1024),
};

export type SpawnedClusterOptions = {
  /** Its folder `data` is the nodes'. */
  readonly folder: string;
  /** What the nodes wrote is kept here. */
  readonly logs: string;
  readonly settings?: Readonly<Record<string, string>>;
  /** Further settings of one node. */
  readonly settingsOf?: (name: string) => Readonly<Record<string, string>>;
};

export class SpawnedCluster implements AsyncDisposable {
  readonly folder: string;
  readonly data: string;
  readonly members: readonly Member[];
  readonly wires: PeerWires;
  key = '';

  private constructor(folder: string, members: readonly Member[], wires: PeerWires) {
    this.folder = folder;
    this.data = join(folder, 'data');
    this.members = members;
    this.wires = wires;
  }

  static async start(options: SpawnedClusterOptions): Promise<SpawnedCluster> {
    const { folder, logs, settings = {}, settingsOf = () => ({}) } = options;
    mkdirSync(logs, { recursive: true });
    const ports = await freePorts(NODE_NAMES.length * 3);
    const portsOf = (index: number) => {
      const [http, binary, peer] = ports.slice(index * 3, index * 3 + 3) as [
        number,
        number,
        number,
      ];
      return { http, binary, peer };
    };
    const peerPorts = new Map(NODE_NAMES.map((name, index) => [name, portsOf(index).peer]));
    const wires = await PeerWires.start(peerPorts);
    const members = NODE_NAMES.map(
      (name, index) =>
        new Member({
          name,
          data: join(folder, 'data'),
          ports: portsOf(index),
          settings: {
            ...SETTINGS,
            ...settings,
            ...settingsOf(name),
            HOLDFAST_PEER_ADDRESS: wires.addressOf(name),
          },
          logFile: join(logs, `${name}.log`),
        }),
    );
    const cluster = new SpawnedCluster(folder, members, wires);
    try {
      const [first] = await Promise.all(members.map((member) => member.start()));
      cluster.key = (await readFile(first!.api_key_file, 'utf8')).trim();
      await cluster.untilWhole();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** By their own word; the one of the highest epoch where an older one has not noticed yet. */
  get leader(): Member | undefined {
    return this.members
      .filter(({ role }) => role === 'leading')
      .sort((a, b) => b.epoch - a.epoch)[0];
  }

  get standbys(): readonly Member[] {
    const { leader } = this;
    return this.members.filter((member) => member !== leader && member.isRunning);
  }

  get epoch(): number {
    return Math.max(...this.members.map(({ epoch }) => epoch));
  }

  async untilLed(): Promise<Member> {
    return await this.#until(() => this.leader, 'somebody to lead');
  }

  /** Resolves when another node leads than `before`. */
  async untilLedByAnother(before: Member): Promise<Member> {
    return await this.#until(() => {
      const { leader } = this;
      return leader === before ? undefined : leader;
    }, `a successor of ${before.name}`);
  }

  /**
   * Starts what does not run, as a supervisor would, and resolves when everybody sees everybody and
   * one leads.
   */
  async untilWhole(): Promise<void> {
    let trouble = '';
    await this.#until(
      async () => {
        const missing = this.members.filter(({ isRunning }) => !isRunning);
        for (const member of missing) member.begin();
        trouble = (await Promise.all(this.members.map((member) => this.#troubleOf(member)))).join(
          '',
        );
        return trouble === '' ? this.leader : undefined;
      },
      `the cluster to be whole`,
      () => trouble,
    );
  }

  /** A plain call to one node; undefined when it does not answer. */
  async ask(
    member: Member,
    method: 'GET' | 'POST',
    path: string,
    body?: object,
  ): Promise<{ readonly status: number; readonly body: JsonObject } | undefined> {
    const headers = new Headers({ authorization: `Bearer ${this.key}` });
    if (body !== undefined) headers.set('content-type', 'application/json');
    try {
      const response = await fetch(new URL(path, member.url), {
        method,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      });
      return { status: response.status, body: (await response.json()) as JsonObject };
    } catch {
      return undefined;
    }
  }

  async stop(): Promise<void> {
    for (const member of this.members) await member.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.members) member.signal('SIGCONT');
    await Promise.all(this.members.filter((m) => m.isRunning).map((member) => member.kill()));
    await this.wires[Symbol.asyncDispose]();
  }

  /** Nothing, or what is missing for the cluster to be whole by this node's word. */
  async #troubleOf(member: Member): Promise<string> {
    const { name } = member;
    if (!member.isRunning) return `${name} does not run; `;
    const answer = await this.ask(member, 'GET', '/v1/cluster');
    if (answer?.status !== 200) return `${name} does not answer; `;
    const { leader, failover, members } = answer.body as {
      readonly leader: { readonly name: string } | null;
      readonly failover: { readonly on: boolean; readonly reason: string };
      readonly members: readonly JsonObject[];
    };
    const heard = members.filter(({ linked, state, lag }) => {
      return linked === true && state === 'running' && Number(lag ?? Infinity) <= LAG_MAX;
    });
    if (leader === null) return `${name} knows no leader; `;
    if (leader.name !== this.leader?.name) return `${name} takes ${leader.name} for the leader; `;
    if (!failover.on) return `${name}: failover is off: ${failover.reason}; `;
    if (heard.length === this.members.length) return '';
    return `${name} counts on ${heard.map((one) => String(one['name'])).join(', ')} only; `;
  }

  async #until<T>(
    look: () => T | undefined | Promise<T | undefined>,
    what: string,
    why: () => string = () => '',
  ): Promise<T> {
    const deadlineMs = performance.now() + WHOLE_MS_MAX;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (performance.now() > deadlineMs) {
        const roles = this.members.map(({ name, role, epoch }) => `${name} ${role} ${epoch}`);
        throw new Error(`not in time: ${what} (${roles.join(', ')}) ${why()}`);
      }
      await sleep(LOOK_MS);
    }
  }
}

/** Any of the members, or of some of them. */
export function anyOf<T>(random: Prng, members: readonly T[]): T {
  const found = members[random.below(members.length)];
  if (found === undefined) throw new Error('There is nobody to choose.');
  return found;
}

/** Free at this moment, all of them at once. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  const ports: number[] = [];
  for (const server of servers) {
    if (!server.listening) await once(server, 'listening');
    ports.push((server.address() as AddressInfo).port);
  }
  for (const server of servers) {
    server.close();
    await once(server, 'close');
  }
  return ports;
}
