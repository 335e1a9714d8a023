// Operations on transfers and postings: the ones that move money, and the ones that read what was
// moved.

import { FoundTransfers, PostingAnswer, TransferResults } from '../answer-schemas.ts';
import { AccountTransfersQuery, TransfersPage, TransfersQuery } from '../query-schemas.ts';
import {
  NoQuery,
  NothingRequest,
  PostingId,
  PostingRequest,
  ReadQuery,
  TransferAnswer,
  TransferBatchRequest,
  TransferId,
  TransferLookupRequest,
  TransferRequestInFull,
} from '../schemas.ts';
import { ACCOUNT_PATH, FRESH_HEADERS } from './ledger-operations.ts';
import { type Operation, booked } from './operation.ts';
import {
  ADDRESSED,
  AMOUNTS,
  BATCH,
  BODY,
  CHAIN,
  FLAGS,
  FRESH,
  HISTORY,
  ONE_TRANSFER,
  OPTIONAL_BODY,
  READ,
  RECORDS,
  WRITE,
} from './problem-codes.ts';

const TRANSFER_PATH = { id: { description: 'The transfer.', schema: TransferId } };
const POSTING_PATH = { id: { description: 'The posting.', schema: PostingId } };
const LIST = [
  ...READ,
  ...FRESH,
  ...HISTORY,
  'user_data_malformed',
  'cursor_malformed',
  'cursor_of_another_list',
] as const;

const REVERT = [
  ...ADDRESSED,
  ...OPTIONAL_BODY,
  ...WRITE,
  ...READ,
  ...HISTORY,
  ...CHAIN,
  'id_malformed',
  'transfer_not_found',
  'transfer_not_reversible',
] as const;

const PAGE_NOTE =
  'A page may be short, even empty, and still have a `next`: go on until it is null. The accepted ones, in the order in which they were accepted, with what became of a hold.';

export const TRANSFER_OPERATIONS: readonly Operation[] = [
  {
    id: 'createTransfer',
    method: 'post',
    path: '/v1/transfers',
    tag: 'Transfers',
    summary: 'Move money: one transfer, a hold, or the post or void of one',
    description:
      'At most once under its id, however often it is sent: the same request again is answered 200. For `post_pending` and `void_pending` only `id`, `flags` and `pending_id` are required; all others need `debit_account_id`, `credit_account_id`, `amount`, `ledger` and `code`.',
    access: 'key',
    query: NoQuery,
    body: { schema: TransferRequestInFull },
    answers: {
      200: booked('It was done before; it was not done again.', TransferAnswer),
      201: booked('It was done.', TransferAnswer),
    },
    problems: [...BODY, ...RECORDS, ...AMOUNTS, ...FLAGS, ...WRITE, ...ONE_TRANSFER],
  },
  {
    id: 'createTransfers',
    method: 'post',
    path: '/v1/transfers/batch',
    tag: 'Transfers',
    summary: 'Up to 8,189 transfers',
    description:
      'One command in one journal entry, done in the order of the request, each on its own unless it is `linked`. What the books refuse stands in `results`; a body with one wrong element changes nothing at all.',
    access: 'key',
    query: NoQuery,
    body: { schema: TransferBatchRequest },
    answers: { 200: booked('One result for each, in the order of the request.', TransferResults) },
    problems: [...BODY, ...BATCH, ...RECORDS, ...AMOUNTS, ...FLAGS, ...WRITE],
  },
  {
    id: 'lookUpTransfers',
    method: 'post',
    path: '/v1/transfers/lookup',
    tag: 'Transfers',
    summary: 'Up to 8,189 transfers by their ids',
    access: 'key',
    query: ReadQuery,
    headers: FRESH_HEADERS,
    body: { schema: TransferLookupRequest },
    answers: { 200: booked('Those that exist, and the ids that do not.', FoundTransfers) },
    problems: [...BODY, ...BATCH, ...READ, ...FRESH, ...HISTORY, 'id_malformed'],
  },
  {
    id: 'listTransfers',
    method: 'get',
    path: '/v1/transfers',
    tag: 'Transfers',
    summary: 'A page of transfers',
    description: PAGE_NOTE,
    access: 'key',
    query: TransfersQuery,
    headers: FRESH_HEADERS,
    answers: { 200: booked('A page.', TransfersPage) },
    problems: LIST,
  },
  {
    id: 'listTransfersOfAccount',
    method: 'get',
    path: '/v1/accounts/{id}/transfers',
    tag: 'Transfers',
    summary: "A page of an account's transfers",
    description: PAGE_NOTE,
    access: 'key',
    pathParameters: ACCOUNT_PATH,
    query: AccountTransfersQuery,
    headers: FRESH_HEADERS,
    answers: { 200: booked('A page.', TransfersPage) },
    problems: [...ADDRESSED, ...LIST, 'id_malformed', 'account_not_found'],
  },
  {
    id: 'getTransfer',
    method: 'get',
    path: '/v1/transfers/{id}',
    tag: 'Transfers',
    summary: 'One transfer, and what became of it',
    access: 'key',
    pathParameters: TRANSFER_PATH,
    query: ReadQuery,
    headers: FRESH_HEADERS,
    answers: { 200: booked('The transfer.', TransferAnswer) },
    problems: [...ADDRESSED, ...READ, ...FRESH, ...HISTORY, 'id_malformed', 'transfer_not_found'],
  },
  {
    id: 'revertTransfer',
    method: 'post',
    path: '/v1/transfers/{id}/revert',
    tag: 'Transfers',
    summary: 'Move the money of a transfer back',
    description:
      'The id of the revert follows from the id that is reverted, so it happens at most once, whoever asks how often.',
    access: 'key',
    pathParameters: TRANSFER_PATH,
    query: NoQuery,
    body: { schema: NothingRequest, optional: true },
    answers: {
      200: booked('It was reverted before: the transfer that moved it back.', TransferAnswer),
      201: booked('The transfer that moved it back.', TransferAnswer),
    },
    problems: REVERT,
  },
];

export const POSTING_OPERATIONS: readonly Operation[] = [
  {
    id: 'createPosting',
    method: 'post',
    path: '/v1/postings',
    tag: 'Postings',
    summary: 'Move money between 2 to 1,000 legs, all or none',
    description:
      'The debits must be equal to the credits. The legs become transfers of one linked chain, whose ids follow from the id of the posting.',
    access: 'key',
    query: NoQuery,
    body: { schema: PostingRequest },
    answers: {
      200: booked('It was done before; it was not done again.', PostingAnswer),
      201: booked('It was done.', PostingAnswer),
    },
    problems: [
      ...BODY,
      ...BATCH,
      ...RECORDS,
      ...AMOUNTS,
      ...WRITE,
      ...CHAIN,
      'posting_not_balanced',
    ],
  },
  {
    id: 'revertPosting',
    method: 'post',
    path: '/v1/postings/{id}/revert',
    tag: 'Postings',
    summary: 'Move the money of a posting back',
    access: 'key',
    pathParameters: POSTING_PATH,
    query: NoQuery,
    body: { schema: NothingRequest, optional: true },
    answers: {
      200: booked('It was reverted before.', PostingAnswer),
      201: booked('It was reverted.', PostingAnswer),
    },
    problems: REVERT,
  },
];
