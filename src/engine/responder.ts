// Station 6, responder: wakes the requests that wait for an entry, once it has been applied here.

import { assert } from '../base/assert.ts';
import type { OperationalError } from '../base/errors.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { Batch } from './sequencer.ts';

/** `outcomes` are those of the whole entry, own commands of the sequencer included. */
export function respond(batch: Batch, outcomes: readonly Outcome[]): void {
  assert(
    outcomes.length === batch.ownCommands + batch.tickets.length,
    'I5: one outcome for each command',
  );
  for (const [index, ticket] of batch.tickets.entries()) {
    const outcome = outcomes[batch.ownCommands + index];
    assert(outcome !== undefined, 'I5: one outcome for each command');
    ticket.resolve({ outcome, position: batch.entry.position });
  }
}

export function respondWithError(batch: Batch, error: OperationalError): void {
  for (const ticket of batch.tickets) ticket.reject(error);
}
