// Lists over the binary protocol: pages of transfers and accounts as records, and as values for who
// wants those; the rare acts (freezing, postings, reverts) beside them. Used by binary-client.ts.

import { ACCOUNT_BYTES, decodeAccount } from '../base/account-record.ts';
import type { Account } from '../base/account.ts';
import { type FoundTransfer, readFoundAccounts } from '../base/answers.ts';
import type { Frame } from '../base/frame-reader.ts';
import { ID_BYTES, writeId } from '../base/ids.ts';
import type { ListFilter } from '../base/list-query.ts';
import { FRAME_HEADER_BYTES, FrameKind, textFrame } from '../base/protocol.ts';
import { type RecordsPage, encodeQuery, holdOf, readRecordsPage } from '../base/query-frame.ts';
import { TRANSFER_BYTES, decodeTransfer } from '../base/transfer-record.ts';
import { AnswerUnreadable } from './problems.ts';
import type { CallOptions, ReadOptions } from './transport.ts';
import {
  type CreateStatus,
  type JsonObject,
  type NewPosting,
  type PostingView,
  type TransferView,
  newPostingJson,
  readPosting,
  readTransfer,
} from './wire.ts';

/** What a list is asked with; every filter that is left out fits everything. */
export type BinaryQuery = {
  readonly filter?: ListFilter;
  /** Newest first unless it says otherwise. */
  readonly order?: 'newest-first' | 'oldest-first';
  /** 1 to 8,189; 1,000. */
  readonly limit?: number;
  /** `next` of the page before. */
  readonly after?: number | undefined;
};

/**
 * `records`: `count` records of 128 bytes (base/transfer-record.ts), as they came. A page can be
 * short and still have a next one; the last has none.
 */
export type TransferRecordsPage = RecordsPage;

export type AccountsPage = {
  readonly accounts: readonly Account[];
  readonly next: number | undefined;
  /** Balances are those at this position. */
  readonly position: number;
};

export type BinaryCreated<T> = {
  readonly status: CreateStatus;
  readonly value: T;
  readonly position: number;
};

/** Sends one request and resolves with the frame that answers it. */
export type SendFrame = (
  kind: number,
  payload: Uint8Array,
  isWrite: boolean,
  call: ReadOptions | undefined,
) => Promise<Frame>;

const LIMIT_DEFAULT = 1000;

export async function queryTransfers(
  send: SendFrame,
  query: BinaryQuery,
  call?: ReadOptions,
): Promise<TransferRecordsPage> {
  const frame = await send(FrameKind.queryTransfers, payloadOf(query), false, call);
  return readable(readRecordsPage(frame.payload, { withHolds: true }));
}

export async function queryAccounts(
  send: SendFrame,
  query: BinaryQuery,
  call?: ReadOptions,
): Promise<AccountsPage> {
  const frame = await send(FrameKind.queryAccounts, payloadOf(query), false, call);
  const page = readable(readRecordsPage(frame.payload, { withHolds: false }));
  const view = viewOf(page.records);
  const accounts = Array.from({ length: page.count }, (_, index) =>
    decodeAccount(view, ACCOUNT_BYTES * index),
  );
  return { accounts, next: page.next, position: page.position };
}

/** The transfers of a page as values. */
export function transfersOfPage(page: TransferRecordsPage): FoundTransfer[] {
  const view = viewOf(page.records);
  return Array.from({ length: page.count }, (_, index) => ({
    transfer: decodeTransfer(view, TRANSFER_BYTES * index),
    state: 'accepted',
    hold: holdOf(page, index),
  }));
}

/** Every page, each asked for when it is wanted. */
export async function* transferPages(
  send: SendFrame,
  query: BinaryQuery,
  call?: ReadOptions,
): AsyncGenerator<TransferRecordsPage, void, void> {
  let { after } = query;
  do {
    const page = await queryTransfers(send, { ...query, after }, call);
    yield page;
    after = page.next;
  } while (after !== undefined);
}

/** Every transfer that fits, page by page as they are taken. */
export async function* listTransfers(
  send: SendFrame,
  query: BinaryQuery,
  call?: ReadOptions,
): AsyncGenerator<FoundTransfer, void, void> {
  for await (const page of transferPages(send, query, call)) yield* transfersOfPage(page);
}

/** Every account that fits, page by page as they are taken. */
export async function* listAccounts(
  send: SendFrame,
  query: BinaryQuery,
  call?: ReadOptions,
): AsyncGenerator<Account, void, void> {
  let { after } = query;
  do {
    const page = await queryAccounts(send, { ...query, after }, call);
    yield* page.accounts;
    after = page.next;
  } while (after !== undefined);
}

export async function setFrozen(
  send: SendFrame,
  id: bigint,
  frozen: boolean,
  call?: CallOptions,
): Promise<Account> {
  const kind = frozen ? FrameKind.freezeAccount : FrameKind.unfreezeAccount;
  const frame = await send(kind, idPayload(id), true, call);
  return readable(readFoundAccounts(frame.payload)?.found[0]);
}

export async function createPosting(
  send: SendFrame,
  posting: NewPosting,
  call?: CallOptions,
): Promise<BinaryCreated<PostingView>> {
  const text = JSON.stringify(newPostingJson(posting));
  const payload = textFrame(text).subarray(FRAME_HEADER_BYTES);
  return createdOf(await send(FrameKind.createPosting, payload, true, call), readPosting);
}

export async function revertPosting(
  send: SendFrame,
  id: bigint,
  call?: CallOptions,
): Promise<BinaryCreated<PostingView>> {
  return createdOf(await send(FrameKind.revertPosting, idPayload(id), true, call), readPosting);
}

export async function revertTransfer(
  send: SendFrame,
  id: bigint,
  call?: CallOptions,
): Promise<BinaryCreated<TransferView>> {
  const frame = await send(FrameKind.revertTransfer, idPayload(id), true, call);
  return createdOf(frame, (body) => readTransfer((body as JsonObject)['transfer']));
}

function createdOf<T>(frame: Frame, read: (body: unknown) => T): BinaryCreated<T> {
  const body = jsonOf(frame);
  return {
    status: (body as JsonObject)['status'] === 'created' ? 'created' : 'exists',
    value: read(body),
    position: positionOf(body),
  };
}

export function jsonOf(frame: Frame): unknown {
  try {
    return JSON.parse(Buffer.from(frame.payload).toString('utf8'));
  } catch (cause) {
    throw new AnswerUnreadable('The answer is not JSON.', { cause });
  }
}

export function positionOf(body: unknown): number {
  const position = (body as { readonly position?: unknown }).position;
  if (Number.isSafeInteger(position)) return position as number;
  throw new AnswerUnreadable('The answer does not say its position.');
}

function payloadOf({
  filter = {},
  order = 'newest-first',
  limit = LIMIT_DEFAULT,
  after,
}: BinaryQuery): Uint8Array {
  return encodeQuery({ filter, order, limit, after });
}

function idPayload(id: bigint): Uint8Array {
  const payload = new Uint8Array(ID_BYTES);
  writeId(new DataView(payload.buffer), 0, id);
  return payload;
}

function readable<T>(answer: T | undefined): T {
  if (answer === undefined) throw new AnswerUnreadable('The answer has not the form of its kind.');
  return answer;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
