// The PostgreSQL cluster under test: its servers are killed, frozen and started again here, and
// looked at past the driver. Each test has a database of its own in it.

import { randomBytes } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { engineUp } from '../../../deploy/engines/control.ts';
import { type Place, portOf } from '../../../deploy/engines/place.ts';
import { postgres } from '../../../deploy/engines/postgres.ts';
import { hasEnded, markOf, signalProcess } from '../../../deploy/engines/processes.ts';
import { processOf } from '../../../deploy/engines/servers.ts';
import { parseProcessStat } from '../../../src/base/process-stat.ts';
import type { EngineJournalOptions } from '../../../src/drivers/engine-options.ts';
import { createJournal } from '../../../src/drivers/postgres/driver.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { placeUnderTest } from '../place-variable.ts';

const END_MS_MAX = 10_000;
const QUERY_MS_MAX = 30_000;

export type ServerName = 'n1' | 'n2' | 'n3';

export class Cluster {
  readonly place: Place;

  constructor(place: Place) {
    this.place = place;
  }

  static async find(): Promise<Cluster> {
    return new Cluster(await placeUnderTest());
  }

  get names(): readonly ServerName[] {
    return ['n1', 'n2', 'n3'];
  }

  portOf(name: ServerName): number {
    return portOf(this.place, name, 'client');
  }

  /** The whole server at once. A kill needs the first process only: the others follow it. */
  async signal(name: ServerName, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const mark = await processOf(this.place, name);
    if (mark === undefined) throw new Error(`${name} was never started.`);
    const children = signal === 'SIGKILL' ? [] : await childrenOf(mark.pid);
    await signalProcess(mark, signal);
    for (const pid of children) {
      const child = await markOf(pid);
      if (child !== undefined) await signalProcess(child, signal);
    }
    if (signal === 'SIGKILL' && !(await hasEnded(mark, END_MS_MAX))) {
      throw new Error(`${name} does not end.`);
    }
  }

  /** Started again in place, and answering. */
  async start(name: ServerName): Promise<void> {
    const only = { ...postgres, servers: [name], isUsable: () => true };
    const answers = async (): Promise<string | undefined> =>
      this.sql(name, 'select 1').then(
        () => 'it answers',
        () => undefined,
      );
    await engineUp({ ...only, ask: answers }, this.place.folder, 0);
  }

  /** A server that is killed next replays only what is written from now on. */
  async shortenRecovery(): Promise<void> {
    for (const name of this.names) await this.sql(name, 'checkpoint');
  }

  /** Whatever was done to it, afterwards it is whole. */
  async mend(): Promise<void> {
    for (const name of this.names) await this.signal(name, 'SIGCONT');
    await engineUp(postgres, this.place.folder, 0);
  }

  /** As the superuser; in the maintenance database where none is named. */
  async sql(
    name: ServerName,
    text: string,
    database = 'postgres',
  ): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: this.portOf(name),
      user: 'postgres',
      password: '',
      database,
      ssl: false,
      query_timeout: QUERY_MS_MAX,
      connectionTimeoutMillis: END_MS_MAX,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** A journal of its own, each server behind a proxy of its own. */
  async journal(): Promise<ProxiedJournal> {
    const proxies = new Map<ServerName, TcpProxy>();
    for (const name of this.names) proxies.set(name, await TcpProxy.start(this.portOf(name)));
    return new ProxiedJournal(this, proxies);
  }
}

export class ProxiedJournal implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly proxies: ReadonlyMap<ServerName, TcpProxy>;
  readonly database = `journal_${randomBytes(6).toString('hex')}`;
  readonly warnings: string[] = [];
  readonly #drivers: Journal[] = [];

  constructor(cluster: Cluster, proxies: ReadonlyMap<ServerName, TcpProxy>) {
    this.cluster = cluster;
    this.proxies = proxies;
  }

  /** A driver behind the proxies. It is closed with the journal. */
  attach(changes: Partial<EngineJournalOptions> = {}): Journal {
    const driver = createJournal({
      hosts: [...this.proxies.values()].map(({ port }) => ({ host: '127.0.0.1', port })),
      user: 'holdfast',
      password: '',
      name: this.database,
      parameters: {},
      waived: [],
      log: (level, text) => level === 'warning' && this.warnings.push(text),
      ...changes,
    });
    this.#drivers.push(driver);
    return driver;
  }

  attachPastProxies(changes: Partial<EngineJournalOptions> = {}): Journal {
    const hosts = this.cluster.names.map((name) => ({
      host: '127.0.0.1',
      port: this.cluster.portOf(name),
    }));
    return this.attach({ hosts, ...changes });
  }

  proxy(name: ServerName): TcpProxy {
    return this.proxies.get(name)!;
  }

  async sql(name: ServerName, text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return await this.cluster.sql(name, text, this.database);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#drivers.map((driver) => driver.close()));
    for (const proxy of this.proxies.values()) await proxy[Symbol.asyncDispose]();
  }

  /** Where the cluster is whole again: nothing of it stays. */
  async drop(): Promise<void> {
    await this[Symbol.asyncDispose]();
    await this.cluster.sql('n1', `drop database if exists ${this.database} with (force)`);
  }
}

/** The processes that a server's first process has started: each is a session of its own. */
async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  const found: number[] = [];
  for (const pid of pids) {
    const text = await readFile(join('/proc', pid, 'stat'), 'utf8').catch(() => '');
    if (parseProcessStat(text).parentPid === parent) found.push(Number(pid));
  }
  return found;
}
