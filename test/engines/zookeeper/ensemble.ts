// The ensemble under test: its servers are killed, frozen and started again here, and looked at
// past the driver.

import { randomUUID } from 'node:crypto';
import { engineUp } from '../../../deploy/engines/control.ts';
import { type Place, portOf } from '../../../deploy/engines/place.ts';
import { hasEnded, signalProcess } from '../../../deploy/engines/processes.ts';
import { processOf } from '../../../deploy/engines/servers.ts';
import { zookeeper } from '../../../deploy/engines/zookeeper.ts';
import { createCoordinator } from '../../../src/drivers/zookeeper/driver.ts';
import { ZooKeeperSession } from '../../../src/drivers/zookeeper/session.ts';
import type { Coordinator } from '../../../src/ports/coordinator.ts';
import type { ClusterUnderTest } from '../../conformance/coordinator/harness.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { until } from '../../support/until.ts';
import { placeUnderTest } from '../place-variable.ts';

const END_MS_MAX = 10_000;

export class Ensemble {
  readonly #place: Place;

  private constructor(place: Place) {
    this.#place = place;
  }

  static async find(): Promise<Ensemble> {
    return new Ensemble(await placeUnderTest());
  }

  get names(): readonly string[] {
    return zookeeper.servers;
  }

  portOf(name: string): number {
    return portOf(this.#place, name, 'client');
  }

  async signal(name: string, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const mark = await processOf(this.#place, name);
    if (mark === undefined) throw new Error(`${name} was never started.`);
    await signalProcess(mark, signal);
    if (signal === 'SIGKILL' && !(await hasEnded(mark, END_MS_MAX))) {
      throw new Error(`${name} does not end.`);
    }
  }

  /** Its own leader. */
  async leader(): Promise<string> {
    for (const name of this.names) {
      if ((await zookeeper.ask(this.#place, name)) === 'leader') return name;
    }
    throw new Error('The ensemble has no leader.');
  }

  /** Whatever was done to it, afterwards it is whole. */
  async mend(): Promise<void> {
    for (const name of this.names) await this.signal(name, 'SIGCONT');
    // Every server in its place again, a thawed one too: ZooKeeper survives one failure at a time.
    await engineUp(zookeeper, this.#place.folder, 0);
  }

  /** A cluster of its own in the ensemble, each server behind a proxy of its own. */
  async cluster(sessionMs: number): Promise<ProxiedCluster> {
    const proxies = new Map<string, TcpProxy>();
    for (const name of this.names) proxies.set(name, await TcpProxy.start(this.portOf(name)));
    return new ProxiedCluster(this, proxies, sessionMs);
  }
}

export class ProxiedCluster implements ClusterUnderTest {
  readonly ensemble: Ensemble;
  readonly proxies: ReadonlyMap<string, TcpProxy>;
  readonly #sessionMs: number;
  readonly path = `/holdfast-test/${randomUUID()}`;

  constructor(ensemble: Ensemble, proxies: ReadonlyMap<string, TcpProxy>, sessionMs: number) {
    this.ensemble = ensemble;
    this.proxies = proxies;
    this.#sessionMs = sessionMs;
  }

  /** Past the proxies. */
  get choice() {
    const servers = this.ensemble.names.map((name) => `127.0.0.1:${this.ensemble.portOf(name)}`);
    const options = { servers, path: this.path, sessionMs: this.#sessionMs };
    return { driver: 'zookeeper', options } as const;
  }

  create(): Coordinator {
    const servers = [...this.proxies.values()].map(({ port }) => `127.0.0.1:${port}`);
    return createCoordinator({ ...this.choice.options, servers, log: () => undefined });
  }

  createPastProxies(): Coordinator {
    return createCoordinator({ ...this.choice.options, log: () => undefined });
  }

  /** The server that the only coordinator behind the proxies is connected to. */
  async connectedTo(): Promise<string> {
    let found: string | undefined;
    await until(() => {
      const connected = [...this.proxies].filter(([, { connections }]) => connections > 0);
      found = connected.length === 1 ? connected[0]?.[0] : undefined;
      return found !== undefined;
    }, 'a connection');
    return found!;
  }

  hold(mode: 'hold' | 'pass'): void {
    for (const proxy of this.proxies.values()) {
      proxy.mode = mode;
      if (mode === 'pass') proxy.cut();
    }
  }

  /** What stands in the tree, by a session of its own. */
  async look<Result>(body: (session: ZooKeeperSession) => Promise<Result>): Promise<Result> {
    const connected = Promise.withResolvers<void>();
    const session = new ZooKeeperSession(
      {
        servers: this.ensemble.names.map((name) => ({
          host: '127.0.0.1',
          port: this.ensemble.portOf(name),
        })),
        sessionMs: 5000,
        path: this.path,
        onConnected: () => connected.resolve(),
        onDisconnected: () => undefined,
        onExpired: (reason) => connected.reject(new Error(reason)),
        onEvent: () => undefined,
      },
      0,
    );
    try {
      await connected.promise;
      await session.sync();
      return await body(session);
    } finally {
      await session.close();
    }
  }

  async line(): Promise<string[]> {
    return await this.look((session) => session.children(`${this.path}/line`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of this.proxies.values()) await proxy[Symbol.asyncDispose]();
  }
}
