// Network namespaces for the servers of an engine, each with an address of its own on one bridge:
// what a cable that is pulled, or a switch that forgets some of its ports, does to them. The nodes
// stay outside, on the bridge's side. Wants root.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { PlaceNetwork } from '../../../deploy/engines/place.ts';

const run = promisify(execFile);

/** Of 10.128.0.0/9; another run on the machine has another process number. */
const NETS = 32_768;
const FIRST_HOST = 11;

export class Namespaces implements AsyncDisposable {
  readonly network: PlaceNetwork;
  readonly #bridge: string;
  readonly #names: readonly string[];

  private constructor(bridge: string, names: readonly string[], network: PlaceNetwork) {
    this.#bridge = bridge;
    this.#names = names;
    this.network = network;
  }

  static async make(servers: readonly string[]): Promise<Namespaces> {
    if (process.getuid?.() !== 0) {
      throw new Error('Cutting the members of an engine from each other wants root.');
    }
    const net = process.pid % NETS;
    const prefix = `10.${128 + (net >> 8)}.${net & 255}`;
    const bridge = `hf${net}`;
    const network = Object.fromEntries(
      servers.map((server, index) => [
        server,
        { namespace: `${bridge}-${server}`, address: `${prefix}.${FIRST_HOST + index}` },
      ]),
    );
    const made = new Namespaces(bridge, servers, network);
    try {
      await ip('link', 'add', bridge, 'type', 'bridge');
      await ip('addr', 'add', `${prefix}.1/24`, 'dev', bridge);
      await ip('link', 'set', bridge, 'up');
      for (const server of servers) await made.#add(server);
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
    return made;
  }

  /** From the other servers of the engine, both ways; clients still reach it. */
  async cut(server: string): Promise<void> {
    for (const other of this.#names) {
      if (other === server) continue;
      await this.#blackhole('replace', server, other);
      await this.#blackhole('replace', other, server);
    }
  }

  /** From everybody. */
  async isolate(server: string): Promise<void> {
    await ip('link', 'set', this.#cable(server), 'down');
  }

  async heal(): Promise<void> {
    for (const server of this.#names) {
      await ip('link', 'set', this.#cable(server), 'up');
      for (const other of this.#names) {
        if (other !== server) await this.#blackhole('del', server, other).catch(() => undefined);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { namespace } of Object.values(this.network)) {
      await ip('netns', 'del', namespace).catch(() => undefined);
    }
    await ip('link', 'del', this.#bridge).catch(() => undefined);
  }

  async #add(server: string): Promise<void> {
    const { namespace, address } = this.network[server]!;
    const cable = this.#cable(server);
    await ip('netns', 'add', namespace);
    await ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    await ip('link', 'set', cable, 'master', this.#bridge);
    await ip('link', 'set', cable, 'up');
    await ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    await ip('-n', namespace, 'link', 'set', 'lo', 'up');
    await ip('-n', namespace, 'link', 'set', 'eth0', 'up');
  }

  async #blackhole(verb: 'replace' | 'del', server: string, other: string): Promise<void> {
    const { namespace } = this.network[server]!;
    const { address } = this.network[other]!;
    await ip('-n', namespace, 'route', verb, 'blackhole', `${address}/32`);
  }

  #cable(server: string): string {
    return `${this.#bridge}v${this.#names.indexOf(server)}`;
  }
}

async function ip(...parameters: readonly string[]): Promise<void> {
  await run('ip', parameters);
}
