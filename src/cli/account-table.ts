// Accounts as rows of a table.

import { formatId } from '../base/ids.ts';
import { formatDecimal } from '../base/money.ts';
import type { AccountView, Ledger } from '../client/wire.ts';
import type { Column } from './output.ts';

export const ACCOUNT_COLUMNS: readonly Column[] = [
  { title: 'account' },
  { title: 'debits', isNumber: true },
  { title: 'credits', isNumber: true },
  { title: 'credits - debits', isNumber: true },
  { title: 'currency' },
];

export function accountRow(account: AccountView, ledgers: readonly Ledger[]): string[] {
  const exponent = ledgers.find((item) => item.ledger === account.ledger)?.exponent ?? 0;
  const { debitsPosted, creditsPosted } = account;
  return [
    formatId('account', account.id),
    formatDecimal(debitsPosted, exponent),
    formatDecimal(creditsPosted, exponent),
    formatDecimal(creditsPosted - debitsPosted, exponent),
    account.currency,
  ];
}
