// The history of a node that keeps none: nothing can be said about the past beyond what the ledger
// remembers, and it says so.

import { OperationalError } from '../base/errors.ts';
import type { History } from './contract.ts';

const REASON = 'This node keeps no history.';

function refuse(): Promise<never> {
  return Promise.reject(new OperationalError('HISTORY_INCOMPLETE', { detail: REASON }));
}

export const ABSENT_HISTORY: History = {
  find: refuse,
  query: refuse,
  status: () => ({
    complete: false,
    reason: REASON,
    transfers: 0,
    position: 0,
    runs: 0,
    bytes: 0,
  }),
};
