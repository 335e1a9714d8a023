// One connection to one PostgreSQL server, with what this driver needs of every connection:
//
//   bounded   a question that is not answered in time ends the connection. Nothing is ever
//             cancelled: a cancel that meets a commit waiting for its standbys makes the server
//             report success for what no standby has
//   settings  those of the session that durability rests on are given with the start of the
//             session, where they go before those of server, database and role
//   warnings  are kept: a commit that gave up waiting for its standbys says so by one

import { Socket } from 'node:net';
import pg from 'pg';
import type { EngineHost } from '../engine-options.ts';
import type { PostgresSettings } from './options.ts';

/** What every session is started with; `settings-check.ts` asserts what has become of it. */
const SESSION_SETTINGS: Readonly<Record<string, string>> = {
  synchronous_commit: 'on',
  // The warning of a commit that stopped waiting must reach the driver, whatever the role's.
  client_min_messages: 'warning',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_session_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  default_transaction_isolation: 'read\\ committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
};

const KEEP_ALIVE_MS = 10_000;

const Oid = { bool: 16, bytea: 17, int8: 20, int4: 23 } as const;

export type SessionChoice = {
  readonly settings: PostgresSettings;
  readonly host: EngineHost;
  readonly withinMs: number;
  /** Another one than the journal's. */
  readonly database?: string;
};

export type Question = {
  readonly name?: string;
  readonly text: string;
  readonly values?: unknown[];
};

/** The connection is of no more use; what had been asked may or may not have happened. */
export class SessionLost extends Error {
  override readonly name = 'SessionLost';
}

export class Session {
  readonly host: EngineHost;
  readonly #client: pg.Client;
  readonly #socket: Socket;
  #isLost = false;
  #reason = '';
  /** Of any statement of this session, newest last. */
  readonly warnings: string[] = [];
  onNotification: (() => void) | undefined;
  onLost: ((reason: SessionLost) => void) | undefined;

  private constructor({ settings, host, database }: SessionChoice) {
    this.host = host;
    this.#socket = new Socket();
    this.#client = new pg.Client({
      host: host.host,
      port: host.port,
      user: settings.user,
      password: settings.password,
      database: database ?? settings.database,
      application_name: settings.applicationName,
      ssl: settings.tls,
      stream: () => this.#socket,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      pipeline: true,
      options: Object.entries(SESSION_SETTINGS)
        .map(([name, value]) => `-c ${name}=${value}`)
        .join(' '),
      types: { getTypeParser: parserOf },
    });
    this.#client.on('error', (error) => this.#lose(error.message));
    this.#client.on('end', () => this.#lose('the server closed the connection'));
    this.#client.on('notice', ({ code, message }) => {
      this.warnings.push(`${message} (${code})`);
    });
    this.#client.on('notification', () => this.onNotification?.());
  }

  /** Rejects with PostgreSQL's own error, or SessionLost. */
  static async connect(choice: SessionChoice): Promise<Session> {
    const session = new Session(choice);
    const timer = setTimeout(() => {
      session.destroy(`it did not answer within ${choice.withinMs} ms`);
    }, choice.withinMs);
    try {
      await session.#client.connect();
      return session;
    } catch (error) {
      session.destroy(error instanceof Error ? error.message : String(error));
      throw error instanceof pg.DatabaseError ? error : session.#error();
    } finally {
      clearTimeout(timer);
    }
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /**
   * Sent at once, behind what was asked before and not answered yet. Rejects with SessionLost when
   * it may or may not have happened, with pg's DatabaseError when the server refused it.
   */
  async ask(question: Question, withinMs: number): Promise<readonly Row[]> {
    if (this.#isLost) throw this.#error();
    const timer = setTimeout(() => {
      this.destroy(`a question was not answered within ${withinMs} ms`);
    }, withinMs);
    try {
      // A connection that ends rejects it, too.
      return (await this.#client.query<Row>(question)).rows;
    } catch (error) {
      if (error instanceof pg.DatabaseError && !isFatal(error)) throw error;
      this.destroy(error instanceof Error ? error.message : String(error));
      throw this.#error();
    } finally {
      clearTimeout(timer);
    }
  }

  /** At once: what is under way may still happen. */
  destroy(reason: string): void {
    this.#lose(reason);
    this.#socket.destroy();
  }

  /** Says good-bye; nothing may be under way. */
  async end(withinMs: number): Promise<void> {
    if (this.#isLost) return;
    const timer = setTimeout(() => this.#socket.destroy(), withinMs);
    await this.#client.end().catch(() => undefined);
    clearTimeout(timer);
    this.#lose('it was closed');
    this.#socket.destroy();
  }

  #lose(reason: string): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#reason = reason;
    this.onLost?.(this.#error());
  }

  #error(): SessionLost {
    return new SessionLost(`The connection to ${nameOf(this.host)} was lost: ${this.#reason}.`);
  }
}

/** Numbers, truth values, bytes; everything else is text. */
export type Row = Readonly<Record<string, unknown>>;

export function nameOf({ host, port }: EngineHost): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The server ends the session with it: like a connection that breaks. */
function isFatal(error: pg.DatabaseError): boolean {
  return error.code === undefined || /^(57P|08|XX)/.test(error.code) || error.severity === 'FATAL';
}

function parserOf(oid: number): (text: string) => unknown {
  switch (oid) {
    case Oid.bool:
      return (text) => text === 't';
    case Oid.int4:
    case Oid.int8:
      return Number;
    case Oid.bytea:
      return bytesOfHex;
    default:
      return (text) => text;
  }
}

/** Its own memory, from its first byte on: entries are read in place and need that alignment. */
function bytesOfHex(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array((text.length - 2) / 2);
  Buffer.from(bytes.buffer).write(text.slice(2), 'hex');
  return bytes;
}
