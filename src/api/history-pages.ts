// A page of the history for both doors. The history works beside the event loop; here only its
// time-out gets a name.

import { OperationalError, isOperationalError } from '../base/errors.ts';
import type { Engine } from '../engine/contract.ts';
import type { TransferPage, TransferQuery } from '../history/contract.ts';

/** Rejects with HISTORY_INCOMPLETE, or with OVERLOADED when `signal` aborts first. */
export async function pageOfTransfers(
  engine: Engine,
  query: TransferQuery,
  signal: AbortSignal,
): Promise<TransferPage> {
  try {
    return await engine.history.query(query, signal);
  } catch (cause) {
    if (!signal.aborted || isOperationalError(cause)) throw cause;
    const detail = 'The history did not answer in time. Nothing was changed; ask again.';
    throw new OperationalError('OVERLOADED', { detail, cause });
  }
}
