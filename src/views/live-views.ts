// The views of a node, as the payments' thread holds them. One batch at a time goes to the thread
// that writes: what the books have behind it is copied in slices of less than a millisecond, and
// the transfers come from the history, which has them all, whatever was discarded from the journal.
// Nothing here waits for a disk, and the books never wait for this.

import { setTimeout as pause } from 'node:timers/promises';
import { OperationalError, isOperationalError } from '../base/errors.ts';
import { ACCOUNT_WORDS } from '../domain/ledger/account-table.ts';
import type { NodeViews, ViewsSource, ViewsStatus } from './contract.ts';
import { Marks } from './marks.ts';
import { FedRecords } from './fed-records.ts';
import type { Batch, FromWriter, Last, Mark, Standing, ThreadSetup, ToWriter } from './messages.ts';
import { ReportDesk } from './report-desk.ts';
import type { ReportAnswer, ReportQuestion } from './report-types.ts';
import { PositionWaiters } from './position-waiters.ts';
import { ViewThread } from './thread.ts';
import { instantText } from './times.ts';
import { NOTHING_YET, lastAccountOf, lastTransferOf } from './view-writer.ts';

/** Transfers of a batch: 4 MiB, and a good tenth of a second of writing. */
const BATCH_TRANSFERS = 32_768;
/** Accounts of a batch: 1 MiB is copied between two turns of the event loop. */
const BATCH_ACCOUNTS = 8192;
/** Entries that come together are written together. */
const GATHER_MS = 20;
/** After a failure of the disk, or where the history is not complete. */
const RETRY_MS = 1000;

export type LiveViewsOptions = ThreadSetup & {
  readonly log: (level: 'info' | 'warning', text: string) => void;
  /** Transfers of a batch. */
  readonly batchTransfers?: number;
};

export class LiveViews implements NodeViews {
  readonly #options: LiveViewsOptions;
  readonly #marks = new Marks();
  readonly #waiters = new PositionWaiters();
  readonly #desk: ReportDesk;
  readonly #ending = new AbortController();
  #source: ViewsSource | undefined;
  #writer: ViewThread<ToWriter, FromWriter> | undefined;
  #answer: PromiseWithResolvers<FromWriter> | undefined;
  #standing = NOTHING_YET;
  #isOpen = false;
  #isDamaged = false;
  #isVerified = false;
  #reason: string | undefined = 'They are being opened.';
  #feeding: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly figures = { rows: 0, writeSeconds: 0, rebuilds: 0 };

  constructor(options: LiveViewsOptions) {
    this.#options = options;
    this.#desk = new ReportDesk(options.store);
  }

  attach(source: ViewsSource): void {
    this.#source = source;
  }

  settle(mark: Mark): void {
    this.#marks.restart(mark);
    this.#isVerified = false;
    this.#wake(0);
  }

  applied(mark: Mark): void {
    this.#marks.add(mark);
    this.#wake(GATHER_MS);
  }

  status(): ViewsStatus {
    const { position, timeNs, isComplete, transfers } = this.#standing;
    const isUsable = isComplete && this.#isVerified;
    return {
      position,
      timeNs,
      isComplete: isUsable,
      reason: isUsable ? undefined : (this.#reason ?? 'They are being built.'),
      lag: Math.max(0, (this.#marks.latest?.position ?? position) - position),
      transfers,
    };
  }

  until(position: number, signal: AbortSignal): Promise<void> {
    return this.#waiters.until(position, () => this.status(), signal);
  }

  async report(question: ReportQuestion, signal: AbortSignal): Promise<ReportAnswer> {
    const { isComplete, reason } = this.status();
    if (!isComplete) throw new OperationalError('VIEWS_INCOMPLETE', { detail: reason ?? '' });
    return await this.#desk.ask(question, signal);
  }

  async close(): Promise<void> {
    this.#ending.abort();
    clearTimeout(this.#timer);
    this.#answer?.reject(stopping());
    await Promise.all([this.#writer?.terminate(), this.#desk.close()]);
    await this.#feeding;
  }

  #wake(afterMs: number): void {
    if (this.#ending.signal.aborted || this.#feeding !== undefined) return;
    if (this.#timer !== undefined && afterMs > 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#feeding = this.#feed().finally(() => {
        this.#feeding = undefined;
        if (this.#hasNews()) this.#wake(GATHER_MS);
      });
    }, afterMs);
  }

  #hasNews(): boolean {
    return (this.#marks.latest?.position ?? 0) > this.#standing.position || !this.#isVerified;
  }

  /** Until there is nothing new. */
  async #feed(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        if (!(await this.#step())) return;
      } catch (error) {
        if (signal.aborted) return;
        await this.#failed(error);
      }
    }
  }

  async #failed(error: unknown): Promise<void> {
    const why = error instanceof Error ? error.message : String(error);
    const text = `The views wait: ${why}`;
    const isPassing = isOperationalError(error, 'HISTORY_INCOMPLETE');
    if (this.#reason !== text && !isPassing) this.#options.log('warning', text);
    this.#reason = text;
    const { signal } = this.#ending;
    await pause(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }

  /** One batch, or what has to come before; false = there is nothing to do. */
  async #step(): Promise<boolean> {
    if (!this.#isOpen) {
      await this.#take(await this.#open());
      return true;
    }
    if (!this.#isVerified) {
      await this.#verify();
      return true;
    }
    const batch = await this.#nextBatch();
    if (batch === undefined) return false;
    // The books may have been read from the journal again meanwhile.
    if (this.#isVerified) {
      const transfer = [batch.accounts.buffer, batch.records.buffer];
      await this.#take(await this.#say({ kind: 'batch', batch }, transfer));
    }
    return true;
  }

  #open(): Promise<FromWriter> {
    if (this.#writer !== undefined) return this.#say({ kind: this.#isDamaged ? 'reset' : 'open' });
    const { store, identity } = this.#options;
    const asked = Promise.withResolvers<FromWriter>();
    this.#answer = asked;
    this.#writer = new ViewThread<ToWriter, FromWriter>(
      'write-thread',
      { store, identity },
      {
        message: (message) => this.#answer?.resolve(message),
        death: (error) => {
          this.#writer = undefined;
          this.#isOpen = false;
          this.#answer?.reject(error);
        },
      },
    );
    return asked.promise;
  }

  #say(message: ToWriter, transfer: readonly ArrayBuffer[] = []): Promise<FromWriter> {
    if (this.#writer === undefined) return Promise.reject(stopping());
    this.#answer = Promise.withResolvers<FromWriter>();
    this.#writer.say(message, transfer);
    return this.#answer.promise;
  }

  async #take(message: FromWriter): Promise<void> {
    switch (message.kind) {
      case 'opened':
        for (const note of message.notes) this.#options.log('warning', note);
        if (message.notes.length > 0) await this.#begunAnew();
        this.#isOpen = true;
        break;
      case 'written':
        this.figures.rows += message.rows;
        this.figures.writeSeconds += message.durationMs / 1000;
        this.#reason = undefined;
        break;
      case 'reset':
        await this.#begunAnew();
        this.#isOpen = true;
        break;
      case 'failed':
        // What is damaged is made again; the rest may pass.
        this.#isDamaged = message.isDamaged;
        this.#isOpen = false;
        throw new OperationalError('VIEWS_INCOMPLETE', { detail: message.why });
      default:
        message satisfies never;
    }
    this.#standing = message.standing;
    this.#waiters.look(this.status());
  }

  /** Whoever reads has what was there before. */
  async #begunAnew(): Promise<void> {
    this.figures.rebuilds += 1;
    this.#isDamaged = false;
    this.#reason = 'They are being built.';
    await this.#desk.restart();
  }

  /** What the store holds must be of these books: it is compared where it ends. */
  async #verify(): Promise<void> {
    const mark = this.#marks.latest;
    if (mark === undefined) return;
    this.#isVerified = true;
    const why = await this.#strangeness(this.#standing, mark);
    if (why === undefined) {
      this.#reason = this.#standing.isComplete ? undefined : 'They are being built.';
      this.#waiters.look(this.status());
      return;
    }
    this.#options.log('warning', `The views cannot be used: ${why}. They are built again.`);
    await this.#take(await this.#say({ kind: 'reset' }));
  }

  async #strangeness(standing: Standing, mark: Mark): Promise<string | undefined> {
    const { transfers, accounts, ledgers, position, lastTransfer, lastAccount } = standing;
    const isAhead =
      transfers > mark.transfers || accounts > mark.accounts || position > mark.position;
    if (isAhead || ledgers > mark.ledgers) return 'they hold more than these books';
    if (accounts > 0) {
      const last = lastAccountOf(this.#accounts(accounts - 1, 1));
      const why = another(`account ${accounts - 1}`, last, lastAccount);
      if (why !== undefined) return why;
    }
    if (transfers === 0) return undefined;
    const last = lastTransferOf(new FedRecords(await this.#records(transfers - 1, 1)));
    return another(`transfer ${transfers - 1}`, last, lastTransfer);
  }

  async #nextBatch(): Promise<Batch | undefined> {
    const { batchTransfers = BATCH_TRANSFERS } = this.#options;
    const standing = this.#standing;
    const stretch = this.#marks.next(standing, batchTransfers);
    if (stretch === undefined) return undefined;
    const { mark, target } = stretch;
    const opened = target.accounts - standing.accounts;
    const accounts = this.#accounts(standing.accounts, Math.min(opened, BATCH_ACCOUNTS));
    const ledgers = this.#ledgers(standing.ledgers, target.ledgers);
    if (opened > BATCH_ACCOUNTS) {
      return { ledgers, accounts, records: new Uint8Array(0), mark: undefined };
    }
    const wanted = Math.min(target.transfers - standing.transfers, batchTransfers);
    const records = await this.#records(standing.transfers, wanted);
    return { ledgers, accounts, records, mark };
  }

  #ledgers(from: number, until: number): Batch['ledgers'] {
    return this.#books().state().ledgers.definitions.slice(from, until);
  }

  #accounts(first: number, count: number): Uint32Array<ArrayBuffer> {
    const { records } = this.#books().state().ledger.accounts;
    const copy = new Uint32Array(count * ACCOUNT_WORDS);
    for (let index = 0; index < count; index++) {
      const words = records.wordsOf(first + index);
      const o = records.offsetOf(first + index);
      copy.set(words.subarray(o, o + ACCOUNT_WORDS), index * ACCOUNT_WORDS);
    }
    return copy;
  }

  async #records(first: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
    if (count === 0) return new Uint8Array(0);
    const records = await this.#books().recordsFrom(first, count, this.#ending.signal);
    if (records.byteLength === count * RECORD_BYTES) return records;
    const detail = `The history has no transfer ${first + records.byteLength / RECORD_BYTES} yet.`;
    throw new OperationalError('HISTORY_INCOMPLETE', { detail });
  }

  #books(): ViewsSource {
    if (this.#source === undefined) throw stopping();
    return this.#source;
  }
}

const RECORD_BYTES = 128;

/** Undefined = it is the same one. */
function another(what: string, is: Last | undefined, was: Last): string | undefined {
  if (is?.id !== was.id) return `${what} is ${is?.id}, and was ${was.id}`;
  if (is.timestampNs === was.timestampNs) return undefined;
  return `${what} is of ${instantText(is.timestampNs)}, and was of ${instantText(was.timestampNs)}`;
}

function stopping(): OperationalError {
  return new OperationalError('VIEWS_INCOMPLETE', { detail: 'The node is stopping.' });
}
