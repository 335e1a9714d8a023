// One connection to one MariaDB server for the supervision. A deadline that has passed ends the
// connection; nothing is killed at the server: a commit that is killed while it waits for its
// replicas is answered as if they had it.

import { readFileSync } from 'node:fs';
import { type Connection, createConnection } from 'mysql2/promise';
import { OperationalError } from '../base/errors.ts';

export type MySqlCredentials = {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Of the journal's place; `ssl` and `ca` are understood here. */
  readonly parameters: Readonly<Record<string, string>>;
};

export type MySqlServer = { readonly host: string; readonly port: number };

export type MySqlRow = Readonly<Record<string, string | number | null>>;

const CONNECT_MS_MAX = 3000;
const ANSWER_MS_MAX = 10_000;

export class MySqlSession implements AsyncDisposable {
  readonly #connection: Connection;

  private constructor(connection: Connection) {
    this.#connection = connection;
    connection.on('error', () => undefined);
  }

  /** Rejects with the server's or the network's own words. */
  static async connect(server: MySqlServer, credentials: MySqlCredentials): Promise<MySqlSession> {
    const { user, password, parameters } = credentials;
    const connection = await createConnection({
      host: server.host,
      port: server.port,
      user: user === '' ? 'root' : user,
      password,
      connectTimeout: CONNECT_MS_MAX,
      supportBigNumbers: true,
      bigNumberStrings: true,
      ...tlsOf(parameters),
    });
    return new MySqlSession(connection);
  }

  async rows(text: string, withinMs = ANSWER_MS_MAX): Promise<readonly MySqlRow[]> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      this.#connection.destroy();
      late.reject(new Error(`no answer within ${withinMs} ms`));
    }, withinMs);
    const asked = this.#connection.query(text);
    asked.catch(() => undefined);
    try {
      const [rows] = await Promise.race([asked, late.promise]);
      return Array.isArray(rows) ? (rows as MySqlRow[]) : [];
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#connection.destroy();
    return Promise.resolve();
  }
}

/** `ssl` and `ca` as the journal's driver means them. */
function tlsOf({ ssl, ca }: Readonly<Record<string, string>>): object {
  if (ssl === undefined) return {};
  if (ssl !== 'required' && ssl !== 'verify') {
    const detail = `ssl=${ssl} is none of required, verify.`;
    throw new OperationalError('CONFIGURATION_INVALID', { detail });
  }
  const isVerified = ssl === 'verify';
  return {
    ssl: { rejectUnauthorized: isVerified, ...(ca !== undefined && { ca: readFileSync(ca) }) },
  };
}

export function quotedText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

export function cell(row: MySqlRow | undefined, name: string): string {
  const value = row?.[name];
  return value === null || value === undefined ? '' : String(value);
}
