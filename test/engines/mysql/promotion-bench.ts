// A MariaDB cluster of a test's own, to be promoted in: three members on free ports, a journal on
// them, and the command line as an operator types it.

import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineDown, engineUp } from '../../../deploy/engines/control.ts';
import {
  CLIENT_PASSWORD,
  CLIENT_USER,
  type Row,
  withRoot,
} from '../../../deploy/engines/mysql-roles.ts';
import { mysql } from '../../../deploy/engines/mysql.ts';
import { type Place, portOf } from '../../../deploy/engines/place.ts';
import { hasEnded, signalProcess } from '../../../deploy/engines/processes.ts';
import { processOf, startServer } from '../../../deploy/engines/servers.ts';
import { type Seen, runSeen } from '../../../src/cli/testing/run.ts';
import { createJournal } from '../../../src/drivers/mysql/driver.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { MySqlHand } from '../../../src/promotion/mysql.ts';
import { until } from '../../support/until.ts';

const DATABASE = 'payments';
const END_MS_MAX = 10_000;

export type ServerName = 'n1' | 'n2' | 'n3';

export class PromotionBench implements AsyncDisposable {
  readonly names: readonly ServerName[] = ['n1', 'n2', 'n3'];
  readonly #place: Place;
  readonly #journals: Journal[] = [];

  private constructor(place: Place) {
    this.#place = place;
  }

  static async start(): Promise<PromotionBench> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-promotion-'));
    await chmod(folder, 0o755);
    const bench = new PromotionBench(await clusterIn(folder));
    await writeFile(bench.#passwordFile, 'replication\n');
    return bench;
  }

  get #passwordFile(): string {
    return join(this.#place.folder, 'replication-password');
  }

  portOf(server: ServerName): number {
    return portOf(this.#place, server, 'client');
  }

  nameOf(server: ServerName): string {
    return `127.0.0.1:${this.portOf(server)}`;
  }

  async engine(verb: string, ...parameters: readonly string[]): Promise<Seen> {
    return await this.engineAt({}, verb, ...parameters);
  }

  /** As the operator names it; ports given otherwise are where he reaches nobody. */
  async engineAt(
    ports: { readonly [Name in ServerName]?: number },
    verb: string,
    ...parameters: readonly string[]
  ): Promise<Seen> {
    const hosts = this.names.map((name) => `127.0.0.1:${ports[name] ?? this.portOf(name)}`);
    const place = `mysql://root@${hosts.join(',')}/${DATABASE}`;
    return await runSeen(['engine', verb, ...parameters, '--journal', place]);
  }

  async rejoin(server: ServerName): Promise<Seen> {
    const secret = ['--replication-password-file', this.#passwordFile];
    return await this.engine('rejoin', this.nameOf(server), ...secret);
  }

  hand(): MySqlHand {
    return new MySqlHand({
      servers: this.names.map((name) => ({ host: '127.0.0.1', port: this.portOf(name) })),
      credentials: { user: 'root', password: '', database: DATABASE, parameters: {} },
      replicationPassword: '',
    });
  }

  /** A driver of the journal, as a node has one; closed with the bench. */
  journal(): Journal {
    const journal = createJournal({
      hosts: this.names.map((name) => ({ host: '127.0.0.1', port: this.portOf(name) })),
      user: CLIENT_USER,
      password: CLIENT_PASSWORD,
      name: DATABASE,
      parameters: {},
      waived: [],
      log: () => undefined,
    });
    this.#journals.push(journal);
    return journal;
  }

  async ask(server: ServerName, statement: string): Promise<readonly Row[]> {
    return await withRoot(this.portOf(server), (ask) => ask(statement));
  }

  async kill(server: ServerName): Promise<void> {
    const mark = await processOf(this.#place, server);
    if (mark === undefined) throw new Error(`${server} was never started.`);
    await signalProcess(mark, 'SIGKILL');
    if (!(await hasEnded(mark, END_MS_MAX))) throw new Error(`${server} does not end.`);
  }

  /** The process alone, as an init system would start it. */
  async startAlone(server: ServerName, ...parameters: readonly string[]): Promise<void> {
    const { program, parameters: own } = mysql.command(this.#place, server);
    const command = { program, parameters: [...own, ...parameters] };
    await startServer(this.#place, server, command);
    await until(async () => {
      return (await this.ask(server, 'select 1').catch(() => [])).length === 1;
    }, `${server} answers`);
  }

  /** What a promotion would change there. */
  async noted(server: ServerName): Promise<unknown> {
    const [own] = await this.ask(
      server,
      `select @@read_only, @@rpl_semi_sync_master_enabled,
         (select count(*) from information_schema.schemata
           where schema_name = 'holdfast_supervision') as notes`,
    );
    const [replication] = await this.ask(server, 'show all slaves status');
    return { own, source: replication?.['Master_Port'], host: replication?.['Master_Host'] };
  }

  /** Position and digest of every entry, as that server has them. */
  async entries(server: ServerName): Promise<readonly string[]> {
    const text = `select concat(position, ' ', hex(digest)) as entry from ${DATABASE}.journal
      order by position`;
    return (await this.ask(server, text)).map((row) => String(row['entry']));
  }

  async primaries(): Promise<ServerName[]> {
    const found: ServerName[] = [];
    for (const name of this.names) {
      const [row] = await this.ask(name, 'select @@read_only as isReadOnly').catch(() => []);
      if (Number(row?.['isReadOnly'] ?? 1) === 0) found.push(name);
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#journals.map((journal) => journal.close()));
    await engineDown(mysql, this.#place.folder);
    await rm(this.#place.folder, { recursive: true, force: true });
  }
}

/** One that does not come up leaves nothing behind. */
async function clusterIn(folder: string): Promise<Place> {
  try {
    return await engineUp(mysql, folder, 0);
  } catch (error) {
    await engineDown(mysql, folder);
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}
