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
  const { tickets, ownCommands } = batch;
  const { position } = batch.entry;
  for (let index = 0; index < tickets.length; index++) {
    const outcome = outcomes[ownCommands + index];
    assert(outcome !== undefined, 'I5: one outcome for each command');
    tickets[index]!.resolve({ outcome, position });
  }
}

export function respondWithError(batch: Batch, error: OperationalError): void {
  for (const ticket of batch.tickets) ticket.reject(error);
}
