// The client library over the binary protocol (docs/reference/protocol.md): typed, batching by
// itself, retrying what is safe to retry. Beside http-client.ts it says less about each transfer
// (outcomes, not whole documents) and is many times faster. Its errors are those of problems.ts.

import type { Account } from '../base/account.ts';
import {
  type FoundTransfer,
  type TransfersCreated,
  readFoundAccounts,
  readFoundTransfers,
} from '../base/answers.ts';
import type { Frame } from '../base/frame-reader.ts';
import { ID_BYTES, writeId } from '../base/ids.ts';
import {
  ACCOUNTS_PER_REQUEST_MAX,
  LOOKUP_IDS_MAX,
  TRANSFERS_PER_REQUEST_MAX,
} from '../base/limits.ts';
import { encodeFreshRead } from '../base/fresh-read.ts';
import { FRAME_HEADER_BYTES, FrameKind, readCount, textFrame } from '../base/protocol.ts';
import { TRANSFER_BYTES } from '../base/transfer-record.ts';
import { BinaryCalls, type BinaryCounters } from './binary-calls.ts';
import type { TlsOptions } from './binary-link.ts';
import {
  type AccountsPage,
  type BinaryCreated,
  type BinaryQuery,
  type SendFrame,
  type TransferRecordsPage,
  createPosting,
  jsonOf,
  listAccounts,
  listTransfers,
  positionOf,
  queryAccounts,
  queryTransfers,
  revertPosting,
  revertTransfer,
  setFrozen,
  transferPages,
} from './binary-queries.ts';
import type { BatchAnswer, LookupAnswer } from './http-client.ts';
import { AnswerUnreadable, ApiProblem } from './problems.ts';
import {
  TransferGatherer,
  type TransferOutcome,
  type TransferWaiter,
  transfersCreatedOf,
} from './transfer-gatherer.ts';
import { recordsOf, transferOf } from './transfer-records.ts';
import type { CallOptions, ReadOptions } from './transport.ts';
import {
  type BatchResult,
  type CreateStatus,
  type JsonObject,
  type Ledger,
  type NewAccount,
  type NewPosting,
  type NewTransfer,
  type PostingView,
  type TransferView,
  newAccountJson,
  readBatchResult,
  readLedger,
  readList,
} from './wire.ts';

export type BinaryClientOptions = {
  /** holdfast://host:port, or holdfasts:// for TLS; several = the preferred node first. */
  readonly url: string | readonly string[];
  /** Begin at one of them chosen at random, so that many clients use all nodes; false. */
  readonly spread?: boolean;
  /**
   * Reads reflect everything that this client has been told of, at whatever node; true where there
   * are several addresses. A node older than fresh reads refuses them.
   */
  readonly readYourWrites?: boolean;
  readonly key: string;
  readonly tls?: TlsOptions;
  /** How long a call goes on trying. */
  readonly deadlineMs?: number;
  /** Requests under way at once; the node may allow fewer. */
  readonly inFlightMax?: number;
  /** Calls that may wait for their turn; beyond it a RangeError. */
  readonly waitingMax?: number;
  /** Single transfers that travel as one request; 1 = each alone. */
  readonly gatherTransfersMax?: number;
  /** How long single transfers gather; 0 = what comes in the same turn of the loop. */
  readonly gatherMs?: number;
  /** From the first packet to the welcome: 5 s, with several nodes 1 s and growing. */
  readonly connectMsMax?: number;
  /** A node that says nothing for so long, not even to pings, is left: 15 s, with several 1 s. */
  readonly silentMsMax?: number;
  /**
   * With several nodes: a request that has no answer for so long goes to the next one; 3 s, doubled
   * when all of them were too slow. What is left of the deadline is shared among the nodes.
   */
  readonly attemptMsMax?: number;
  readonly backoffMs?: number;
  readonly backoffMsMax?: number;
};

export type TransferCreated = {
  readonly status: CreateStatus;
  readonly position: number;
  /** When it was accepted; not known where it exists since an earlier request. */
  readonly timestampNs: bigint | undefined;
};

export type TransferRefused = {
  /** Place in the batch. */
  readonly index: number;
  readonly code: string;
  readonly detail: string;
};

export type TransfersAnswer = TransfersCreated & {
  /** Only what was refused, in the order of the batch. */
  readonly refused: readonly TransferRefused[];
};

export type BinaryTransfersApi = {
  /** Calls at the same time travel together; refused = ApiProblem. */
  create(transfer: NewTransfer, options?: CallOptions): Promise<TransferCreated>;
  /**
   * One request. Records (128 bytes each, base/transfer-record.ts) are sent as they are, so they
   * may not be written to before the call has ended.
   */
  createBatch(
    transfers: Uint8Array | readonly NewTransfer[],
    options?: CallOptions,
  ): Promise<TransfersAnswer>;
  lookup(ids: readonly bigint[], options?: ReadOptions): Promise<LookupAnswer<FoundTransfer>>;
  /** The same amount the other way, once however often it is asked. */
  revert(id: bigint, options?: CallOptions): Promise<BinaryCreated<TransferView>>;
};

export type BinaryAccountsApi = {
  create(account: NewAccount, options?: CallOptions): Promise<BatchResult>;
  createBatch(accounts: readonly NewAccount[], options?: CallOptions): Promise<BatchAnswer>;
  lookup(ids: readonly bigint[], options?: ReadOptions): Promise<LookupAnswer<Account>>;
  /** Nothing begins with a frozen account. Already so: nothing changes. */
  freeze(id: bigint, options?: CallOptions): Promise<Account>;
  unfreeze(id: bigint, options?: CallOptions): Promise<Account>;
};

export type BinaryPostingsApi = {
  create(posting: NewPosting, options?: CallOptions): Promise<BinaryCreated<PostingView>>;
  revert(id: bigint, options?: CallOptions): Promise<BinaryCreated<PostingView>>;
};

export type BinaryLedgersApi = {
  define(ledger: Ledger, options?: CallOptions): Promise<CreateStatus>;
  list(options?: ReadOptions): Promise<Ledger[]>;
};

export type BinaryClient = AsyncDisposable & {
  readonly url: string;
  /** The highest journal position that an answer has carried; for another's `afterPosition`. */
  readonly position: number;
  readonly counters: Readonly<BinaryCounters>;
  readonly inFlight: number;
  readonly transfers: BinaryTransfersApi;
  readonly accounts: BinaryAccountsApi;
  readonly ledgers: BinaryLedgersApi;
  readonly postings: BinaryPostingsApi;
  /** One page as records; `transfersOfPage` (binary-queries.ts) makes values of them. */
  queryTransfers(query: BinaryQuery, options?: ReadOptions): Promise<TransferRecordsPage>;
  queryAccounts(query: BinaryQuery, options?: ReadOptions): Promise<AccountsPage>;
  /** Page after page, each asked for when it is wanted. */
  transferPages(query: BinaryQuery, options?: ReadOptions): AsyncIterable<TransferRecordsPage>;
  /** All that fit, page by page as they are taken. */
  listTransfers(query: BinaryQuery, options?: ReadOptions): AsyncIterable<FoundTransfer>;
  listAccounts(query: BinaryQuery, options?: ReadOptions): AsyncIterable<Account>;
  /** The node's own words: role, epoch, position and more (docs/reference/http-api.md). */
  status(options?: CallOptions): Promise<JsonObject>;
  /** Idempotent. Calls under way end as if their deadline had come. */
  close(): Promise<void>;
};

type Defaults = Required<
  Omit<
    BinaryClientOptions,
    'url' | 'key' | 'tls' | 'connectMsMax' | 'silentMsMax' | 'readYourWrites'
  >
>;

const DEFAULTS: Defaults = {
  spread: false,
  attemptMsMax: 3_000,
  deadlineMs: 30_000,
  inFlightMax: 256,
  waitingMax: 100_000,
  gatherTransfersMax: TRANSFERS_PER_REQUEST_MAX,
  gatherMs: 0,
  backoffMs: 25,
  backoffMsMax: 1_000,
};

const NOTHING = new Uint8Array(0);

/** Requests whose answers begin with a position. */
const POSITION_FIRST: ReadonlySet<number> = new Set([
  FrameKind.createTransfers,
  FrameKind.freezeAccount,
  FrameKind.unfreezeAccount,
  FrameKind.lookupTransfers,
  FrameKind.lookupAccounts,
  FrameKind.queryTransfers,
  FrameKind.queryAccounts,
]);

export function createBinaryClient(options: BinaryClientOptions): BinaryClient {
  return new Client({ ...DEFAULTS, ...options });
}

class Client implements BinaryClient {
  readonly transfers: BinaryTransfersApi;
  readonly accounts: BinaryAccountsApi;
  readonly ledgers: BinaryLedgersApi;
  readonly postings: BinaryPostingsApi;
  readonly #deadlineMs: number;
  readonly #readsOwnWrites: boolean;
  #position = 0;
  readonly #calls: BinaryCalls;
  readonly #gatherer: TransferGatherer;
  readonly #send: SendFrame = (...sent) => this.#submit(...sent);

  constructor(options: BinaryClientOptions & Defaults) {
    this.#deadlineMs = options.deadlineMs;
    const urls = [options.url].flat();
    this.#readsOwnWrites = options.readYourWrites ?? urls.length > 1;
    this.#calls = new BinaryCalls({
      ...options,
      urls,
      tls: options.tls,
      connectMsMax: options.connectMsMax,
      silentMsMax: options.silentMsMax,
    });
    this.#gatherer = new TransferGatherer({
      transfersMax: Math.min(options.gatherTransfersMax, TRANSFERS_PER_REQUEST_MAX),
      gatherMs: options.gatherMs,
      send: (payload, deadlineMs, waiter) => {
        const kind = FrameKind.createTransfers;
        this.#calls.ask({ kind, payload, isWrite: true, deadlineMs }, waiter);
      },
    });
    this.transfers = {
      create: (transfer, call) => this.#createTransfer(transfer, call),
      createBatch: (transfers, call) => this.#createTransfers(transfers, call),
      lookup: (ids, call) => this.#lookupTransfers(ids, call),
      revert: async (id, call) => this.#told(await revertTransfer(this.#send, id, call)),
    };
    this.accounts = {
      create: async (account, call) => (await this.#createAccounts([account], call)).results[0]!,
      createBatch: (accounts, call) => this.#createAccounts(accounts, call),
      lookup: (ids, call) => this.#lookupAccounts(ids, call),
      freeze: (id, call) => setFrozen(this.#send, id, true, call),
      unfreeze: (id, call) => setFrozen(this.#send, id, false, call),
    };
    this.ledgers = {
      define: (ledger, call) => this.#defineLedger(ledger, call),
      list: async (call) =>
        readList(
          jsonOf(await this.#read(FrameKind.listLedgers, NOTHING, call)),
          'ledgers',
          readLedger,
        ),
    };
    this.postings = {
      create: async (posting, call) => this.#told(await createPosting(this.#send, posting, call)),
      revert: async (id, call) => this.#told(await revertPosting(this.#send, id, call)),
    };
  }

  get url(): string {
    return this.#calls.url;
  }

  get position(): number {
    return this.#position;
  }

  get counters(): Readonly<BinaryCounters> {
    return this.#calls.counters;
  }

  get inFlight(): number {
    return this.#calls.inFlight;
  }

  async status(call?: CallOptions): Promise<JsonObject> {
    return jsonOf(await this.#read(FrameKind.status, NOTHING, call)) as JsonObject;
  }

  queryTransfers(query: BinaryQuery, call?: ReadOptions): Promise<TransferRecordsPage> {
    return queryTransfers(this.#send, query, call);
  }

  queryAccounts(query: BinaryQuery, call?: ReadOptions): Promise<AccountsPage> {
    return queryAccounts(this.#send, query, call);
  }

  transferPages(query: BinaryQuery, call?: ReadOptions): AsyncIterable<TransferRecordsPage> {
    return transferPages(this.#send, query, call);
  }

  listTransfers(query: BinaryQuery, call?: ReadOptions): AsyncIterable<FoundTransfer> {
    return listTransfers(this.#send, query, call);
  }

  listAccounts(query: BinaryQuery, call?: ReadOptions): AsyncIterable<Account> {
    return listAccounts(this.#send, query, call);
  }

  close(): Promise<void> {
    this.#gatherer.flush();
    this.#calls.close();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #createTransfer(transfer: NewTransfer, call?: CallOptions): Promise<TransferCreated> {
    return new Promise((resolve, reject) => {
      this.#gatherer.add(transferOf(transfer), {
        deadlineMs: call?.deadlineMs ?? this.#deadlineMs,
        signal: call?.signal,
        waiter: new CreatedWaiter((outcome) => this.#created(outcome), resolve, reject),
      });
    });
  }

  /** Throws the refusal, as an ApiProblem. */
  #created(outcome: TransferOutcome): TransferCreated {
    const { code, position, timestampNs } = this.#told(outcome);
    if (code === 0) return { status: 'created', position, timestampNs };
    const refusal = this.#refusal(code);
    if (refusal.status < 400) return { status: 'exists', position, timestampNs: undefined };
    throw refusal;
  }

  async #createTransfers(
    transfers: Uint8Array | readonly NewTransfer[],
    call?: CallOptions,
  ): Promise<TransfersAnswer> {
    const isRaw = transfers instanceof Uint8Array;
    const count = isRaw ? transfers.byteLength / TRANSFER_BYTES : transfers.length;
    bounded(count, TRANSFERS_PER_REQUEST_MAX, 'transfers');
    const records = isRaw ? transfers : recordsOf(transfers.map(transferOf));
    const answer = await this.#sendRecords(records, call);
    return { ...answer, refused: this.#refused(answer.codes) };
  }

  async #sendRecords(records: Uint8Array, call?: CallOptions): Promise<TransfersCreated> {
    const frame = await this.#write(FrameKind.createTransfers, records, call);
    return transfersCreatedOf(frame, records.byteLength / TRANSFER_BYTES);
  }

  #refused(codes: Uint16Array): TransferRefused[] {
    const refused: TransferRefused[] = [];
    for (let index = 0; index < codes.length; index++) {
      const number = codes[index]!;
      if (number === 0) continue;
      const { status, code, detail } = this.#refusal(number);
      if (status >= 400) refused.push({ index, code, detail });
    }
    return refused;
  }

  #refusal(number: number): ApiProblem {
    const kind = this.#calls.refusal(number);
    if (kind === undefined) {
      throw new AnswerUnreadable(`The node answered with number ${number}, which it never named.`);
    }
    return new ApiProblem({ ...kind, requestId: '', errors: [] });
  }

  async #createAccounts(accounts: readonly NewAccount[], call?: CallOptions): Promise<BatchAnswer> {
    bounded(accounts.length, ACCOUNTS_PER_REQUEST_MAX, 'accounts');
    const payload = jsonPayload({ accounts: accounts.map(newAccountJson) });
    const body = jsonOf(await this.#write(FrameKind.createAccounts, payload, call));
    const results = readList(body, 'results', (item) => readBatchResult(item, 'account'));
    return this.#told({ position: positionOf(body), results });
  }

  async #defineLedger(ledger: Ledger, call?: CallOptions): Promise<CreateStatus> {
    const { ledger: number, currency, exponent } = ledger;
    const payload = jsonPayload({ ledger: number, currency, exponent });
    const body = jsonOf(await this.#write(FrameKind.defineLedger, payload, call));
    this.#told({ position: positionOf(body) });
    return (body as JsonObject)['status'] === 'created' ? 'created' : 'exists';
  }

  async #lookupTransfers(
    ids: readonly bigint[],
    call?: ReadOptions,
  ): Promise<LookupAnswer<FoundTransfer>> {
    const frame = await this.#read(FrameKind.lookupTransfers, idsPayload(ids), call);
    const answer = readable(readFoundTransfers(frame.payload));
    return { ...answer, notFound: missing(ids, answer.found, ({ transfer }) => transfer.id) };
  }

  async #lookupAccounts(
    ids: readonly bigint[],
    call?: ReadOptions,
  ): Promise<LookupAnswer<Account>> {
    const frame = await this.#read(FrameKind.lookupAccounts, idsPayload(ids), call);
    const answer = readable(readFoundAccounts(frame.payload));
    return { ...answer, notFound: missing(ids, answer.found, ({ id }) => id) };
  }

  #write(kind: number, payload: Uint8Array, call: CallOptions | undefined): Promise<Frame> {
    return this.#submit(kind, payload, true, call);
  }

  #read(kind: number, payload: Uint8Array, call: ReadOptions | undefined): Promise<Frame> {
    return this.#submit(kind, payload, false, call);
  }

  async #submit(
    kind: number,
    payload: Uint8Array,
    isWrite: boolean,
    call: ReadOptions | undefined,
  ): Promise<Frame> {
    const deadlineMs = call?.deadlineMs ?? this.#deadlineMs;
    const isPlain = isWrite || kind === FrameKind.status;
    const sent = isPlain ? { kind, payload } : this.#fresh(kind, payload, call);
    const asked = { ...sent, isWrite, deadlineMs, signal: call?.signal };
    const frame = await this.#calls.submit(asked);
    if (POSITION_FIRST.has(kind)) this.#told({ position: positionFirst(frame) });
    return frame;
  }

  /** A read, wrapped where it must be fresher than whatever a node has. */
  #fresh(kind: number, payload: Uint8Array, call: ReadOptions = {}) {
    const { consistency, afterPosition = 0 } = call;
    const isOwn = this.#readsOwnWrites && consistency !== 'local';
    const position = Math.max(afterPosition, isOwn ? this.#position : 0);
    const isStrong = consistency === 'strong';
    if (!isStrong && position === 0) return { kind, payload };
    const wrapped = encodeFreshRead({ position, isStrong, kind, payload });
    return { kind: FrameKind.freshRead, payload: wrapped };
  }

  #told<Answer extends { readonly position: number }>(answer: Answer): Answer {
    if (answer.position > this.#position) this.#position = answer.position;
    return answer;
  }
}

/** From an outcome to the promise of a single transfer. */
class CreatedWaiter implements TransferWaiter {
  readonly #read: (outcome: TransferOutcome) => TransferCreated;
  readonly #resolve: (created: TransferCreated) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    read: (outcome: TransferOutcome) => TransferCreated,
    resolve: (created: TransferCreated) => void,
    reject: (error: unknown) => void,
  ) {
    this.#read = read;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  decided(outcome: TransferOutcome): void {
    try {
      this.#resolve(this.#read(outcome));
    } catch (error) {
      this.#reject(error);
    }
  }

  failed(error: unknown): void {
    this.#reject(error);
  }
}

function jsonPayload(value: JsonObject): Uint8Array {
  return textFrame(JSON.stringify(value)).subarray(FRAME_HEADER_BYTES);
}

function idsPayload(ids: readonly bigint[]): Uint8Array {
  bounded(ids.length, LOOKUP_IDS_MAX, 'ids');
  const bytes = new Uint8Array(ids.length * ID_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, id] of ids.entries()) writeId(view, index * ID_BYTES, id);
  return bytes;
}

function readable<T>(answer: T | undefined): T {
  if (answer === undefined) throw new AnswerUnreadable('The answer to a lookup is malformed.');
  return answer;
}

function missing<T>(
  ids: readonly bigint[],
  found: readonly T[],
  idOf: (item: T) => bigint,
): bigint[] {
  const known = new Set(found.map(idOf));
  return ids.filter((id) => !known.has(id));
}

/** 0 where the answer is too short for one, which its reader will say. */
function positionFirst({ payload }: Frame): number {
  if (payload.byteLength < 8) return 0;
  const { buffer, byteOffset, byteLength } = payload;
  return readCount(new DataView(buffer, byteOffset, byteLength), 0);
}

function bounded(count: number, countMax: number, what: string): void {
  if (Number.isInteger(count) && count >= 1 && count <= countMax) return;
  throw new RangeError(`A request carries 1 to ${countMax} ${what}, not ${count}.`);
}
