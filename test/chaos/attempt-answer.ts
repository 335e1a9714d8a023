// What a client can know after one attempt at a request.

export type AttemptAnswer =
  | { readonly kind: 'answered'; readonly codes: readonly number[]; readonly position: number }
  /** Sent, and no answer that says what happened. */
  | { readonly kind: 'unknown' }
  /** Certainly nothing happened: never connected, or refused as not executed. */
  | { readonly kind: 'not-executed'; readonly code?: string };

const NOT_EXECUTED = new Set([
  'overloaded',
  'not_ready',
  'shutting_down',
  'journal_full',
  'clock_jumped',
]);

/** What a problem document says about money: nothing happened, or nobody knows. */
export function answerOfProblem(value: Readonly<Record<string, unknown>>): AttemptAnswer {
  const code = String(value['code']);
  if (NOT_EXECUTED.has(code)) return { kind: 'not-executed', code };
  if (code === 'outcome_unknown') return { kind: 'unknown' };
  throw new UnexpectedAnswer(`${code}: ${String(value['detail'])}`);
}

/** A problem that this load never gives cause for. */
export class UnexpectedAnswer extends Error {}
