// The views as tables, and as what people read: docs/reference/views.md says every column. Tables
// have names with a _ in front and hold what is compact: numbers of accounts, minor units, times in
// nanoseconds. The queries over them say it as the API does.
//
// A change of anything here is a new version: the store is then built again from the history.

import type { ViewSchema, ViewTable } from '../ports/view-store.ts';

export const VIEWS_VERSION = 1;

/** What a movement is, as the column `kind` of its table says it. */
export const Kind = { transfer: 0n, hold: 1n, post: 2n, void: 3n } as const;

/** What became of a hold; indexes of HOLD_STATES (base/answers.ts). */
export const Hold = { none: 0n, pending: 1n, posted: 2n, voided: 3n, expired: 4n } as const;

const STATE: ViewTable = {
  name: '_state',
  columns: [
    { name: 'name', type: 'text' },
    { name: 'value', type: 'text' },
  ],
  key: ['name'],
  indexes: [],
};

const LEDGERS: ViewTable = {
  name: '_ledgers',
  columns: [
    { name: 'ledger', type: 'integer' },
    { name: 'currency', type: 'text' },
    { name: 'exponent', type: 'integer' },
  ],
  key: ['ledger'],
  indexes: [],
};

const ACCOUNTS: ViewTable = {
  name: '_accounts',
  columns: [
    { name: 'number', type: 'integer' },
    { name: 'id', type: 'text' },
    { name: 'ledger', type: 'integer' },
    { name: 'code', type: 'integer' },
    { name: 'flags', type: 'integer' },
    { name: 'user_data_128', type: 'text' },
    { name: 'user_data_64', type: 'exact' },
    { name: 'user_data_32', type: 'integer' },
    { name: 'timestamp_ns', type: 'exact' },
  ],
  key: ['number'],
  indexes: [{ columns: ['id'], isUnique: true }],
};

const MOVEMENTS: ViewTable = {
  name: '_movements',
  columns: [
    { name: 'number', type: 'integer' },
    { name: 'id', type: 'text' },
    { name: 'kind', type: 'integer' },
    { name: 'debit', type: 'integer' },
    { name: 'credit', type: 'integer' },
    { name: 'ledger', type: 'integer' },
    { name: 'amount', type: 'exact' },
    { name: 'pending_id', type: 'text', isNullable: true },
    { name: 'hold', type: 'integer' },
    { name: 'expires_ns', type: 'exact', isNullable: true },
    { name: 'code', type: 'integer' },
    { name: 'flags', type: 'integer' },
    { name: 'user_data_128', type: 'text', isNullable: true },
    { name: 'user_data_64', type: 'exact' },
    { name: 'user_data_32', type: 'integer' },
    { name: 'timestamp_ns', type: 'exact' },
  ],
  key: ['number'],
  indexes: [
    { columns: ['id'], isUnique: true },
    { columns: ['debit'] },
    { columns: ['credit'] },
    { columns: ['expires_ns'], where: { column: 'hold', is: Hold.pending } },
  ],
};

const SUMS = [
  { name: 'debits_posted', type: 'exact' },
  { name: 'credits_posted', type: 'exact' },
  { name: 'debits_pending', type: 'exact' },
  { name: 'credits_pending', type: 'exact' },
] as const;

const BALANCES: ViewTable = {
  name: '_balances',
  columns: [{ name: 'account', type: 'integer' }, ...SUMS],
  key: ['account'],
  indexes: [],
};

/** What was posted through the end of a day (UTC, days since 1970), where the day changed it. */
const DAILY_BALANCES: ViewTable = {
  name: '_daily_balances',
  columns: [
    { name: 'account', type: 'integer' },
    { name: 'day', type: 'integer' },
    { name: 'debits_posted', type: 'exact' },
    { name: 'credits_posted', type: 'exact' },
  ],
  key: ['account', 'day'],
  indexes: [],
};

const TOTALS: ViewTable = {
  name: '_totals',
  columns: [
    { name: 'ledger', type: 'integer' },
    { name: 'code', type: 'integer' },
    { name: 'accounts', type: 'integer' },
    ...SUMS,
  ],
  key: ['ledger', 'code'],
  indexes: [],
};

const DAILY_TOTALS: ViewTable = {
  name: '_daily_totals',
  columns: [
    { name: 'ledger', type: 'integer' },
    { name: 'day', type: 'integer' },
    { name: 'transfers', type: 'integer' },
    { name: 'transferred', type: 'exact' },
    { name: 'holds', type: 'integer' },
    { name: 'held', type: 'exact' },
    { name: 'posts', type: 'integer' },
    { name: 'posted', type: 'exact' },
    { name: 'voids', type: 'integer' },
  ],
  key: ['ledger', 'day'],
  indexes: [],
};

/** The integer where it fits 63 bits; NULL where it does not, so that no tool rounds it. */
function minor(column: string, name: string): string {
  const isInteger = `typeof(${column}) = 'integer'`;
  return `CASE WHEN ${isInteger} THEN ${column} END AS ${name}_minor`;
}

/** All digits, in the unit that people write: 1250 with exponent 2 is 12.50. */
function decimal(column: string, name: string): string {
  const zeros = `substr('${'0'.repeat(32)}', 1, max(0, exponent + 1 - length(${column})))`;
  const digits = `${zeros} || ${column}`;
  const point = `length(${digits}) - exponent`;
  const parts = `substr(${digits}, 1, ${point}) || '.' || substr(${digits}, ${point} + 1)`;
  return `CASE exponent WHEN 0 THEN ${column} || '' ELSE ${parts} END AS ${name}_decimal`;
}

function amount(column: string, name: string): string {
  return `${minor(column, name)},\n  ${decimal(column, name)}`;
}

function time(column: string, name: string): string {
  const seconds = `strftime('%Y-%m-%dT%H:%M:%S', ${column} / 1000000000, 'unixepoch')`;
  return `${seconds} || printf('.%09dZ', ${column} % 1000000000) AS ${name}`;
}

const DAY = `date(day * 86400, 'unixepoch') AS day`;
const USER_DATA = 'user_data_64, user_data_32';

const SUMS_READ = SUMS.map(({ name }) => amount(name, name)).join(',\n  ');

const MOVEMENTS_READ = `SELECT m.number, m.id,
  CASE m.kind WHEN 0 THEN 'transfer' WHEN 1 THEN 'hold' WHEN 2 THEN 'post' ELSE 'void' END AS kind,
  d.id AS debit_account_id, c.id AS credit_account_id,
  m.ledger, currency, exponent,
  ${amount('m.amount', 'amount')},
  m.pending_id,
  CASE m.hold WHEN 0 THEN 'none' WHEN 1 THEN 'pending' WHEN 2 THEN 'posted' WHEN 3 THEN 'voided'
    ELSE 'expired' END AS hold,
  CASE WHEN m.expires_ns IS NULL THEN NULL ELSE ${time('m.expires_ns', 'expires_at').replace(' AS expires_at', '')} END AS expires_at,
  m.code, (m.flags & 256) <> 0 AS is_imported,
  coalesce(m.user_data_128, '${'0'.repeat(32)}') AS user_data_128,
  m.user_data_64, m.user_data_32,
  ${time('m.timestamp_ns', 'time')}, m.timestamp_ns
FROM _movements m
JOIN _accounts d ON d.number = m.debit
JOIN _accounts c ON c.number = m.credit
JOIN _ledgers l ON l.ledger = m.ledger`;

function side(which: 'debit' | 'credit', other: 'debit' | 'credit'): string {
  return `SELECT m.number, m.id AS movement_id, '${which}' AS side,
  a.id AS account_id, o.id AS contra_account_id, m.ledger, currency, exponent,
  ${amount('m.amount', 'amount')},
  m.code, ${time('m.timestamp_ns', 'time')}, m.timestamp_ns
FROM _movements m
JOIN _accounts a ON a.number = m.${which}
JOIN _accounts o ON o.number = m.${other}
JOIN _ledgers l ON l.ledger = m.ledger
WHERE m.kind IN (0, 2)`;
}

export const VIEWS_SCHEMA: ViewSchema = {
  version: VIEWS_VERSION,
  tables: [STATE, LEDGERS, ACCOUNTS, MOVEMENTS, BALANCES, DAILY_BALANCES, TOTALS, DAILY_TOTALS],
  queries: [
    { name: 'view_state', sql: 'SELECT name, value FROM _state' },
    { name: 'ledgers', sql: 'SELECT ledger, currency, exponent FROM _ledgers' },
    {
      name: 'accounts',
      sql: `SELECT number, id, a.ledger, currency, exponent, code,
  (flags & 2) <> 0 AS debits_must_not_exceed_credits,
  (flags & 4) <> 0 AS credits_must_not_exceed_debits, (flags & 16) <> 0 AS is_imported,
  user_data_128, ${USER_DATA},
  ${time('timestamp_ns', 'opened_at')}, timestamp_ns
FROM _accounts a JOIN _ledgers l ON l.ledger = a.ledger`,
    },
    { name: 'movements', sql: MOVEMENTS_READ },
    {
      name: 'entries',
      sql: `${side('debit', 'credit')}\nUNION ALL\n${side('credit', 'debit')}`,
    },
    {
      name: 'balances',
      sql: `SELECT a.id AS account_id, a.ledger, currency, exponent, a.code,
  ${SUMS_READ}
FROM _balances b
JOIN _accounts a ON a.number = b.account
JOIN _ledgers l ON l.ledger = a.ledger`,
    },
    {
      name: 'daily_balances',
      sql: `SELECT a.id AS account_id, ${DAY}, a.ledger, currency, exponent, a.code,
  ${amount('debits_posted', 'debits_posted')},
  ${amount('credits_posted', 'credits_posted')}
FROM _daily_balances b
JOIN _accounts a ON a.number = b.account
JOIN _ledgers l ON l.ledger = a.ledger`,
    },
    {
      name: 'trial_balance',
      sql: `SELECT t.ledger, currency, exponent, t.code, t.accounts,
  ${SUMS_READ}
FROM _totals t JOIN _ledgers l ON l.ledger = t.ledger`,
    },
    {
      name: 'daily_totals',
      sql: `SELECT ${DAY}, t.ledger, currency, exponent,
  transfers, ${amount('transferred', 'transferred')},
  holds, ${amount('held', 'held')},
  posts, ${amount('posted', 'posted')}, voids
FROM _daily_totals t JOIN _ledgers l ON l.ledger = t.ledger`,
    },
  ],
};
