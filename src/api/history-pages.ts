// Questions to the history for both doors. The history works beside the event loop and has no clock
// of its own; here whoever asks stops waiting at his deadline, and hears that with a name.

import { OperationalError, isOperationalError } from '../base/errors.ts';
import type { ListQuery } from '../base/list-query.ts';
import type { Engine } from '../engine/contract.ts';
import type { FoundTransfer, TransferPage } from '../history/contract.ts';

/** Rejects with HISTORY_INCOMPLETE, or with OVERLOADED when `signal` aborts first. */
export async function pageOfTransfers(
  engine: Engine,
  query: ListQuery,
  signal: AbortSignal,
): Promise<TransferPage> {
  try {
    return await engine.history.query(query, signal);
  } catch (cause) {
    if (!signal.aborted || isOperationalError(cause)) throw cause;
    throw tooLate(cause);
  }
}

/** The same for several ids at once, in their order. */
export async function findAll(
  engine: Engine,
  ids: readonly bigint[],
  signal: AbortSignal,
): Promise<(FoundTransfer | undefined)[]> {
  if (signal.aborted) throw tooLate(signal.reason);
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(tooLate(signal.reason));
  signal.addEventListener('abort', abort, { once: true });
  try {
    const found = Promise.all(ids.map((id) => engine.history.find(id)));
    return await Promise.race([found, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function tooLate(cause: unknown): OperationalError {
  const detail = 'The history did not answer in time. Nothing was changed; ask again.';
  return new OperationalError('OVERLOADED', { detail, cause });
}
