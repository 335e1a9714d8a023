// The smallest books that money can move in: two accounts in euro, and transfers from one to the
// other.

import assert from 'node:assert/strict';
import type { Client } from '../../src/client/http-client.ts';
import { newTransferId } from '../../src/client/ids.ts';
import { type JsonObject, type NewTransfer, newTransferJson } from '../../src/client/wire.ts';

export const LEDGER = 978;
export const PAYER = 1n;
export const PAYEE = 2n;

export async function openAccounts(client: Client): Promise<void> {
  const accounts = [PAYER, PAYEE].map((id) => ({ id, ledger: LEDGER, code: 1 }));
  const { results } = await client.accounts.createBatch(accounts);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['created', 'created'],
  );
}

export function payment(amount = 1n): NewTransfer {
  return {
    id: newTransferId(),
    debitAccountId: PAYER,
    creditAccountId: PAYEE,
    amount,
    ledger: LEDGER,
    code: 1,
  };
}

export function paymentsJson(payments: readonly NewTransfer[]): JsonObject {
  return { transfers: payments.map(newTransferJson) };
}

/** What the payee has received; the payer's side is asserted to say the same. */
export async function received(client: Client): Promise<bigint> {
  const payer = await client.accounts.get(PAYER);
  const payee = await client.accounts.get(PAYEE);
  assert.equal(payer.debitsPosted, payee.creditsPosted);
  return payee.creditsPosted;
}
