// The history of a node, as the payments' thread holds it: it is fed with what every command
// accepted, keeps account of runs, chunks and what is missing, and hands questions to the thread
// that answers them. Nothing here waits for a disk or for another thread.

import { HOLD_STATES } from '../base/answers.ts';
import { writeIdWords } from '../base/ids.ts';
import type { ListQuery } from '../base/list-query.ts';
import { OperationalError } from '../base/errors.ts';
import type { Command } from '../domain/commands.ts';
import type { DomainState } from '../domain/domain.ts';
import { NO_RECORD } from '../domain/ledger/id-index.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { FoundTransfer, HistoryStatus, NodeHistory } from './contract.ts';
import type { Persisted, Records, TransferPage } from './contract.ts';
import { emptyFolder } from './files.ts';
import { foreignTo } from './foreign.ts';
import { incompleteError } from './incomplete.ts';
import { KnownRuns } from './known-runs.ts';
import { NONE, RUN_TRANSFERS } from './layout.ts';
import {
  type FromReader,
  type FromWriter,
  PROGRESS_UNIT,
  type ToReader,
  type ToWriter,
} from './messages.ts';
import { PendingAnswers } from './pending-answers.ts';
import { type HistoryOptions, OPEN_MS_MAX } from './options.ts';
import { orAborted } from './or-aborted.ts';
import type { Answer, Gap, Question } from './query.ts';
import type { Repair, RepairResult } from './repair.ts';
import { RoomGate } from './room-gate.ts';
import { POOL_TRANSFERS, TailFeed } from './tail-feed.ts';
import { ThreadLink } from './thread-link.ts';

/** After a failure of the disk or of a thread: how long until it is tried again. */
const RETRY_MS = 1000;
/** A replay of the whole journal that failed is not begun again at once. */
const REPAIR_AGAIN_MS = 30_000;

export class JournalHistory implements NodeHistory {
  readonly #options: HistoryOptions;
  readonly #size: number;
  readonly #feed: TailFeed;
  readonly #answers = new PendingAnswers();
  #writer: ThreadLink<ToWriter, FromWriter> | undefined;
  #reader: ThreadLink<ToReader, FromReader> | undefined;
  #state: () => DomainState = () => {
    throw new OperationalError('NOT_READY');
  };
  readonly #gate: RoomGate;
  readonly #runs = new KnownRuns();
  #opened = Promise.withResolvers<void>();
  #isOpen = false;
  #isClosed = false;
  #isSettled = false;
  #gap: Gap | undefined;
  #gapBeforeNs = 0n;
  #doubt: string | undefined;
  #sealing: number | undefined;
  #isWriterReady = false;
  #writerFailure: string | undefined;
  #readerFailure: string | undefined;
  #repair: Repair | undefined;
  #repairFailure: string | undefined;
  #loadedPosition = 0;
  #newestLoaded: Uint32Array | undefined;
  #position = 0;
  readonly #progress = new Int32Array(new SharedArrayBuffer(4));
  #foreign: string | undefined;
  #tailBytes = 0;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly figures = { queries: 0, finds: 0, sealSeconds: 0, sealed: 0, waitSeconds: 0, lost: 0 };

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#size = options.runTransfers ?? RUN_TRANSFERS;
    this.#feed = new TailFeed(this.#size, options.poolTransfers ?? POOL_TRANSFERS, {
      opened: ({ run, buffer, from }) => {
        this.#tell({ kind: 'opened', part: { run, buffer, from, expired: [] } });
      },
      expired: (run, ids) => this.#tell({ kind: 'expired', run, ids }),
      filled: () => this.#sealNext(),
      overflowed: () => this.#lose('no chunk was free'),
      began: (from, timeNs) => this.#beginGap(from, timeNs),
    });
    this.#gate = new RoomGate({
      hasRoom: () => this.#gap !== undefined || this.#feed.isOff || this.#feed.hasRoom,
      isHopeless: () => this.#writerFailure !== undefined,
      later: (ms, carryOut) => this.#later(ms, carryOut),
      onWaited: (seconds) => {
        this.figures.waitSeconds += seconds;
      },
    });
  }

  /** Reads what is on disk and starts the threads. */
  async open(): Promise<void> {
    this.#startWriter();
    const opened = this.#opened;
    const msMax = this.#options.openMsMax ?? OPEN_MS_MAX;
    this.#later(msMax, () => {
      if (this.#opened !== opened || this.#isOpen) return;
      this.#writerFailure = `its files could not be read within ${msMax} ms`;
      this.#openWithout(this.#writerFailure);
    });
    await opened.promise;
  }

  attach(state: () => DomainState, onRoom: () => void): void {
    this.#state = state;
    this.#gate.onRoom = onRoom;
  }

  feed(command: Command, outcome: Outcome, position: number, state: DomainState): void {
    if (position <= this.#loadedPosition) return;
    this.#position = Math.max(this.#position, position);
    const { ledger } = state;
    const { accepted, transfersAccepted } = ledger;
    if (transfersAccepted - accepted.count < this.#feed.next) {
      this.#compare(command, outcome, state);
    }
    this.#feed.take(ledger, command, outcome);
    Atomics.store(this.#progress, 0, Math.floor(this.#feed.next / PROGRESS_UNIT));
  }

  get hasRoom(): boolean {
    return this.#gate.isOpen;
  }

  async untilRoom(): Promise<void> {
    await this.#gate.untilOpen();
  }

  takeAhead(): boolean {
    return this.#isOpen && !this.#isClosed && this.#feed.takeAhead();
  }

  doubt(why: string): void {
    this.#foreign ??= why;
  }

  settle(position: number): void {
    this.#isSettled = true;
    const { ledger, lastTimeNs } = this.#state();
    const count = ledger.transfersAccepted;
    const seen = { position: this.#loadedPosition, newest: this.#newestLoaded };
    this.#foreign ??= foreignTo({ ...seen, next: this.#feed.next }, ledger, position);
    if (this.#foreign !== undefined) {
      this.#position = Math.min(this.#position, position);
      this.#options.log('warning', `The history cannot be used: ${this.#foreign}.`);
      void this.#beginEmpty();
      return;
    }
    if (this.#feed.next < count && !this.#feed.isOff) this.#feed.beginAt(count, lastTimeNs + 1n);
    this.#mend();
  }

  async persist(): Promise<Persisted> {
    const persisted = { position: this.#position, number: this.#feed.next };
    if (this.#gap !== undefined || this.#feed.isOff || this.#writer === undefined) return persisted;
    const { id, promise } = this.#answers.ask<void>();
    this.#writer.say({
      kind: 'persist',
      id,
      parts: this.#feed.parts.map(({ run, buffer, from, expired }) => {
        return { run, buffer, from, expired };
      }),
      position: this.#position,
      through: this.#feed.next,
    });
    await promise;
    return persisted;
  }

  async find(id: bigint): Promise<FoundTransfer | undefined> {
    this.figures.finds += 1;
    if (id < 0n || id >> 128n !== 0n) return undefined;
    const key = new Uint32Array(4);
    writeIdWords(key, 0, id);
    const asked = this.#ask<Extract<FromReader, { kind: 'found' }>['found']>((number) => {
      return { kind: 'find', id: number, key, through: this.#feed.next };
    });
    const found = await asked;
    if (found === undefined) return undefined;
    return { record: found.record, number: found.number, hold: HOLD_STATES[found.hold] ?? 'none' };
  }

  async query(query: ListQuery, signal: AbortSignal): Promise<TransferPage> {
    this.figures.queries += 1;
    const { account: id } = query.filter;
    const account = id === undefined ? undefined : this.#accountOf(id);
    return await this.#page({ query, account, through: this.#feed.next }, signal);
  }

  async recordsFrom(number: number, limit: number, signal: AbortSignal): Promise<Records> {
    const query = { filter: {}, order: 'oldest-first', limit, after: number - 1 } as const;
    const question = { query, account: undefined, through: this.#feed.next, isBare: true };
    return (await this.#page(question, signal)).records;
  }

  async #page(question: Question, signal: AbortSignal): Promise<Answer & { position: number }> {
    signal.throwIfAborted();
    const position = this.#position;
    const asked = this.#ask<Answer>((id) => ({ kind: 'query', id, question }));
    return { ...(await orAborted(asked, signal)), position };
  }

  status(): HistoryStatus {
    const reason = this.#reason();
    const missing = this.#gap === undefined ? 0 : this.#gap.until - this.#gap.from;
    const { runs, digest } = this.#runs.digest();
    return {
      complete: reason === undefined,
      reason,
      transfers: Math.max(0, this.#feed.next - Math.min(missing, this.#feed.next)),
      position: this.#position,
      runs: this.#runs.count,
      bytes: this.#runs.bytes + this.#tailBytes,
      digestRuns: runs,
      digest,
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#answers.rejectAll(incompleteError('The node is stopping.'));
    await this.#repair?.stop();
    await Promise.all([this.#reader?.terminate(), this.#writer?.terminate()]);
  }

  #reason(): string | undefined {
    if (!this.#isOpen) return 'It is being opened.';
    if (this.#gap !== undefined) return `${this.#gap.why}${this.#mending()}`;
    const fault = this.#runs.fault();
    if (fault !== undefined) return `${fault}${this.#mending()}`;
    if (this.#doubt !== undefined) return `${this.#doubt}${this.#mending()}`;
    return this.#readerFailure;
  }

  #mending(): string {
    if (this.#repairFailure !== undefined) return `; ${this.#repairFailure}`;
    return this.#repair === undefined ? '.' : '; it is being read from the journal.';
  }

  #accountOf(id: bigint): number {
    if (id < 0n || id >> 128n !== 0n) return NONE;
    const key = new Uint32Array(4);
    writeIdWords(key, 0, id);
    const account = this.#state().ledger.accounts.find(key, 0);
    return account === NO_RECORD ? NONE : account;
  }

  /** What is known already is fed again at a start: the last of each run must be the same one. */
  #compare(command: Command, outcome: Outcome, { ledger }: DomainState): void {
    const { accepted, transfersAccepted } = ledger;
    const first = transfersAccepted - accepted.count;
    const run = Math.floor(transfersAccepted / this.#size) - 1;
    const last = (run + 1) * this.#size - 1;
    if (last < first || accepted.count === 0 || this.#foreign !== undefined) return;
    const expected = this.#runs.get(run)?.lastId;
    if (expected === undefined) return;
    const place = accepted.events[last - first]! * 128;
    const id = Buffer.from(command.payload.subarray(place, place + 16)).toString('hex');
    if (id === expected) return;
    this.#foreign = `transfer ${last} is ${id} at ${outcome.timeNs}, and was ${expected}`;
  }

  #later(ms: number, carryOut: () => void): void {
    if (this.#isClosed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      carryOut();
    }, ms);
    this.#timers.add(timer);
  }

  #tell(message: ToReader): void {
    this.#reader?.say(message);
  }

  #ask<T>(message: (id: number) => ToReader): Promise<T> {
    if (this.#reader === undefined) {
      return Promise.reject(incompleteError(this.#readerFailure ?? 'It is being opened.'));
    }
    const { id, promise } = this.#answers.ask<T>();
    this.#reader.say(message(id));
    return promise;
  }

  // The writer.

  #startWriter(): void {
    this.#writer = new ThreadLink<ToWriter, FromWriter>({
      name: 'writer-thread',
      data: { folder: this.#options.folder, size: this.#size },
      onMessage: (message) => this.#fromWriter(message),
      onDeath: (error) => this.#writerDied(error),
    });
  }

  #writerDied(error: Error): void {
    this.#writer = undefined;
    this.#isWriterReady = false;
    this.#sealing = undefined;
    this.#writerFailure = error.message;
    this.#options.log('warning', `The thread that writes the history ended: ${error.message}`);
    this.#answers.rejectAll(incompleteError(error.message));
    this.#later(RETRY_MS, () => this.#startWriter());
    this.#openWithout(error.message);
  }

  /** Nothing can be read or written there now. The payments do not wait for that. */
  #openWithout(why: string): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#feed.isOff = true;
    this.#lose(why);
    this.#opened.resolve();
  }

  #fromWriter(message: FromWriter): void {
    switch (message.kind) {
      case 'ready':
        this.#ready(message);
        return;
      case 'sealed':
        this.#sealed(message);
        return;
      case 'seal-failed':
        this.#sealing = undefined;
        this.#writerFailure = message.why;
        this.#options.log('warning', `Run ${message.run} could not be written: ${message.why}`);
        this.#later(RETRY_MS, () => this.#sealNext());
        return;
      case 'learnt':
        this.#doubt = message.doubt;
        this.#sealNext();
        return;
      case 'persisted':
        this.#tailBytes = message.tailBytes;
        if (message.why === undefined) this.#answers.resolve(message.id, undefined);
        else this.#answers.reject(message.id, incompleteError(message.why));
        return;
      default:
        message satisfies never;
    }
  }

  #ready(message: Extract<FromWriter, { kind: 'ready' }>): void {
    for (const note of message.notes) this.#options.log('warning', note);
    this.#doubt = message.doubt;
    this.#tailBytes = message.tailBytes;
    this.#writerFailure = undefined;
    this.#isWriterReady = true;
    const isNew = message.entries.filter(({ run }) => this.#runs.get(run) === undefined);
    for (const entry of message.entries) {
      if (this.#runs.get(entry.run) === undefined) this.#runs.add(entry);
    }
    for (const [run, why] of message.damaged) this.#runs.markDamaged(run, why);
    if (this.#isOpen) {
      // A writer before it made these and did not live to say so.
      for (const entry of isNew) this.#tell({ kind: 'sealed', entry });
      this.#startReader();
      this.#sealNext();
      return;
    }
    const { parts } = message;
    const last = parts.at(-1);
    const next = last === undefined ? this.#runs.end * this.#size : last.from + last.count;
    this.#feed.adopt(parts, next);
    this.#newestLoaded = this.#feed.newest();
    this.#loadedPosition = message.position;
    this.#position = Math.max(this.#position, message.position);
    this.#isOpen = true;
    this.#startReader();
    this.#sealNext();
    this.#opened.resolve();
  }

  #sealNext(): void {
    if (this.#sealing !== undefined || this.#writer === undefined) return;
    if (this.#gap !== undefined || this.#doubt !== undefined) return;
    const end = this.#runs.end;
    const part = this.#feed.parts.find(({ run }) => run >= end);
    if (part === undefined || this.#feed.next < part.base + this.#size) return;
    this.#sealing = part.run;
    const { run, buffer, from, expired } = part;
    this.#writer.say({ kind: 'seal', part: { run, buffer, from, expired } });
  }

  #sealed({ entry, durationMs, tailBytes }: Extract<FromWriter, { kind: 'sealed' }>): void {
    this.#sealing = undefined;
    this.#writerFailure = undefined;
    this.#tailBytes = tailBytes;
    this.figures.sealed += 1;
    this.figures.sealSeconds += durationMs / 1000;
    this.#runs.add(entry);
    if (this.#gap?.from === entry.run * this.#size) {
      this.#gap = { ...this.#gap, from: this.#gap.from + this.#size };
      this.#tell({ kind: 'restored', entries: [entry] });
      this.#tell({ kind: 'gap', gap: this.#gap, dropped: false });
      return;
    }
    if (this.#reader === undefined) this.#feed.release(entry.run);
    this.#tell({ kind: 'sealed', entry });
    this.#sealNext();
  }

  // The reader.

  #startReader(): void {
    if (this.#reader !== undefined) return;
    this.#readerFailure = undefined;
    const end = this.#runs.end;
    const sealed = this.#feed.parts.filter(({ run }) => run < end);
    for (const { run } of sealed) this.#feed.release(run);
    this.#reader = new ThreadLink<ToReader, FromReader>({
      name: 'reader-thread',
      data: { folder: this.#options.folder, size: this.#size },
      onMessage: (message) => this.#fromReader(message),
      onDeath: (error) => this.#readerDied(error),
    });
    this.#tell({
      kind: 'start',
      entries: this.#runs.entries,
      damaged: this.#runs.damaged,
      parts: this.#feed.parts.map(({ run, buffer, from, expired }) => {
        return { run, buffer, from, expired };
      }),
      gap: this.#gap,
      progress: this.#progress.buffer,
    });
  }

  #readerDied(error: Error): void {
    this.#reader = undefined;
    this.#readerFailure = `The thread that answers ended: ${error.message}`;
    this.#options.log('warning', this.#readerFailure);
    this.#answers.rejectAll(incompleteError(this.#readerFailure));
    this.#later(RETRY_MS, () => this.#startReader());
  }

  #fromReader(message: FromReader): void {
    switch (message.kind) {
      case 'answer':
        this.#answers.resolve(message.id, message.answer);
        return;
      case 'found':
        this.#answers.resolve(message.id, message.found);
        return;
      case 'incomplete':
        this.#answers.reject(message.id, incompleteError(message.why));
        return;
      case 'failed':
        this.#options.log('warning', `A question to the history failed: ${message.why}`);
        this.#answers.reject(message.id, incompleteError(message.why));
        return;
      case 'released':
        this.#feed.release(message.run);
        this.#gate.freed();
        return;
      case 'damaged':
        this.#options.log('warning', `A part of the history is damaged. ${message.why}`);
        this.#runs.markDamaged(message.run, message.why);
        this.#mend();
        return;
      default:
        message satisfies never;
    }
  }

  // What is missing.

  #beginGap(until: number, beforeNs: bigint): void {
    const from = this.#runs.end * this.#size;
    const why = `transfers ${from} to ${until - 1} are missing`;
    this.#gap = { from, until, why };
    this.#gapBeforeNs = beforeNs;
    const part = this.#feed.parts[0]!;
    this.#tell({ kind: 'gap', gap: this.#gap, dropped: true });
    const { run, buffer } = part;
    this.#tell({ kind: 'opened', part: { run, buffer, from: part.from, expired: [] } });
    this.#options.log('warning', `The history is not complete: ${why}.`);
    void this.#repair?.stop();
    this.#repair = undefined;
    this.#mend();
  }

  /** The tail is given up: it is read from the journal when there is room again. */
  #lose(why: string): void {
    const from = this.#runs.end * this.#size;
    const text = `transfers from ${from} on are missing, because ${this.#writerFailure ?? why}`;
    this.#gap = { from, until: Number.MAX_SAFE_INTEGER, why: text };
    this.figures.lost += 1;
    this.#tell({ kind: 'gap', gap: this.#gap, dropped: true });
    this.#options.log('warning', `The history is not complete: ${text}.`);
    this.#later(RETRY_MS, () => this.#resume());
  }

  #resume(): void {
    if (!this.#isWriterReady) {
      this.#later(RETRY_MS, () => this.#resume());
      return;
    }
    this.#feed.isOff = false;
    const { ledger, lastTimeNs } = this.#state();
    this.#feed.beginAt(ledger.transfersAccepted, lastTimeNs + 1n);
  }

  #mend(): void {
    const { startRepair, folder } = this.#options;
    if (!this.#isSettled || this.#repair !== undefined || this.#isClosed) return;
    const gap = this.#gap;
    if (gap?.until === Number.MAX_SAFE_INTEGER) return;
    const part = gap === undefined ? undefined : this.#feed.parts[0];
    const end = part === undefined ? this.#runs.end : part.run;
    const wanted = this.#runs.lacking(end);
    if (wanted.length === 0 && part === undefined) return;
    if (startRepair === undefined) {
      this.#repairFailure = 'nothing reads the journal again here.';
      return;
    }
    const fill =
      part === undefined || gap === undefined
        ? undefined
        : { run: part.run, buffer: part.buffer, until: gap.until };
    const beforeNs = gap === undefined ? this.#state().lastTimeNs + 1n : this.#gapBeforeNs;
    const repair = startRepair({ folder, size: this.#size, wanted, fill, beforeNs });
    this.#repair = repair;
    void repair.result.then((result) => {
      if (this.#repair === repair && !this.#isClosed) this.#repaired(result);
    });
  }

  #repaired(result: RepairResult): void {
    this.#repair = undefined;
    if (result.kind === 'failed') {
      this.#repairFailure = result.why;
      this.#options.log('warning', `The history could not be mended: ${result.why}`);
      if (!result.forGood) this.#later(REPAIR_AGAIN_MS, () => this.#mend());
      return;
    }
    this.#repairFailure = undefined;
    for (const entry of result.entries) this.#runs.add(entry);
    this.#writer?.say({ kind: 'learn', entries: result.entries });
    this.#tell({ kind: 'restored', entries: result.entries });
    const part = this.#feed.parts[0];
    if (this.#gap !== undefined && part !== undefined) {
      part.from = part.base;
      part.expired.unshift(result.expired);
      this.#gap = undefined;
      this.#doubt = 'the writer is learning the runs that were mended';
      this.#tell({ kind: 'filled', expired: result.expired, through: this.#feed.next });
    }
    this.#options.log('info', 'What was missing in the history has been read from the journal.');
    this.#mend();
  }

  /** Nothing of it can be used: it begins anew, and is read from the journal. */
  async #beginEmpty(): Promise<void> {
    this.#isOpen = false;
    this.#feed.isOff = true;
    const threads = [this.#reader, this.#writer];
    // Nobody may ask them any more, and whoever did hears nothing of another journal.
    this.#reader = undefined;
    this.#writer = undefined;
    this.#answers.rejectAll(incompleteError('It is being made anew.'));
    for (const thread of threads) await thread?.terminate();
    this.#isWriterReady = false;
    this.#sealing = undefined;
    this.#runs.clear();
    this.#feed.dropAll();
    if (this.#isClosed) return;
    try {
      emptyFolder(this.#options.folder);
    } catch (error) {
      this.#options.log('warning', `What is there cannot be removed: ${String(error)}`);
      this.#later(RETRY_MS, () => void this.#beginEmpty());
      return;
    }
    this.#foreign = undefined;
    this.#opened = Promise.withResolvers<void>();
    await this.open();
    const { ledger, lastTimeNs } = this.#state();
    this.#loadedPosition = 0;
    this.#feed.isOff = false;
    if (ledger.transfersAccepted > 0) {
      this.#feed.beginAt(ledger.transfersAccepted, lastTimeNs + 1n);
    }
  }
}
