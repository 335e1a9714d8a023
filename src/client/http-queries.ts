// Lists over HTTP: one page, or everything that fits, page by page. Used by http-client.ts.

import type { ListFilter } from '../base/list-query.ts';
import { formatId } from '../base/ids.ts';
import { AnswerUnreadable } from './problems.ts';
import type { ReadOptions, Transport } from './transport.ts';
import {
  type AccountView,
  type JsonObject,
  type TransferView,
  hex128,
  readAccount,
  readList,
  readTransfer,
} from './wire.ts';

/** What a list is asked with; every filter that is left out fits everything. */
export type HttpQuery = {
  readonly filter?: ListFilter;
  /** Newest first unless it says otherwise. */
  readonly order?: 'newest-first' | 'oldest-first';
  /** 1 to 1,000; 100. */
  readonly limit?: number;
  /** `next` of the page before. */
  readonly cursor?: string | undefined;
};

/** A page can be short and still have a next one; the last has none. */
export type Page<T> = {
  readonly items: readonly T[];
  readonly next: string | undefined;
  readonly position: number;
};

export async function queryTransfers(
  transport: Transport,
  query: HttpQuery,
  call?: ReadOptions,
): Promise<Page<TransferView>> {
  const account = query.filter?.account;
  const path =
    account === undefined
      ? '/v1/transfers'
      : `/v1/accounts/${formatId('account', account)}/transfers`;
  return pageOf(transport, { path, name: 'transfers', query, read: readTransfer, call });
}

export async function queryAccounts(
  transport: Transport,
  query: HttpQuery,
  call?: ReadOptions,
): Promise<Page<AccountView>> {
  if (query.filter?.account !== undefined || query.filter?.side !== undefined) {
    throw new RangeError('Accounts are not filtered by an account or a side.');
  }
  const path = '/v1/accounts';
  return pageOf(transport, { path, name: 'accounts', query, read: readAccount, call });
}

/** Every page, each asked for when it is wanted. */
export async function* allPages<T>(
  query: HttpQuery,
  pageAt: (query: HttpQuery) => Promise<Page<T>>,
): AsyncGenerator<Page<T>, void, void> {
  let { cursor } = query;
  do {
    const page = await pageAt({ ...query, cursor });
    yield page;
    cursor = page.next;
  } while (cursor !== undefined);
}

/** Every element that fits, page by page as they are taken. */
export async function* listAll<T>(
  query: HttpQuery,
  pageAt: (query: HttpQuery) => Promise<Page<T>>,
): AsyncGenerator<T, void, void> {
  for await (const page of allPages(query, pageAt)) yield* page.items;
}

async function pageOf<T>(
  transport: Transport,
  asked: {
    readonly path: string;
    readonly name: 'accounts' | 'transfers';
    readonly query: HttpQuery;
    readonly read: (value: unknown) => T;
    readonly call: ReadOptions | undefined;
  },
): Promise<Page<T>> {
  const { path, name, query, read, call } = asked;
  const parameters = parametersOf(query);
  const answer = await transport.send({
    ...call,
    method: 'GET',
    kind: 'read',
    path: parameters === '' ? path : `${path}?${parameters}`,
  });
  const items = readList(answer.body, name, read);
  const { next } = answer.body as JsonObject;
  if (next !== null && typeof next !== 'string') {
    throw new AnswerUnreadable("The answer's next is neither text nor null.");
  }
  return { items, next: next ?? undefined, position: answer.position };
}

function parametersOf({ filter = {}, order, limit, cursor }: HttpQuery): string {
  const { userData128, userData64, userData32, code, ledger, side, fromNs, untilNs } = filter;
  const values: readonly (readonly [string, string | number | bigint | undefined])[] = [
    ['ledger', ledger],
    ['code', code],
    ['user_data_128', userData128 === undefined ? undefined : hex128(userData128)],
    ['user_data_64', userData64],
    ['user_data_32', userData32],
    ['from', fromNs],
    ['until', untilNs],
    ['side', side],
    ['order', order?.replace('-first', '')],
    ['limit', limit],
    ['cursor', cursor],
  ];
  const given = values.filter(([, value]) => value !== undefined);
  const pairs = given.map(([name, value]): [string, string] => [name, String(value)]);
  return new URLSearchParams(pairs).toString();
}
