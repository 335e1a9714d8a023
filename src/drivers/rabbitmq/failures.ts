// What the driver says when the engine fails, and what kind of failure the client library reports.

import { OperationalError, isOperationalError } from '../../base/errors.ts';

/** The connection, the channel or the answer is gone: another attempt may succeed. */
export class BrokerFailure extends Error {
  override readonly name = 'BrokerFailure';
  /** `missing`: there is no such stream. `foreign`: this broker holds no replica of it. */
  readonly kind: 'lost' | 'missing' | 'foreign';

  constructor(kind: BrokerFailure['kind'], message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

/** What the client library says, as one of ours. */
export function failureOf(error: unknown): Error {
  if (error instanceof BrokerFailure || isOperationalError(error)) return error;
  const text = error instanceof Error ? error.message : String(error);
  // The same number also says that the stream's leader is down: then it is there, and has none yet.
  if (/NOT_FOUND - no queue/.test(text)) return new BrokerFailure('missing', text, error);
  if (text.includes('does not have a replica')) return new BrokerFailure('foreign', text, error);
  return new BrokerFailure('lost', text, error);
}

export function unavailable(detail: string, cause?: unknown): OperationalError {
  return new OperationalError('JOURNAL_UNAVAILABLE', {
    detail: `${detail}${cause instanceof Error ? ` (${cause.message})` : ''}`,
    wayOut: 'It is tried again; see whether a majority of the brokers runs and answers.',
    cause,
  });
}

export function diverged(detail: string, cause?: unknown): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail,
    wayOut: 'Start from another checkpoint.',
    cause,
  });
}

/** The promise, or a lost broker when it takes longer. */
export async function within<Value>(
  promise: Promise<Value>,
  boundMs: number,
  what: string,
): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new BrokerFailure('lost', `No answer in ${boundMs} ms: ${what}`));
  }, boundMs);
  // Whoever loses the race may reject later, unheard.
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
