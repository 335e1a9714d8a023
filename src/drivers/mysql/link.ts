// One connection to one server. Every question has a bound: a server that does not answer in time
// is given up with its connection, and what was asked has an unknown outcome.

import {
  type Connection,
  type ConnectionOptions,
  type QueryError,
  type QueryResult,
  type ResultSetHeader,
  createConnection,
} from 'mysql2';
import type { EngineHost } from '../engine-options.ts';
import { LinkLost, ServerRefusal, nameOf } from './errors.ts';
import { ASK_MS_MAX, type MySqlSettings } from './options.ts';

export type Row = Readonly<Record<string, string | number | Buffer | null>>;

/** What a changing statement did. */
export type Change = {
  readonly rowCount: number;
  /** domain-server-sequence in the server's binlog; undefined where the server does not say. */
  readonly gtid: string | undefined;
};

type Value = string | number | Buffer;

/**
 * Strict, since a comparison that fails must refuse the statement and not store a default; read
 * committed, since the head that is compared with is what others have committed; and nothing but
 * this driver's own bounds ends a statement.
 */
const SESSION = [
  "sql_mode='STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
  "tx_isolation='READ-COMMITTED'",
  'autocommit=1',
  'max_statement_time=0',
  'innodb_lock_wait_timeout=4',
  "session_track_system_variables='last_gtid'",
].join(', ');

export class Link {
  readonly host: EngineHost;
  readonly #connection: Connection;
  readonly #onEnd: (() => void)[] = [];
  #lost: LinkLost | undefined;

  private constructor(host: EngineHost, connection: Connection) {
    this.host = host;
    this.#connection = connection;
    connection.on('error', (error: Error) => this.#lose(error.message));
    connection.on('end', () => this.#lose('the connection has ended'));
  }

  /** Connected, with the session's settings; LinkLost or ServerRefusal otherwise. */
  static async open(host: EngineHost, settings: MySqlSettings, withinMs: number): Promise<Link> {
    const deadlineMs = performance.now() + withinMs;
    const connection = createConnection(connectionOptions(host, settings, withinMs));
    const link = new Link(host, connection);
    try {
      await link.#bounded(withinMs, (done) => {
        connection.connect((error) => done(error, undefined));
      });
      await link.ask(`set session ${SESSION}`, [], deadlineMs - performance.now());
      return link;
    } catch (error) {
      link.destroy();
      throw error;
    }
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** As text: for what is asked once. */
  async ask(
    statement: string,
    values: readonly Value[] = [],
    withinMs: number = ASK_MS_MAX,
  ): Promise<readonly Row[]> {
    const result = await this.#bounded<QueryResult>(withinMs, (done) => {
      this.#connection.query(statement, [...values], done);
    });
    return rowsOf(result);
  }

  /** Prepared, as binary: for what is asked often. */
  async read(
    statement: string,
    values: readonly Value[],
    withinMs: number = ASK_MS_MAX,
  ): Promise<readonly Row[]> {
    const result = await this.#bounded<QueryResult>(withinMs, (done) => {
      this.#connection.execute(statement, [...values], done);
    });
    return rowsOf(result);
  }

  async change(statement: string, values: readonly Value[], withinMs: number): Promise<Change> {
    const result = await this.#bounded<QueryResult>(withinMs, (done) => {
      this.#connection.execute(statement, [...values], done);
    });
    const header = result as ResultSetHeader & {
      readonly stateChanges?: { readonly systemVariables?: Readonly<Record<string, string>> };
    };
    const gtid = header.stateChanges?.systemVariables?.['last_gtid'];
    return { rowCount: header.affectedRows, gtid: gtid === '' ? undefined : gtid };
  }

  /** Called once, when the connection is lost or ended. */
  onEnd(callback: () => void): void {
    this.#onEnd.push(callback);
  }

  /** Whatever is under way on it is lost. */
  destroy(): void {
    this.#lose('the connection was given up');
  }

  #lose(why: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = new LinkLost(`${nameOf(this.host)}: ${why}`);
    this.#connection.destroy();
    for (const callback of this.#onEnd.splice(0)) callback();
  }

  async #bounded<Result>(
    withinMs: number,
    work: (done: (error: QueryError | null, result: Result) => void) => void,
  ): Promise<Result> {
    if (this.#lost !== undefined) throw this.#lost;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const timer = setTimeout(() => this.#lose('no answer in time'), Math.max(1, withinMs));
    const ended = (): void => reject(this.#lost ?? new LinkLost(nameOf(this.host)));
    this.#onEnd.push(ended);
    try {
      work((error, result) => {
        if (error === null) resolve(result);
        else reject(this.#translated(error));
      });
      return await promise;
    } finally {
      clearTimeout(timer);
      const index = this.#onEnd.indexOf(ended);
      if (index >= 0) this.#onEnd.splice(index, 1);
    }
  }

  /** An error that ends the connection leaves open what the server did. */
  #translated(error: QueryError): Error {
    if (this.#lost !== undefined) return this.#lost;
    const { errno } = error;
    if (errno === undefined || errno <= 0 || error.fatal) {
      this.#lose(error.message);
      // Refused at the door, which is certain and worth saying.
      const message = `${nameOf(this.host)}: ${error.message}`;
      return errno !== undefined && errno > 0
        ? new ServerRefusal(errno, message, error)
        : new LinkLost(message, { cause: error });
    }
    return new ServerRefusal(errno, `${nameOf(this.host)}: ${error.message}`, error);
  }
}

function rowsOf(result: QueryResult): readonly Row[] {
  return Array.isArray(result) ? (result as readonly Row[]) : [];
}

function connectionOptions(
  host: EngineHost,
  { user, password, tls }: MySqlSettings,
  withinMs: number,
): ConnectionOptions {
  return {
    host: host.host,
    port: host.port,
    user,
    password,
    connectTimeout: Math.max(1, Math.ceil(withinMs)),
    // Numbers are positions, below 2 ** 53.
    supportBigNumbers: false,
    maxPreparedStatements: 64,
    ...(tls !== undefined && {
      ssl: {
        ...(tls.authority !== '' && { ca: tls.authority }),
        rejectUnauthorized: tls.isVerified,
        verifyIdentity: tls.isVerified,
        minVersion: 'TLSv1.2',
      },
    }),
  };
}
