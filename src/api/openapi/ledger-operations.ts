// Operations on ledgers and accounts.

import { AccountResults, FoundAccounts, LedgerAnswer, LedgerList } from '../answer-schemas.ts';
import { AccountsPage, AccountsQuery } from '../query-schemas.ts';
import {
  AccountAnswer,
  AccountBatchRequest,
  AccountId,
  AccountLookupRequest,
  AccountRequest,
  LedgerRequest,
  NoQuery,
  NothingRequest,
  ReadQuery,
  U32,
} from '../schemas.ts';
import { type Operation, booked } from './operation.ts';
import { POSITION_HEADER } from './parameters.ts';
import {
  ADDRESSED,
  BATCH,
  BODY,
  FLAGS,
  FRESH,
  ONE_ACCOUNT,
  ONE_LEDGER,
  OPTIONAL_BODY,
  READ,
  RECORDS,
  WRITE,
} from './problem-codes.ts';

const LEDGER_PATH = {
  ledger: { description: 'The number of the ledger, 1 to 4,294,967,295.', schema: U32 },
};
export const ACCOUNT_PATH = { id: { description: 'The account.', schema: AccountId } };
export const FRESH_HEADERS = { 'Holdfast-Position': POSITION_HEADER };

export const LEDGER_OPERATIONS: readonly Operation[] = [
  {
    id: 'putLedger',
    method: 'put',
    path: '/v1/ledgers/{ledger}',
    tag: 'Ledgers',
    summary: 'Define a ledger: its currency and the number of its decimals',
    access: 'key',
    pathParameters: LEDGER_PATH,
    query: NoQuery,
    body: { schema: LedgerRequest },
    answers: {
      200: booked('It exists already, just so.', LedgerAnswer),
      201: booked('It was defined.', LedgerAnswer),
    },
    problems: [
      ...ADDRESSED,
      ...BODY,
      ...WRITE,
      ...ONE_LEDGER,
      'field_out_of_range',
      'ledger_number_malformed',
    ],
  },
  {
    id: 'listLedgers',
    method: 'get',
    path: '/v1/ledgers',
    tag: 'Ledgers',
    summary: 'All ledgers',
    access: 'key',
    query: ReadQuery,
    headers: FRESH_HEADERS,
    answers: { 200: booked('All of them, by number.', LedgerList) },
    problems: [...READ, ...FRESH],
  },
  {
    id: 'getLedger',
    method: 'get',
    path: '/v1/ledgers/{ledger}',
    tag: 'Ledgers',
    summary: 'One ledger',
    access: 'key',
    pathParameters: LEDGER_PATH,
    query: ReadQuery,
    headers: FRESH_HEADERS,
    answers: { 200: booked('The ledger.', LedgerAnswer) },
    problems: [...ADDRESSED, ...READ, ...FRESH, 'ledger_number_malformed', 'ledger_not_found'],
  },
];

function freezing(verb: 'freeze' | 'unfreeze', summary: string, description: string): Operation {
  return {
    id: `${verb}Account`,
    method: 'post',
    path: `/v1/accounts/{id}/${verb}`,
    tag: 'Accounts',
    summary,
    description,
    access: 'key',
    pathParameters: ACCOUNT_PATH,
    query: NoQuery,
    body: { schema: NothingRequest, optional: true },
    answers: { 200: booked('The account, also when it was so already.', AccountAnswer) },
    problems: [...ADDRESSED, ...OPTIONAL_BODY, ...WRITE, 'id_malformed', 'account_not_found'],
  };
}

export const ACCOUNT_OPERATIONS: readonly Operation[] = [
  {
    id: 'createAccount',
    method: 'post',
    path: '/v1/accounts',
    tag: 'Accounts',
    summary: 'Open an account',
    description: 'The same request again is answered 200: an id is opened once.',
    access: 'key',
    query: NoQuery,
    body: { schema: AccountRequest },
    answers: {
      200: booked('It exists already, opened just so; balances are those of now.', AccountAnswer),
      201: booked('It was opened.', AccountAnswer),
    },
    problems: [...BODY, ...RECORDS, ...FLAGS, ...WRITE, ...ONE_ACCOUNT],
  },
  {
    id: 'createAccounts',
    method: 'post',
    path: '/v1/accounts/batch',
    tag: 'Accounts',
    summary: 'Open up to 1,024 accounts',
    description:
      'One command, done in the order of the request, each on its own. What the books refuse stands in `results`; a body with one wrong element changes nothing at all.',
    access: 'key',
    query: NoQuery,
    body: { schema: AccountBatchRequest },
    answers: { 200: booked('One result for each, in the order of the request.', AccountResults) },
    problems: [...BODY, ...BATCH, ...RECORDS, ...FLAGS, ...WRITE],
  },
  {
    id: 'lookUpAccounts',
    method: 'post',
    path: '/v1/accounts/lookup',
    tag: 'Accounts',
    summary: 'Up to 8,189 accounts by their ids',
    access: 'key',
    query: ReadQuery,
    headers: FRESH_HEADERS,
    body: { schema: AccountLookupRequest },
    answers: { 200: booked('Those that exist, and the ids that do not.', FoundAccounts) },
    problems: [...BODY, ...BATCH, ...READ, ...FRESH, 'id_malformed'],
  },
  {
    id: 'listAccounts',
    method: 'get',
    path: '/v1/accounts',
    tag: 'Accounts',
    summary: 'A page of accounts',
    description:
      'In the order in which they were opened. A page may be short, even empty, and still have a `next`: go on until it is null.',
    access: 'key',
    query: AccountsQuery,
    headers: FRESH_HEADERS,
    answers: { 200: booked('A page.', AccountsPage) },
    problems: [
      ...READ,
      ...FRESH,
      'overloaded',
      'user_data_malformed',
      'cursor_malformed',
      'cursor_of_another_list',
    ],
  },
  {
    id: 'getAccount',
    method: 'get',
    path: '/v1/accounts/{id}',
    tag: 'Accounts',
    summary: 'One account with its balances',
    access: 'key',
    pathParameters: ACCOUNT_PATH,
    query: ReadQuery,
    headers: FRESH_HEADERS,
    answers: { 200: booked('The account.', AccountAnswer) },
    problems: [...ADDRESSED, ...READ, ...FRESH, 'id_malformed', 'account_not_found'],
  },
  freezing(
    'freeze',
    'Freeze an account',
    'No transfer begins and no hold is posted while it is frozen; voids and expiry give back what was held. May be sent again at any time.',
  ),
  freezing('unfreeze', 'Let a frozen account go on', 'May be sent again at any time.'),
];
