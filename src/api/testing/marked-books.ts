// For tests of the lists: books with accounts and transfers that bear marks, the same every time.

import type { HttpServerOptions } from '../server.ts';
import {
  type FakeNode,
  LEDGER,
  accountId,
  call,
  createFakeNode,
  transferBody,
} from './fake-node.ts';

const OTHER_LEDGER = 840;
/** Accounts 1 to 12, of two ledgers, with codes 1 to 3 and a mark on every fourth. */
export const ACCOUNTS = 12;
/** Transfers 1 to 30, all on the first ledger; every seventh is a hold. */
export const TRANSFERS = 30;

export const MARK = {
  user_data_128: 'ff0000000000000000000000000000a5',
  user_data_64: '18446744073709551615',
  user_data_32: 4_294_967_295,
} as const;

export async function createMarkedNode(
  options: Partial<HttpServerOptions> = {},
): Promise<FakeNode> {
  const node = createFakeNode(options);
  await call(node, 'PUT', `/v1/ledgers/${LEDGER}`, { currency: 'EUR', exponent: 2 });
  await call(node, 'PUT', `/v1/ledgers/${OTHER_LEDGER}`, { currency: 'USD', exponent: 2 });
  for (let number = 1; number <= ACCOUNTS; number++) {
    await call(node, 'POST', '/v1/accounts', accountBody(number));
  }
  for (let number = 1; number <= TRANSFERS; number++) {
    await call(node, 'POST', '/v1/transfers', markedTransfer(number));
  }
  return node;
}

function accountBody(number: number): object {
  return {
    id: accountId(number),
    ledger: number <= 8 ? LEDGER : OTHER_LEDGER,
    code: 1 + (number % 3),
    ...(number % 4 === 0 && MARK),
  };
}

function markedTransfer(number: number): object {
  return transferBody(number, {
    debit_account_id: accountId(1 + (number % 3)),
    credit_account_id: accountId(4 + (number % 2)),
    code: 1 + (number % 2),
    ...(number % 7 === 0 && { flags: ['pending'] }),
    ...(number % 5 === 0 && MARK),
  });
}
