// The servers under test: killed, frozen, cut off and promoted here, and looked at past the driver.

import { randomUUID } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
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
    // On a busy machine some threads run on for a while.
    if (signal === 'SIGSTOP') await until(() => isFrozen(mark.pid), `${name} is frozen`);
  }

  /** As an operator does it; returns when the process has ended. */
  async shutDown(name: string): Promise<void> {
    const mark = await processOf(this.place, name);
    if (mark === undefined) throw new Error(`${name} was never started.`);
    await this.ask(name, 'shutdown');
    if (!(await hasEnded(mark, END_MS_MAX))) throw new Error(`${name} does not shut down.`);
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

  /**
   * The failover by hand (src/drivers/mysql/README.md): both replicas stop receiving, the one that
   * has received more applies it and takes writes, the other one replicates from it.
   */
  async promote(replicas: readonly [string, string]): Promise<string> {
    const received = new Map<string, number>();
    for (const name of replicas) {
      await this.ask(name, 'stop slave io_thread');
      const [row] = await this.ask(name, 'show all slaves status');
      const gtid = String(row?.['Gtid_IO_Pos']);
      await this.ask(name, `select master_gtid_wait('${gtid}', 10)`);
      received.set(name, Number(gtid.split('-').at(-1)));
    }
    const [one, other] = replicas;
    const isOther = (received.get(other) ?? 0) > (received.get(one) ?? 0);
    const [promoted, following] = isOther ? [other, one] : [one, other];
    for (const statement of [
      'stop slave',
      'reset slave all',
      'set global rpl_semi_sync_master_enabled=1',
      'set global read_only=0',
    ]) {
      await this.ask(promoted, statement);
    }
    await this.ask(following, 'stop slave');
    const port = this.portOf(promoted);
    await this.ask(following, `change master to master_host='127.0.0.1', master_port=${port}`);
    await this.ask(following, 'start slave');
    await until(async () => (await this.view(promoted)).semiSyncClients === 1, 'it is followed');
    return promoted;
  }

  /** The last GTID that the replica has received. */
  async received(name: string): Promise<string> {
    const [row] = await this.ask(name, 'show all slaves status');
    return String(row?.['Gtid_IO_Pos']);
  }

  /** Whatever was done to it, afterwards it is whole, whoever is the primary. */
  async mend(): Promise<void> {
    for (const name of this.names) await this.signal(name, 'SIGCONT');
    await this.#endDeserted();
    await engineUp(mysql, this.place.folder, 0);
  }

  /**
   * Two that take writes: the one that nobody follows is the old primary. It is killed, since it
   * does not become read-only while a statement waits for replicas that it has no more.
   */
  async #endDeserted(): Promise<void> {
    const views = new Map<string, ServerView>();
    for (const name of this.names) {
      const view = await this.view(name).catch(() => undefined);
      if (view !== undefined) views.set(name, view);
    }
    const writable = [...views].filter(([, view]) => !view.isReadOnly && view.source === undefined);
    if (writable.length < 2) return;
    for (const [name] of writable) {
      const port = this.portOf(name);
      if ([...views.values()].some(({ source }) => source === port)) continue;
      await this.signal(name, 'SIGKILL');
    }
  }
}

/** Every thread of it. */
async function isFrozen(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`);
  const texts = threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8'));
  const stats = await Promise.all(texts.map((text) => text.catch(() => '')));
  return stats.every((text) => text === '' || /\) [Tt] /.test(text));
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
