// What the books are behind an entry, for the views: how far they have to come.

import type { Replica } from '../recovery/replica.ts';
import type { Mark } from '../views/messages.ts';

export function markOf({ position, state }: Replica): Mark {
  const { ledger, lastTimeNs } = state;
  return {
    position,
    transfers: ledger.transfersAccepted,
    accounts: ledger.accounts.count,
    ledgers: ledger.ledgers.count,
    timeNs: lastTimeNs,
  };
}
