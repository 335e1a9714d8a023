// The servers under test: killed, frozen, cut off and promoted here, and looked at past the driver.

import { randomUUID } from 'node:crypto';
import {
  type ServerView,
  type Row,
  viewOf,
  withRoot,
} from '../../../deploy/engines/mysql-roles.ts';
import { CLIENT_PASSWORD, CLIENT_USER } from '../../../deploy/engines/mysql-roles.ts';
import { mysql } from '../../../deploy/engines/mysql.ts';
import { engineUp } from '../../../deploy/engines/control.ts';
import { type Place, portOf } from '../../../deploy/engines/place.ts';
import { hasEnded, signalProcess } from '../../../deploy/engines/processes.ts';
import { processOf, startServer } from '../../../deploy/engines/servers.ts';
import type { EngineHost } from '../../../src/drivers/engine-options.ts';
import { createJournal } from '../../../src/drivers/mysql/driver.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { until } from '../../support/until.ts';
import { placeUnderTest } from '../place-variable.ts';

const END_MS_MAX = 10_000;

export type JournalChoice = {
  readonly database: string;
  readonly hosts?: readonly EngineHost[];
  readonly waived?: readonly string[];
  readonly user?: string;
  readonly password?: string;
  readonly parameters?: Readonly<Record<string, string>>;
};

export class MySqlCluster {
  readonly place: Place;

  private constructor(place: Place) {
    this.place = place;
  }

  static async find(): Promise<MySqlCluster> {
    return new MySqlCluster(await placeUnderTest());
  }

  get names(): readonly string[] {
    return mysql.servers;
  }

  get hosts(): readonly EngineHost[] {
    return this.names.map((name) => this.hostOf(name));
  }

  hostOf(name: string): EngineHost {
    return { host: '127.0.0.1', port: this.portOf(name) };
  }

  portOf(name: string): number {
    return portOf(this.place, name, 'client');
  }

  journal({ database, hosts, waived, user, password, parameters }: JournalChoice): Journal {
    return createJournal({
      hosts: hosts ?? this.hosts,
      user: user ?? CLIENT_USER,
      password: password ?? CLIENT_PASSWORD,
      name: database,
      parameters: parameters ?? {},
      waived: waived ?? [],
      log: () => undefined,
    });
  }

  newDatabase(): string {
    return `test_${randomUUID().replaceAll('-', '')}`;
  }

  async dropDatabase(database: string): Promise<void> {
    const primary = await this.primary();
    await this.ask(primary, `drop database if exists ${database}`);
  }

  async ask(name: string, statement: string): Promise<readonly Row[]> {
    return await withRoot(this.portOf(name), (ask) => ask(statement));
  }

  async view(name: string): Promise<ServerView> {
    return await viewOf(this.portOf(name));
  }

  async primary(): Promise<string> {
    for (const name of this.names) {
      if ((await mysql.ask(this.place, name)) === 'primary') return name;
    }
    throw new Error('The cluster has no primary.');
  }

  async replicas(): Promise<[string, string]> {
    const primary = await this.primary();
    const [one, other] = this.names.filter((name) => name !== primary);
    return [one!, other!];
  }

  /** Positions that can be read there, now. */
  async positions(name: string, database: string): Promise<number[]> {
    const rows = await this.ask(name, `select position from ${database}.journal order by 1`);
    return rows.map((row) => Number(row['position']));
  }

  async signal(name: string, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const mark = await processOf(this.place, name);
    if (mark === undefined) throw new Error(`${name} was never started.`);
    await signalProcess(mark, signal);
    if (signal === 'SIGKILL' && !(await hasEnded(mark, END_MS_MAX))) {
      throw new Error(`${name} does not end.`);
    }
  }

  /** Its process alone; nobody tells it of the others. */
  async start(name: string): Promise<void> {
    await mysql.prepare(this.place, name);
    await startServer(this.place, name, mysql.command(this.place, name));
    await until(async () => {
      const rows = await this.ask(name, 'select 1').catch(() => []);
      return rows.length === 1;
    }, `${name} answers`);
  }

  /** The replicas receive nothing any more; the primary has noticed. */
  async disconnectReplicas(): Promise<void> {
    const primary = await this.primary();
    for (const name of await this.replicas()) await this.ask(name, 'stop slave io_thread');
    await until(async () => {
      const [row] = await this.ask(primary, "show status like 'rpl_semi_sync_master_clients'");
      return Number(row?.['Value']) === 0;
    }, 'no replica is connected');
  }

  async reconnect(name: string): Promise<void> {
    await this.ask(name, 'start slave');
  }

  /** The number of the thread that waits for a replica's acknowledgement on that server. */
  async waitingThread(name: string): Promise<number> {
    let thread: number | undefined;
    await until(async () => {
      const rows = await this.ask(name, 'show processlist');
      const waiting = rows.find((row) => String(row['State']).includes('semi-sync ACK'));
      thread = waiting === undefined ? undefined : Number(waiting['Id']);
      return thread !== undefined;
    }, 'somebody waits for an acknowledgement');
    return thread!;
  }

  /** Whatever was done to it, afterwards it is whole, whoever is the primary. */
  async mend(): Promise<void> {
    for (const name of this.names) await this.signal(name, 'SIGCONT');
    await engineUp(mysql, this.place.folder, 0);
  }
}

/** Each server behind a proxy of its own. */
export class ProxiedHosts implements AsyncDisposable {
  readonly proxies: ReadonlyMap<string, TcpProxy>;

  private constructor(proxies: ReadonlyMap<string, TcpProxy>) {
    this.proxies = proxies;
  }

  static async start(cluster: MySqlCluster): Promise<ProxiedHosts> {
    const proxies = new Map<string, TcpProxy>();
    for (const name of cluster.names) proxies.set(name, await TcpProxy.start(cluster.portOf(name)));
    return new ProxiedHosts(proxies);
  }

  get hosts(): readonly EngineHost[] {
    return [...this.proxies.values()].map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of this.proxies.values()) await proxy[Symbol.asyncDispose]();
  }
}
