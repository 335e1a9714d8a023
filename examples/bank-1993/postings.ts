// How the bank's movements become double entry: each has the customer's account on one side and
// exactly one account of the bank or of a partner bank on the other.
//
//   purpose (k_symbol) given    interest, fee, penalty, insurance, loan, pension, household
//   none, cash                  cash
//   none, from or to a bank     that bank, by its two letters
//
// The purpose wins over the partner bank; which bank it went through stands in user data 128.

import type { NewAccount, NewTransfer } from '../../src/client/wire.ts';
import { type ImportManifest, rowTransferId } from '../../src/client/import-manifest.ts';
import { type Dataset, DatasetUnusable, type Movement } from './dataset.ts';

export const LEDGER = { ledger: 200, currency: 'CSK', exponent: 2 } as const;

export const PARTNER_BANKS = [
  'AB',
  'CD',
  'EF',
  'GH',
  'IJ',
  'KL',
  'MN',
  'OP',
  'QR',
  'ST',
  'UV',
  'WX',
  'YZ',
] as const;

const PURPOSES = [
  'cash',
  'interest',
  'fee',
  'penalty',
  'insurance',
  'loan',
  'pension',
  'household',
] as const;

export type Counterparty = (typeof PURPOSES)[number] | (typeof PARTNER_BANKS)[number];

const PURPOSE_BY_SYMBOL: ReadonlyMap<string, (typeof PURPOSES)[number]> = new Map([
  ['UROK', 'interest'],
  ['SLUZBY', 'fee'],
  ['SANKC. UROK', 'penalty'],
  ['POJISTNE', 'insurance'],
  ['UVER', 'loan'],
  ['DUCHOD', 'pension'],
  ['SIPO', 'household'],
]);

const CASH_OPERATIONS = new Set(['VKLAD', 'VYBER', 'VYBER KARTOU']);
const BANK_OPERATIONS = new Set(['PREVOD Z UCTU', 'PREVOD NA UCET']);

/** Accounts of the bank itself stand above every customer's number. */
const INSTITUTION_ID_FIRST = 1_000_001n;

const AccountCode = { customer: 1, institution: 2, partnerBank: 3 } as const;

const COUNTERPARTIES: readonly Counterparty[] = [...PURPOSES, ...PARTNER_BANKS];

const INSTITUTION_ID: ReadonlyMap<Counterparty, bigint> = new Map(
  COUNTERPARTIES.map((counterparty, index) => [counterparty, INSTITUTION_ID_FIRST + BigInt(index)]),
);

/** The one account that stands against the customer's in this movement. */
export function counterpartyOf(movement: Movement): Counterparty {
  const { kSymbol, operation, partnerBank } = movement;
  if (kSymbol !== '') {
    const purpose = PURPOSE_BY_SYMBOL.get(kSymbol);
    if (purpose !== undefined) return purpose;
  } else if (CASH_OPERATIONS.has(operation)) {
    return 'cash';
  } else if (BANK_OPERATIONS.has(operation)) {
    const bank = PARTNER_BANKS.find((letters) => letters === partnerBank);
    if (bank !== undefined) return bank;
  }
  throw new DatasetUnusable(
    `Row ${movement.row}: there is no counterparty for operation "${operation}", ` +
      `k_symbol "${kSymbol}", bank "${partnerBank}".`,
  );
}

/** Customers keep their number: `holdfast account get 576` is the bank's account 576. */
export function customerAccountId(accountId: number): bigint {
  return BigInt(accountId);
}

export function institutionAccountId(counterparty: Counterparty): bigint {
  const id = INSTITUTION_ID.get(counterparty);
  if (id === undefined) throw new RangeError(`no account for ${counterparty}`);
  return id;
}

/** Transfer codes: 1 to 21, in the order of the counterparties. */
function transferCode(counterparty: Counterparty): number {
  return COUNTERPARTIES.indexOf(counterparty) + 1;
}

export function toTransfer(movement: Movement, manifest: ImportManifest): NewTransfer {
  const counterparty = counterpartyOf(movement);
  const customer = customerAccountId(movement.accountId);
  const institution = institutionAccountId(counterparty);
  return {
    id: rowTransferId(manifest, movement.row),
    debitAccountId: movement.isCredit ? institution : customer,
    creditAccountId: movement.isCredit ? customer : institution,
    amount: movement.amountMinor,
    ledger: LEDGER.ledger,
    code: transferCode(counterparty),
    userData128: partnerNumber(movement),
    userData64: BigInt(movement.transId),
    userData32: movement.date,
  };
}

/** The partner's two letters above 64 bits of its account number; 0 without a partner. */
function partnerNumber(movement: Movement): bigint {
  const letters = BigInt(`0x${Buffer.from(movement.partnerBank, 'latin1').toString('hex') || '0'}`);
  return (letters << 64n) | BigInt(movement.partnerAccount);
}

export function institutionAccounts(): NewAccount[] {
  return COUNTERPARTIES.map((counterparty) => ({
    id: institutionAccountId(counterparty),
    ledger: LEDGER.ledger,
    code: counterparty.length === 2 ? AccountCode.partnerBank : AccountCode.institution,
  }));
}

/**
 * Customers' accounts by the day on which they open: the day that accounts.csv gives, or that of
 * the first movement where there is none or it would be too late.
 */
export function customerOpenings(dataset: Dataset): Map<number, NewAccount[]> {
  const firstMovementOn = new Map<number, number>();
  for (const { date, movements } of dataset.days) {
    for (const { accountId } of movements) {
      if (!firstMovementOn.has(accountId)) firstMovementOn.set(accountId, date);
    }
  }
  const openings = new Map<number, NewAccount[]>();
  const dates = dataset.days.map((day) => day.date);
  for (const [accountId, firstOn] of firstMovementOn) {
    const openedOn = Math.min(dataset.openedOn.get(accountId) ?? firstOn, firstOn);
    const day = dates.find((date) => date >= openedOn) ?? firstOn;
    const account: NewAccount = {
      id: customerAccountId(accountId),
      ledger: LEDGER.ledger,
      code: AccountCode.customer,
      userData64: BigInt(accountId),
      userData32: openedOn,
    };
    const sameDay = openings.get(day);
    if (sameDay === undefined) openings.set(day, [account]);
    else sameDay.push(account);
  }
  return openings;
}
