// A PostgreSQL cluster of a test's own, to be promoted in: three members on free ports, a journal
// on them, and the command line as an operator types it.

import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineDown, engineUp } from '../../../deploy/engines/control.ts';
import { type Place, folderOf } from '../../../deploy/engines/place.ts';
import { postgres } from '../../../deploy/engines/postgres.ts';
import { startServer } from '../../../deploy/engines/servers.ts';
import { type Seen, runSeen } from '../../../src/cli/testing/run.ts';
import { createJournal } from '../../../src/drivers/postgres/driver.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { PostgresHand } from '../../../src/promotion/postgres.ts';
import { until } from '../../support/until.ts';
import { Cluster, type ServerName } from './cluster.ts';

const DATABASE = 'payments';
const PROGRAMS = '/usr/lib/postgresql/15/bin';

export class PromotionBench implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly #folder: string;
  readonly #journals: Journal[] = [];

  private constructor(cluster: Cluster, folder: string) {
    this.cluster = cluster;
    this.#folder = folder;
  }

  static async start(): Promise<PromotionBench> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-promotion-'));
    await chmod(folder, 0o755);
    return new PromotionBench(new Cluster(await clusterIn(folder)), folder);
  }

  nameOf(server: ServerName): string {
    return `127.0.0.1:${this.cluster.portOf(server)}`;
  }

  /** As the operator names it; ports given otherwise are where he reaches nobody. */
  place(ports: { readonly [Name in ServerName]?: number } = {}): string {
    const hosts = this.cluster.names.map(
      (name) => `127.0.0.1:${ports[name] ?? this.cluster.portOf(name)}`,
    );
    return `postgres://postgres@${hosts.join(',')}/${DATABASE}`;
  }

  async engine(verb: string, ...parameters: readonly string[]): Promise<Seen> {
    return await this.engineAt(this.place(), verb, ...parameters);
  }

  async engineAt(place: string, verb: string, ...parameters: readonly string[]): Promise<Seen> {
    return await runSeen(['engine', verb, ...parameters, '--journal', place]);
  }

  hand(): PostgresHand {
    return new PostgresHand({
      servers: this.cluster.names.map((name) => {
        return { host: '127.0.0.1', port: this.cluster.portOf(name) };
      }),
      credentials: { user: 'postgres', password: '', database: DATABASE, tls: false },
      replicationPassword: '',
    });
  }

  /** A driver of the journal, as a node has one; closed with the bench. */
  journal(names: readonly ServerName[] = this.cluster.names): Journal {
    const journal = createJournal({
      hosts: names.map((name) => ({ host: '127.0.0.1', port: this.cluster.portOf(name) })),
      user: 'holdfast',
      password: '',
      name: DATABASE,
      parameters: {},
      waived: [],
      log: () => undefined,
    });
    this.#journals.push(journal);
    return journal;
  }

  dataOf(server: ServerName): string {
    return join(folderOf(this.cluster.place, server), 'data');
  }

  async rejoin(server: ServerName, ...parameters: readonly string[]): Promise<Seen> {
    const folders = ['--data-folder', this.dataOf(server), '--bin-folder', PROGRAMS];
    return await this.engine('rejoin', this.nameOf(server), ...folders, '--yes', ...parameters);
  }

  /** The process alone, as an init system would start it. */
  async startAlone(server: ServerName): Promise<void> {
    await postgres.prepare(this.cluster.place, server);
    await startServer(this.cluster.place, server, postgres.command(this.cluster.place, server));
    await until(async () => {
      return await this.cluster.sql(server, 'select 1').then(
        () => true,
        () => false,
      );
    }, `${server} answers`);
  }

  /** What a promotion would change there. */
  async noted(server: ServerName): Promise<unknown> {
    const [row] = await this.cluster.sql(
      server,
      `select pg_is_in_recovery() as "isStandby", current_setting('primary_conninfo') as "source",
         current_setting('synchronous_standby_names') as "names"`,
    );
    const auto = await readFile(join(this.dataOf(server), 'postgresql.auto.conf'), 'utf8');
    return { ...row, auto };
  }

  /** Position and digest of every entry, as that server has them. */
  async entries(server: ServerName): Promise<readonly string[]> {
    const rows = await this.cluster.sql(
      server,
      `select position || ' ' || encode(digest, 'hex') as "entry"
         from holdfast_journal order by position`,
      DATABASE,
    );
    return rows.map((row) => String(row['entry']));
  }

  async primaries(): Promise<ServerName[]> {
    const found: ServerName[] = [];
    for (const name of this.cluster.names) {
      const [row] = await this.cluster
        .sql(name, 'select pg_is_in_recovery() as "isStandby"')
        .catch(() => []);
      if (row?.['isStandby'] === false) found.push(name);
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#journals.map((journal) => journal.close()));
    await engineDown(postgres, this.#folder);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** One that does not come up leaves nothing behind. */
async function clusterIn(folder: string): Promise<Place> {
  try {
    return await engineUp(postgres, folder, 0);
  } catch (error) {
    await engineDown(postgres, folder);
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}
