// The end of the run: every acknowledged movement is read back by its id, and every account's gross
// debits and credits are compared with the sums of what was acknowledged. An absent record is lost
// money; an account on which more was posted than was asked for had something done twice.

import { LOOKUP_IDS_MAX } from '../../src/base/limits.ts';
import type { Client } from '../../src/client/http-client.ts';
import type { AccountView, NewTransfer, TransferView } from '../../src/client/wire.ts';
import { balanceMinor, chunks } from './closes.ts';

export type Audit = {
  readonly lost: number;
  readonly doubled: number;
  /** Records that say something else than what was sent. */
  readonly altered: number;
  /** Sentences that name what was found, in the order found. */
  readonly findings: readonly string[];
};

export type Gross = { debitsMinor: bigint; creditsMinor: bigint };

/** Every account's gross sums of these transfers. */
export function grossSums(transfers: readonly NewTransfer[]): Map<bigint, Gross> {
  const sums = new Map<bigint, Gross>();
  const of = (id: bigint): Gross => {
    const known = sums.get(id);
    if (known !== undefined) return known;
    const gross: Gross = { debitsMinor: 0n, creditsMinor: 0n };
    sums.set(id, gross);
    return gross;
  };
  for (const { debitAccountId = 0n, creditAccountId = 0n, amount = 0n } of transfers) {
    of(debitAccountId).debitsMinor += amount;
    of(creditAccountId).creditsMinor += amount;
  }
  return sums;
}

export function audit(
  sent: readonly NewTransfer[],
  records: readonly TransferView[],
  accounts: readonly AccountView[],
): Audit {
  const findings: string[] = [];
  const byTransId = new Map<bigint, TransferView[]>();
  for (const record of records) {
    if (record.state !== 'accepted') continue;
    byTransId.set(record.userData64, [...(byTransId.get(record.userData64) ?? []), record]);
  }
  let lost = 0;
  let altered = 0;
  let doubled = 0;
  for (const transfer of sent) {
    const found = byTransId.get(transfer.userData64 ?? 0n) ?? [];
    const [record] = found;
    if (record === undefined) {
      lost++;
      findings.push(`movement ${transfer.userData64} was acknowledged and is not in the ledger`);
    } else if (found.length > 1) {
      doubled++;
      findings.push(`movement ${transfer.userData64} stands ${found.length} times in the ledger`);
    } else if (!isSame(transfer, record)) {
      altered++;
      findings.push(`movement ${transfer.userData64} is not what was sent`);
    }
  }
  const excess = excessOf(grossSums(sent), accounts);
  findings.push(...excess.map((id) => `account ${id} has more posted on it than was sent`));
  return { lost, doubled: Math.max(doubled, excess.length), altered, findings };
}

function excessOf(
  expected: ReadonlyMap<bigint, Gross>,
  accounts: readonly AccountView[],
): bigint[] {
  return accounts
    .filter((account) => {
      const gross = expected.get(account.id) ?? { debitsMinor: 0n, creditsMinor: 0n };
      return account.debitsPosted > gross.debitsMinor || account.creditsPosted > gross.creditsMinor;
    })
    .map((account) => account.id);
}

function isSame(transfer: NewTransfer, record: TransferView): boolean {
  return (
    transfer.id === record.id &&
    transfer.debitAccountId === record.debitAccountId &&
    transfer.creditAccountId === record.creditAccountId &&
    transfer.amount === record.amount &&
    transfer.ledger === record.ledger &&
    transfer.code === record.code &&
    transfer.userData32 === record.userData32
  );
}

/** Reads everything back and audits it; also the customers' balances for the year end. */
export async function auditEnd(
  { client, signal }: { readonly client: Client; readonly signal: AbortSignal },
  sent: readonly NewTransfer[],
): Promise<{ readonly audit: Audit; readonly customerBalances: Map<number, bigint> }> {
  const records: TransferView[] = [];
  for (const chunk of chunks(sent, LOOKUP_IDS_MAX)) {
    const ids = chunk.map((transfer) => transfer.id);
    records.push(...(await client.transfers.lookup(ids, { signal })).found);
  }
  const accounts: AccountView[] = [];
  for (const chunk of chunks([...grossSums(sent).keys()], LOOKUP_IDS_MAX)) {
    accounts.push(...(await client.accounts.lookup(chunk, { signal })).found);
  }
  const customerBalances = new Map(
    accounts.map((account) => [Number(account.id), balanceMinor(account)]),
  );
  return { audit: audit(sent, records, accounts), customerBalances };
}
