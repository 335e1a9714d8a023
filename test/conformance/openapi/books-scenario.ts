// The requests whose answers are the examples of the document: a ledger, a customer, a merchant and
// their bank, a purchase, a hold, a posting with fee, reverts; and what is refused on the way.

import { createHash } from 'node:crypto';
import type { HttpServer } from '../../../src/api/server.ts';
import { START_MS } from '../../support/engine-rig.ts';
import type { RealNode } from './real-node.ts';
import type { Said, Teller } from './teller.ts';

/** Digits that look as random ones do, and are the same every time. */
function digits(label: string, count: number): string {
  return createHash('sha256').update(label).digest('hex').slice(0, count);
}

export function exampleId(prefix: 'tr_' | 'po_', label: string, madeMs: number = START_MS): string {
  const time = madeMs.toString(16).padStart(12, '0');
  return `${prefix}${time}7${digits(label, 3)}8${digits(`${label} rest`, 15)}`;
}

export const BANK = 'acc_000000000000000000000000000000b0';
export const CUSTOMER = 'acc_000000000000000000000000000000c1';
export const MERCHANT = 'acc_000000000000000000000000000000d1';
export const FEES = 'acc_000000000000000000000000000000f1';
const NOBODY = 'acc_000000000000000000000000000000ee';

const TRANSFER = { ledger: 978, code: 1 };
const DEPOSIT = {
  id: exampleId('tr_', 'deposit'),
  debit_account_id: BANK,
  credit_account_id: CUSTOMER,
  amount: '100000',
  ...TRANSFER,
};
const PURCHASE = {
  id: exampleId('tr_', 'purchase'),
  debit_account_id: CUSTOMER,
  credit_account_id: MERCHANT,
  amount: '1250',
  ...TRANSFER,
};
const HOLD = {
  id: exampleId('tr_', 'hold'),
  debit_account_id: CUSTOMER,
  credit_account_id: MERCHANT,
  amount: '5000',
  ...TRANSFER,
  flags: ['pending'],
  timeout_seconds: 3600,
};
const POST = {
  id: exampleId('tr_', 'post'),
  flags: ['post_pending'],
  pending_id: HOLD.id,
  amount: '4200',
};
const VOID_HOLD = { ...HOLD, id: exampleId('tr_', 'second hold') };
const VOID = { id: exampleId('tr_', 'void'), flags: ['void_pending'], pending_id: VOID_HOLD.id };
const POSTING = {
  id: exampleId('po_', 'sale'),
  ...TRANSFER,
  legs: [
    { account_id: CUSTOMER, side: 'debit', amount: '11900' },
    { account_id: MERCHANT, side: 'credit', amount: '11500' },
    { account_id: FEES, side: 'credit', amount: '400' },
  ],
};

/** Asks an operation of one server. */
type Ask = (id: string, name: string, said: Said, status: number) => Promise<unknown>;

export async function tellBooks(teller: Teller, node: RealNode): Promise<void> {
  const server: HttpServer = node.serve();
  const say: Ask = (id, name, said, status) => teller.tell(server, id, name, said, status);
  await tellLedgersAndAccounts(say);
  await tellTransfers(say);
  await tellPostings(say);
  await node.historyIsLevel();
  await node.viewsAreLevel();
  await tellLists(say);
  await tellReports(say);
  await tellFreezing(say);
  await node.viewsAreLevel();
  await tellNode(say);
}

async function tellLedgersAndAccounts(say: Ask): Promise<void> {
  const path = { ledger: '978' };
  const body = { currency: 'EUR', exponent: 2 };
  await say('putLedger', 'euro', { path, body }, 201);
  await say('putLedger', 'the same again', { path, body }, 200);
  await say('putLedger', 'another currency', { path, body: { ...body, currency: 'USD' } }, 409);
  await say(
    'putLedger',
    'no currency',
    { path: { ledger: '1' }, body: { ...body, currency: 'eur' } },
    400,
  );
  await say('listLedgers', 'all', {}, 200);
  await say('getLedger', 'euro', { path }, 200);
  await say('getLedger', 'not defined', { path: { ledger: '840' } }, 404);
  await say('getLedger', 'no number', { path: { ledger: 'euro' } }, 400);
  const bank = { id: BANK, ledger: 978, code: 1 };
  await say('createAccount', 'bank', { body: bank }, 201);
  await say('createAccount', 'the same again', { body: bank }, 200);
  await say('createAccount', 'with another code', { body: { ...bank, code: 2 } }, 409);
  await say('createAccount', 'no ledger', { body: { ...bank, id: NOBODY, ledger: 840 } }, 404);
  await say(
    'createAccount',
    'later',
    { body: { ...bank, id: NOBODY, flags: ['imported'], timestamp_ns: '9000000000000000000' } },
    422,
  );
  const accounts = [
    {
      id: CUSTOMER,
      ledger: 978,
      code: 10,
      flags: ['debits_must_not_exceed_credits'],
      user_data_64: '4711',
    },
    { id: MERCHANT, ledger: 978, code: 20 },
    { id: FEES, ledger: 978, code: 30 },
    { ...bank, code: 2 },
  ];
  await say('createAccounts', 'four, one refused', { body: { accounts } }, 200);
  await say('lookUpAccounts', 'two, one missing', { body: { ids: [CUSTOMER, NOBODY] } }, 200);
  await say('getAccount', 'not opened', { path: { id: NOBODY } }, 404);
}

async function tellTransfers(say: Ask): Promise<void> {
  await say('createTransfer', 'deposit', { body: DEPOSIT }, 201);
  await say('createTransfer', 'purchase', { body: PURCHASE }, 201);
  await say('createTransfer', 'the same again', { body: PURCHASE }, 200);
  await say('createTransfer', 'hold', { body: HOLD }, 201);
  await say('createTransfer', 'post of a hold', { body: POST }, 201);
  await say('createTransfer', 'used id', { body: { ...PURCHASE, amount: '1251' } }, 409);
  await say('createTransfer', 'amount as a number', { body: { ...PURCHASE, amount: 1250 } }, 400);
  const id = exampleId('tr_', 'refused');
  await say(
    'createTransfer',
    'more than there is',
    { body: { ...PURCHASE, id, amount: '10000000' } },
    422,
  );
  const debit = { debit_account_id: NOBODY };
  await say(
    'createTransfer',
    'from nobody',
    { body: { ...PURCHASE, id: exampleId('tr_', 'nobody'), ...debit } },
    404,
  );
  await say(
    'createTransfer',
    'too old',
    { body: { ...PURCHASE, id: exampleId('tr_', 'old', START_MS - 30 * 86_400_000) } },
    422,
  );
  const transfers = [
    VOID_HOLD,
    VOID,
    { ...PURCHASE, id: exampleId('tr_', 'self'), credit_account_id: CUSTOMER },
  ];
  await say('createTransfers', 'three, one refused', { body: { transfers } }, 200);
  await say(
    'lookUpTransfers',
    'two, one missing',
    { body: { ids: [HOLD.id, id.replace(/.$/, 'f')] } },
    200,
  );
  await say('getTransfer', 'hold', { path: { id: HOLD.id } }, 200);
  await say('getTransfer', 'never accepted', { path: { id: id.replace(/.$/, 'f') } }, 404);
  await say('getTransfer', 'an account', { path: { id: CUSTOMER } }, 400);
  await say('revertTransfer', 'purchase', { path: { id: PURCHASE.id } }, 201);
  await say('revertTransfer', 'the same again', { path: { id: PURCHASE.id } }, 200);
  await say('revertTransfer', 'a hold', { path: { id: HOLD.id } }, 409);
}

async function tellPostings(say: Ask): Promise<void> {
  await say('createPosting', 'sale with fee', { body: POSTING }, 201);
  await say('createPosting', 'the same again', { body: POSTING }, 200);
  const { legs } = POSTING;
  await say('createPosting', 'not balanced', { body: { ...POSTING, legs: legs.slice(0, 2) } }, 400);
  await say('createPosting', 'used id', { body: { ...POSTING, code: 2 } }, 409);
  await say('revertPosting', 'sale', { path: { id: POSTING.id } }, 201);
  await say('revertPosting', 'the same again', { path: { id: POSTING.id } }, 200);
  await say('revertPosting', 'never accepted', { path: { id: exampleId('po_', 'other') } }, 404);
}

async function tellLists(say: Ask): Promise<void> {
  await say('getAccount', 'customer', { path: { id: CUSTOMER } }, 200);
  await say('listAccounts', 'of one owner', { query: { user_data_64: '4711' } }, 200);
  await say('listAccounts', 'too many', { query: { limit: '1001' } }, 400);
  await say('listTransfers', 'the oldest two', { query: { order: 'oldest', limit: '2' } }, 200);
  await say('listTransfers', 'odd cursor', { query: { cursor: 'x' } }, 400);
  const query = { side: 'debit', limit: '1' };
  await say('listTransfersOfAccount', 'newest payment', { path: { id: CUSTOMER }, query }, 200);
  await say('getStatus', 'leading', {}, 200);
}

async function tellReports(say: Ask): Promise<void> {
  const csv = { format: 'csv' };
  await say('getTrialBalance', 'all ledgers', {}, 200);
  await say('getTrialBalance', 'for a spreadsheet', { query: csv }, 200);
  const path = { id: CUSTOMER };
  const query = { from: '2027-01-15', to: '2027-01-15', limit: '2' };
  await say('getStatement', 'first page of a day', { path, query }, 200);
  await say('getStatement', 'for a spreadsheet', { path, query: { ...query, ...csv } }, 200);
  await say('getStatement', 'nobody', { path: { id: NOBODY } }, 404);
  await say('getStatement', 'no day', { path, query: { from: 'yesterday' } }, 400);
  await say('getDailyTotals', 'of one ledger', { query: { ledger: '978' } }, 200);
  await say('getDailyTotals', 'for a spreadsheet', { query: csv }, 200);
}

async function tellFreezing(say: Ask): Promise<void> {
  const path = { id: CUSTOMER };
  await say('freezeAccount', 'customer', { path }, 200);
  await say('unfreezeAccount', 'customer', { path }, 200);
  await say('freezeAccount', 'nobody', { path: { id: NOBODY } }, 404);
}

async function tellNode(say: Ask): Promise<void> {
  await say('takeCheckpoint', 'now', {}, 200);
  await say('listCheckpoints', 'one', {}, 200);
  await say('getMetrics', 'first lines', {}, 200);
  await say('getOpenApi', 'the head of it', {}, 200);
  await say('getOpenApi', 'known', { headers: { 'If-None-Match': '*' } }, 304);
  await say('getDocsPage', 'page', {}, 200);
  await say('getDocsPage', 'known', { headers: { 'If-None-Match': '*' } }, 304);
  for (const how of ['probe', 'options']) {
    await say(`${how}Livez`, 'alive', {}, 200);
    await say(`${how}Readyz`, 'alone', {}, 200);
    await say(`${how}Leader`, 'alone', {}, 200);
    await say(`${how}Replica`, 'alone', {}, 503);
  }
  await say('listTerms', 'alone', {}, 409);
  await say('switchOver', 'alone', {}, 409);
}
