// The history of a node that keeps none: it lists nothing, and says so. By id such a node knows
// what the ledger remembers, and behind that there is nothing to be found.

import { OperationalError } from '../base/errors.ts';
import type { History } from './contract.ts';

const REASON = 'This node keeps no history.';

export const ABSENT_HISTORY: History = {
  find: () => Promise.resolve(undefined),
  query: () => Promise.reject(new OperationalError('HISTORY_INCOMPLETE', { detail: REASON })),
  status: () => ({
    complete: false,
    reason: REASON,
    transfers: 0,
    position: 0,
    runs: 0,
    bytes: 0,
  }),
};
