// One connection to one PostgreSQL server for the supervision: every statement alone, with a
// deadline, and never cancelled at the server: what is cancelled while it waits for its standbys
// counts as committed there. A deadline that has passed ends the connection.

import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import { OperationalError } from '../base/errors.ts';

export type Credentials = {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly tls: false | ConnectionOptions;
};

export type Server = { readonly host: string; readonly port: number };

export type Row = Readonly<Record<string, unknown>>;

/** By which supervisors know each other. */
export const APPLICATION_NAME = 'holdfast engine';

const CONNECT_MS_MAX = 3000;
const ANSWER_MS_MAX = 10_000;

const NO_DATABASE = '3D000';

/** The class of the warning that a commit gave up waiting for its standbys. */
const WARNING_CODE = '01000';

export class PostgresSession implements AsyncDisposable {
  readonly #client: pg.Client;
  readonly #socket = new Socket();
  #isLost = false;
  #isWarned = false;

  private constructor(server: Server, { user, password, database, tls }: Credentials) {
    this.#client = new pg.Client({
      host: server.host,
      port: server.port,
      user: user === '' ? 'postgres' : user,
      password,
      database,
      ssl: tls,
      application_name: APPLICATION_NAME,
      stream: () => this.#socket,
      options: '-c client_min_messages=warning -c lock_timeout=0 -c statement_timeout=0',
    });
    this.#client.on('error', () => this.#destroy());
    this.#client.on('notice', ({ code }) => {
      if (code === WARNING_CODE) this.#isWarned = true;
    });
  }

  /**
   * In the maintenance database where the journal's is not there (yet: a standby may be behind).
   * Rejects with the server's or the network's own words.
   */
  static async connect(server: Server, credentials: Credentials): Promise<PostgresSession> {
    try {
      return await PostgresSession.#open(server, credentials);
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== NO_DATABASE) throw error;
      return await PostgresSession.#open(server, { ...credentials, database: 'postgres' });
    }
  }

  static async #open(server: Server, credentials: Credentials): Promise<PostgresSession> {
    const session = new PostgresSession(server, credentials);
    try {
      await session.#within(session.#client.connect(), CONNECT_MS_MAX);
    } catch (error) {
      session.#destroy();
      throw error;
    }
    return session;
  }

  /** A commit of this session was let go without its standbys. */
  get isWarned(): boolean {
    return this.#isWarned;
  }

  async rows(text: string, withinMs = ANSWER_MS_MAX): Promise<readonly Row[]> {
    return (await this.#within(this.#client.query<Row>(text), withinMs)).rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isLost) return;
    await this.#within(this.#client.end(), CONNECT_MS_MAX).catch(() => undefined);
    this.#destroy();
  }

  async #within<Answer>(answer: Promise<Answer>, withinMs: number): Promise<Answer> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new Error(`no answer within ${withinMs} ms`));
      this.#destroy();
    }, withinMs);
    try {
      return await Promise.race([answer, late.promise]);
    } finally {
      clearTimeout(timer);
      answer.catch(() => undefined);
    }
  }

  #destroy(): void {
    this.#isLost = true;
    this.#socket.destroy();
  }
}

/** `sslmode` and `sslrootcert` as libpq means them. Throws CONFIGURATION_INVALID. */
export function tlsOf(parameters: Readonly<Record<string, string>>): false | ConnectionOptions {
  const { sslmode = 'disable', sslrootcert } = parameters;
  if (sslmode === 'disable') return false;
  if (!['require', 'verify-ca', 'verify-full'].includes(sslmode)) {
    const detail = `sslmode=${sslmode} is none of disable, require, verify-ca, verify-full.`;
    throw new OperationalError('CONFIGURATION_INVALID', { detail });
  }
  return {
    rejectUnauthorized: sslmode !== 'require' || sslrootcert !== undefined,
    ...(sslrootcert !== undefined && { ca: readFileSync(sslrootcert, 'utf8') }),
    ...(sslmode !== 'verify-full' && { checkServerIdentity: () => undefined }),
  };
}

/** As a literal of SQL; the servers' strings are standard-conforming. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A column that holds text; '' where it holds nothing. */
export function textOf(row: Row | undefined, key: string): string {
  const value = row?.[key];
  return typeof value === 'string' ? value : '';
}
