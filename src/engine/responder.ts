// Station 6, responder: wakes the requests that wait for an entry, once it has been applied here.
// One that names an id which the ledger has forgotten waits for the history's word on it.

import { assert } from '../base/assert.ts';
import { OperationalError, isOperationalError } from '../base/errors.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { History } from '../history/contract.ts';
import type { SubmitResult } from './contract.ts';
import { answerExpiredIds, namesForgottenIds } from './expired-ids.ts';
import type { Batch } from './sequencer.ts';
import type { Ticket } from './ticket.ts';

/** `outcomes` are those of the whole entry, own commands of the sequencer included. */
export function respond(
  batch: Batch,
  outcomes: readonly Outcome[],
  history: Pick<History, 'find'>,
): void {
  assert(
    outcomes.length === batch.ownCommands + batch.tickets.length,
    'I5: one outcome for each command',
  );
  const { tickets, ownCommands } = batch;
  const { position } = batch.entry;
  for (let index = 0; index < tickets.length; index++) {
    const outcome = outcomes[ownCommands + index];
    assert(outcome !== undefined, 'I5: one outcome for each command');
    const ticket = tickets[index]!;
    const result = { outcome, position };
    if (namesForgottenIds(ticket.command, outcome)) respondLater(history, ticket, result);
    else ticket.resolve(result);
  }
}

function respondLater(history: Pick<History, 'find'>, ticket: Ticket, result: SubmitResult): void {
  answerExpiredIds(history, ticket.command, result).then(
    (answer) => ticket.resolve(answer),
    (cause: unknown) => {
      const isKnown = isOperationalError(cause);
      ticket.reject(isKnown ? cause : new OperationalError('OUTCOME_UNKNOWN', { cause }));
    },
  );
}

export function respondWithError(batch: Batch, error: OperationalError): void {
  for (const ticket of batch.tickets) ticket.reject(error);
}
