// What accounts hold: from their balances, or folded from transfer records.

import type { AccountView, TransferView } from '../../src/client/wire.ts';

/** The touched accounts' closes, from the ledger's own records of the day. */
export function foldCloses(
  before: ReadonlyMap<number, bigint>,
  records: readonly TransferView[],
): Map<number, bigint> {
  const closes = new Map<number, bigint>();
  const add = (id: bigint, amountMinor: bigint): void => {
    const account = Number(id);
    const close = closes.get(account) ?? before.get(account) ?? 0n;
    closes.set(account, close + amountMinor);
  };
  for (const record of records) {
    if (record.state !== 'accepted') continue;
    add(record.debitAccountId, -record.amount);
    add(record.creditAccountId, record.amount);
  }
  return closes;
}

export function balanceMinor(account: AccountView): bigint {
  return account.creditsPosted - account.debitsPosted;
}

export function chunks<T>(items: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let start = 0; start < items.length; start += size) {
    parts.push(items.slice(start, start + size));
  }
  return parts;
}
