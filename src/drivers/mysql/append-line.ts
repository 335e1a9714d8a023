// The writing end: appends in call order over one connection. What has gathered while a statement
// was under way becomes the next one, so that a loaded leader's entries share a commit. A statement
// is sent when the one before has been answered, and counts when a replica has confirmed it; the
// confirming of one goes on beside the sending of the next.

import type { Entry } from '../../base/entry.ts';
import type { OperationalError } from '../../base/errors.ts';
import type { EngineOffset } from '../../ports/journal.ts';
import { ServerErrno, closed, fenced, isRefusal, messageOf, unknownOutcome } from './errors.ts';
import type { Link } from './link.ts';
import { APPEND_MS_MAX, STATEMENT_BYTES_MAX, STATEMENT_ENTRIES_MAX } from './options.ts';
import { type Statements, appendValues, isChained } from './statements.ts';
import { type Gtid, parseGtids } from './witnesses.ts';

/** Of a packet, for the statement and the values beside the entries. */
const PACKET_REST_BYTES = 64 * 1024;

type Waiting = {
  readonly entry: Entry;
  readonly resolve: (offset: EngineOffset) => void;
  readonly reject: (error: OperationalError) => void;
};

export type AppendLineOptions = {
  readonly link: Link;
  readonly statements: Statements;
  /** What one statement may weigh at this server. */
  readonly packetBytesMax: number;
  /** Resolves when a replica has it; undefined = the primary's word is enough. */
  readonly confirm:
    | ((gtid: Gtid, withinMs: number, signal: AbortSignal) => Promise<void>)
    | undefined;
  readonly onAppended: (position: number) => void;
};

/** Refused for certain, and nothing is tried any more: this connection's server takes no writes. */
class TakesNoWrites extends Error {}

export class AppendLine {
  readonly #options: AppendLineOptions;
  readonly #bytesMax: number;
  readonly #ending = new AbortController();
  #waiting: Waiting[] = [];
  #sending: Promise<void> | undefined;
  /** Everything sent before has settled; never rejects. */
  #settled: Promise<void> = Promise.resolve();
  /** Why nothing is tried any more. */
  #broken: OperationalError | undefined;

  constructor(options: AppendLineOptions) {
    this.#options = options;
    this.#bytesMax = Math.min(STATEMENT_BYTES_MAX, options.packetBytesMax - PACKET_REST_BYTES);
    options.link.onEnd(() => {
      this.#broken ??= closed('The connection to the primary is lost.');
    });
  }

  append(entry: Entry): Promise<EngineOffset> {
    const { promise, resolve, reject } = Promise.withResolvers<EngineOffset>();
    this.#waiting.push({ entry, resolve, reject });
    // Those that are called in one go share a statement.
    this.#sending ??= Promise.resolve().then(() => this.#sendAll());
    return promise;
  }

  /** What is under way has so long to be answered; then it is unknown. */
  async close(withinMs: number): Promise<void> {
    this.#broken ??= closed('The journal was closed.');
    const timer = setTimeout(() => this.#giveUp(), withinMs);
    await this.#sending;
    await this.#settled;
    clearTimeout(timer);
    this.#giveUp();
  }

  #giveUp(): void {
    this.#ending.abort();
    this.#options.link.destroy();
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      if (this.#broken === undefined) await this.#send(this.#nextStatement());
      else this.#settle(this.#waiting.splice(0), Promise.reject(this.#broken));
    }
    this.#sending = undefined;
  }

  /** The longest run of waiting entries that are chained to each other, within the bounds. */
  #nextStatement(): Waiting[] {
    let count = 1;
    let bytes = this.#waiting[0]!.entry.bytes.byteLength;
    while (count < Math.min(this.#waiting.length, STATEMENT_ENTRIES_MAX)) {
      const entry = this.#waiting[count]!.entry;
      bytes += entry.bytes.byteLength;
      if (bytes > this.#bytesMax || !isChained(this.#waiting[count - 1]!.entry, entry)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Returns when the server has answered; whether it counts is decided behind that. */
  async #send(group: readonly Waiting[]): Promise<void> {
    const entries = group.map(({ entry }) => entry);
    const first = entries[0]!;
    const sentMs = performance.now();
    try {
      const { link, statements, confirm } = this.#options;
      const statement = statements.append(first, entries.length);
      const { rowCount, gtid } = await link.change(statement, appendValues(entries), APPEND_MS_MAX);
      if (rowCount !== entries.length) throw new Error(`${rowCount} rows were written`);
      if (confirm === undefined) {
        this.#settle(group, Promise.resolve());
        return;
      }
      const [wanted] = parseGtids(gtid ?? '');
      if (wanted === undefined) throw new Error('the server does not name its GTID');
      const leftMs = APPEND_MS_MAX - (performance.now() - sentMs);
      this.#settle(group, confirm(wanted, leftMs, this.#ending.signal));
    } catch (error) {
      this.#settle(group, Promise.reject(this.#failure(first, error)));
    }
  }

  /** What the server's refusal means; all but a refused comparison ends this line. */
  #failure(first: Entry, error: unknown): unknown {
    // The place is taken, or what should stand before it does not.
    if (isRefusal(error, ServerErrno.badNull, ServerErrno.duplicateKey)) return fenced(first);
    const isCertain = isRefusal(
      error,
      ServerErrno.readOnly,
      ServerErrno.lockWait,
      ServerErrno.deadlock,
      ServerErrno.unknownTable,
      ServerErrno.unknownDatabase,
    );
    this.#broken ??= closed('An append failed; nothing behind it was tried.', error);
    return isCertain ? new TakesNoWrites(messageOf(error), { cause: error }) : error;
  }

  /** Answers go out in call order. */
  #settle(group: readonly Waiting[], outcome: Promise<void>): void {
    const before = this.#settled;
    // It may reject long before its turn comes: that is not an unhandled rejection.
    outcome.catch(() => undefined);
    this.#settled = (async (): Promise<void> => {
      await before;
      try {
        await outcome;
        for (const { entry, resolve } of group) {
          this.#options.onAppended(entry.position);
          resolve(`p${entry.position}`);
        }
      } catch (error) {
        for (const waiting of group) waiting.reject(this.#rejection(waiting.entry, error));
      }
    })();
  }

  #rejection(entry: Entry, error: unknown): OperationalError {
    if (error === this.#broken) return this.#broken!;
    if (isFenced(error)) return fenced(entry);
    if (error instanceof TakesNoWrites)
      return closed(`Nothing was written: ${error.message}.`, error);
    this.#broken ??= closed('An append has an unknown outcome; this one was not tried.', error);
    return unknownOutcome(entry, error);
  }
}

function isFenced(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'JOURNAL_FENCED';
}
