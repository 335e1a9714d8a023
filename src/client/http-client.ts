// The client library: the surface of docs/reference/http-api.md, typed, with retries that cannot
// pay twice. Every create takes its ids from the caller; see transport.ts for what is retried and
// problems.ts for how a call can end.

import {
  ACCOUNTS_PER_REQUEST_MAX,
  LOOKUP_IDS_MAX,
  TRANSFERS_PER_REQUEST_MAX,
} from '../base/limits.ts';
import { type IdKind, formatId } from '../base/ids.ts';
import { type ClusterApi, clusterApi } from './http-cluster.ts';
import { type ReportsApi, reportsApi } from './http-reports.ts';
import {
  type HttpQuery,
  type Page,
  allPages,
  listAll,
  queryAccounts,
  queryTransfers,
} from './http-queries.ts';
import {
  type Answer,
  type CallOptions,
  type ClientCounters,
  type ReadOptions,
  Transport,
  type TransportOptions,
} from './transport.ts';
import {
  type AccountView,
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
  newPostingJson,
  newTransferJson,
  readAccount,
  readBatchResult,
  readIds,
  readLedger,
  readList,
  readPosting,
  readTransfer,
} from './wire.ts';

export type ClientOptions = TransportOptions;

export type Created<T> = {
  readonly status: CreateStatus;
  readonly value: T;
  readonly position: number;
};

export type BatchAnswer = { readonly position: number; readonly results: readonly BatchResult[] };

export type LookupAnswer<T> = {
  readonly position: number;
  readonly found: readonly T[];
  readonly notFound: readonly bigint[];
};

export type LedgersApi = {
  define(ledger: Ledger, options?: CallOptions): Promise<Created<Ledger>>;
  list(options?: ReadOptions): Promise<Ledger[]>;
  get(ledger: number, options?: ReadOptions): Promise<Ledger>;
};

export type AccountsApi = {
  create(account: NewAccount, options?: CallOptions): Promise<Created<AccountView>>;
  createBatch(accounts: readonly NewAccount[], options?: CallOptions): Promise<BatchAnswer>;
  /** The same with a body that is JSON already; only the node reads it. */
  createBatchText(text: string, options?: CallOptions): Promise<BatchAnswer>;
  get(id: bigint, options?: ReadOptions): Promise<AccountView>;
  /** Nothing begins with a frozen account. Already so: nothing changes. */
  freeze(id: bigint, options?: CallOptions): Promise<AccountView>;
  unfreeze(id: bigint, options?: CallOptions): Promise<AccountView>;
  lookup(ids: readonly bigint[], options?: ReadOptions): Promise<LookupAnswer<AccountView>>;
};

export type TransfersApi = {
  create(transfer: NewTransfer, options?: CallOptions): Promise<Created<TransferView>>;
  createBatch(transfers: readonly NewTransfer[], options?: CallOptions): Promise<BatchAnswer>;
  /** The same with a body that is JSON already; only the node reads it. */
  createBatchText(text: string, options?: CallOptions): Promise<BatchAnswer>;
  get(id: bigint, options?: ReadOptions): Promise<TransferView>;
  /** The same amount the other way, once however often it is asked. */
  revert(id: bigint, options?: CallOptions): Promise<Created<TransferView>>;
  lookup(ids: readonly bigint[], options?: ReadOptions): Promise<LookupAnswer<TransferView>>;
};

export type PostingsApi = {
  create(posting: NewPosting, options?: CallOptions): Promise<Created<PostingView>>;
  revert(id: bigint, options?: CallOptions): Promise<Created<PostingView>>;
};

export type CheckpointsApi = {
  /** Takes one now; answers when it is there. Payments go on meanwhile. */
  take(options?: CallOptions): Promise<JsonObject>;
  /** Newest first (docs/reference/http-api.md). */
  list(options?: CallOptions): Promise<JsonObject>;
};

export type Client = AsyncDisposable & {
  /** Of the node that answered last. */
  readonly url: string;
  /** The highest journal position that an answer has carried; for another's `afterPosition`. */
  readonly position: number;
  readonly counters: Readonly<ClientCounters>;
  readonly ledgers: LedgersApi;
  readonly accounts: AccountsApi;
  readonly transfers: TransfersApi;
  readonly postings: PostingsApi;
  /** One page of the transfers that fit, with `filter.account` of those of an account. */
  queryTransfers(query: HttpQuery, options?: ReadOptions): Promise<Page<TransferView>>;
  queryAccounts(query: HttpQuery, options?: ReadOptions): Promise<Page<AccountView>>;
  /** Page after page, each asked for when it is wanted. */
  transferPages(query: HttpQuery, options?: ReadOptions): AsyncIterable<Page<TransferView>>;
  /** All that fit, page by page as they are taken. */
  listTransfers(query: HttpQuery, options?: ReadOptions): AsyncIterable<TransferView>;
  listAccounts(query: HttpQuery, options?: ReadOptions): AsyncIterable<AccountView>;
  readonly checkpoints: CheckpointsApi;
  readonly cluster: ClusterApi;
  readonly reports: ReportsApi;
  /** The node's own words: role, epoch, position and more (docs/reference/http-api.md). */
  status(options?: CallOptions): Promise<JsonObject>;
  /** The node has moved: later attempts of all calls, also of waiting ones, go to this address. */
  connectTo(url: string): Promise<void>;
  close(): Promise<void>;
};

export function createClient(options: ClientOptions): Client {
  const transport = new Transport(options);
  return {
    get url() {
      return transport.url;
    },
    get position() {
      return transport.position;
    },
    counters: transport.counters,
    ledgers: ledgersApi(transport),
    accounts: accountsApi(transport),
    transfers: transfersApi(transport),
    postings: postingsApi(transport),
    queryTransfers: (query, call) => queryTransfers(transport, query, call),
    queryAccounts: (query, call) => queryAccounts(transport, query, call),
    transferPages: (query, call) => allPages(query, (at) => queryTransfers(transport, at, call)),
    listTransfers: (query, call) => listAll(query, (at) => queryTransfers(transport, at, call)),
    listAccounts: (query, call) => listAll(query, (at) => queryAccounts(transport, at, call)),
    checkpoints: checkpointsApi(transport),
    cluster: clusterApi(transport),
    reports: reportsApi(transport),
    status: async (call) => {
      const answer = await transport.send({ ...call, ...reading('/v1/status') });
      return answer.body as JsonObject;
    },
    connectTo: (url) => transport.connectTo(url),
    close: () => transport.close(),
    [Symbol.asyncDispose]: () => transport.close(),
  };
}

function reading(path: string): { method: 'GET'; kind: 'read'; path: string } {
  return { method: 'GET', kind: 'read', path };
}

function ledgersApi(transport: Transport): LedgersApi {
  return {
    async define({ ledger, currency, exponent }, call) {
      const answer = await transport.send({
        ...call,
        method: 'PUT',
        kind: 'write',
        path: `/v1/ledgers/${ledger}`,
        body: { currency, exponent },
      });
      return created(answer, readLedger);
    },
    async list(call) {
      const answer = await transport.send({ ...call, ...reading('/v1/ledgers') });
      return readList(answer.body, 'ledgers', readLedger);
    },
    async get(ledger, call) {
      const answer = await transport.send({ ...call, ...reading(`/v1/ledgers/${ledger}`) });
      return readLedger(answer.body);
    },
  };
}

function accountsApi(transport: Transport): AccountsApi {
  return {
    async create(account, call) {
      const body = newAccountJson(account);
      const answer = await transport.send({ ...call, ...writing('/v1/accounts', body) });
      return created(answer, readAccount);
    },
    async createBatch(accounts, call) {
      bounded(accounts.length, ACCOUNTS_PER_REQUEST_MAX, 'accounts');
      const body = { accounts: accounts.map(newAccountJson) };
      const answer = await transport.send({ ...call, ...writing('/v1/accounts/batch', body) });
      return batchAnswer(answer, 'account');
    },
    createBatchText: (text, call) => sendBatchText(transport, 'account', text, call),
    async get(id, call) {
      const path = `/v1/accounts/${formatId('account', id)}`;
      return readAccount((await transport.send({ ...call, ...reading(path) })).body);
    },
    freeze: (id, call) => setFrozen(transport, id, 'freeze', call),
    unfreeze: (id, call) => setFrozen(transport, id, 'unfreeze', call),
    lookup: (ids, call) =>
      lookup({ transport, kind: 'account', name: 'accounts', ids, call, read: readAccount }),
  };
}

function transfersApi(transport: Transport): TransfersApi {
  return {
    async create(transfer, call) {
      const body = newTransferJson(transfer);
      const answer = await transport.send({ ...call, ...writing('/v1/transfers', body) });
      return created(answer, readTransfer);
    },
    async createBatch(transfers, call) {
      bounded(transfers.length, TRANSFERS_PER_REQUEST_MAX, 'transfers');
      const body = { transfers: transfers.map(newTransferJson) };
      const answer = await transport.send({ ...call, ...writing('/v1/transfers/batch', body) });
      return batchAnswer(answer, 'transfer');
    },
    createBatchText: (text, call) => sendBatchText(transport, 'transfer', text, call),
    async get(id, call) {
      const path = `/v1/transfers/${formatId('transfer', id)}`;
      return readTransfer((await transport.send({ ...call, ...reading(path) })).body);
    },
    async revert(id, call) {
      const path = `/v1/transfers/${formatId('transfer', id)}/revert`;
      return created(await transport.send({ ...call, ...writing(path, {}) }), readTransfer);
    },
    lookup: (ids, call) =>
      lookup({ transport, kind: 'transfer', name: 'transfers', ids, call, read: readTransfer }),
  };
}

function postingsApi(transport: Transport): PostingsApi {
  return {
    async create(posting, call) {
      const body = newPostingJson(posting);
      const answer = await transport.send({ ...call, ...writing('/v1/postings', body) });
      return created(answer, readPosting);
    },
    async revert(id, call) {
      const path = `/v1/postings/${formatId('posting', id)}/revert`;
      return created(await transport.send({ ...call, ...writing(path, {}) }), readPosting);
    },
  };
}

async function sendBatchText(
  transport: Transport,
  kind: 'account' | 'transfer',
  bodyText: string,
  call: CallOptions | undefined,
): Promise<BatchAnswer> {
  const path = `/v1/${kind}s/batch`;
  const answer = await transport.send({ ...call, method: 'POST', kind: 'write', path, bodyText });
  return batchAnswer(answer, kind);
}

function checkpointsApi(transport: Transport): CheckpointsApi {
  const path = '/v1/checkpoints';
  return {
    async take(call) {
      return (await transport.send({ ...call, ...writing(path, {}) })).body as JsonObject;
    },
    async list(call) {
      return (await transport.send({ ...call, ...reading(path) })).body as JsonObject;
    },
  };
}

async function setFrozen(
  transport: Transport,
  id: bigint,
  verb: 'freeze' | 'unfreeze',
  call: CallOptions | undefined,
): Promise<AccountView> {
  const path = `/v1/accounts/${formatId('account', id)}/${verb}`;
  return readAccount((await transport.send({ ...call, ...writing(path, {}) })).body);
}

function writing(
  path: string,
  body: JsonObject,
): { method: 'POST'; kind: 'write'; path: string; body: JsonObject } {
  return { method: 'POST', kind: 'write', path, body };
}

function created<T>(answer: Answer, read: (value: unknown) => T): Created<T> {
  return {
    status: answer.status === 201 ? 'created' : 'exists',
    value: read(answer.body),
    position: answer.position,
  };
}

function batchAnswer(answer: Answer, kind: IdKind): BatchAnswer {
  const results = readList(answer.body, 'results', (item) => readBatchResult(item, kind));
  return { position: answer.position, results };
}

async function lookup<T>(options: {
  readonly transport: Transport;
  readonly kind: IdKind;
  readonly name: string;
  readonly ids: readonly bigint[];
  readonly call: ReadOptions | undefined;
  readonly read: (value: unknown) => T;
}): Promise<LookupAnswer<T>> {
  const { transport, kind, name, ids, call, read } = options;
  bounded(ids.length, LOOKUP_IDS_MAX, 'ids');
  const answer = await transport.send({
    ...call,
    method: 'POST',
    kind: 'read',
    path: `/v1/${name}/lookup`,
    body: { ids: ids.map((id) => formatId(kind, id)) },
  });
  return {
    position: answer.position,
    found: readList(answer.body, name, read),
    notFound: readIds(answer.body, 'not_found', kind),
  };
}

function bounded(count: number, countMax: number, what: string): void {
  if (count < 1 || count > countMax) {
    throw new RangeError(`A request carries 1 to ${countMax} ${what}, not ${count}.`);
  }
}
