// What a command is said to have accepted (the log that the history is filled from) beside what the
// naive model's books and the answers say.

import assert from 'node:assert/strict';

import { readIdWords } from '../../src/base/ids.ts';
import { decodeTransfer, type Transfer, TRANSFER_BYTES } from '../../src/base/transfer-record.ts';
import { type Command, CommandKind } from '../../src/domain/commands.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import { accountAt } from '../../src/domain/queries.ts';
import { CREATED } from '../../src/domain/refusals.ts';
import type { DomainState } from '../../src/domain/state.ts';
import type { NaiveLedger } from '../model/naive-ledger.ts';

/** `heldBefore`: ids of the model's unresolved holds before the command. */
export function assertAccepted(
  state: DomainState,
  model: NaiveLedger,
  { kind, payload }: Command,
  outcome: Outcome,
  heldBefore: ReadonlySet<bigint>,
): void {
  const { accepted } = state.ledger;
  const events = Array.from(accepted.events.subarray(0, accepted.count));
  const created = [...outcome.codes.keys()].filter((index) => outcome.codes[index] === CREATED);
  assert.deepEqual(events, kind === CommandKind.transfers ? created : [], 'what was accepted');
  const payloadView = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const recordsView = new DataView(accepted.records.buffer);
  for (const [place, event] of events.entries()) {
    const asked = decodeTransfer(payloadView, event * TRANSFER_BYTES);
    const recordPlace = accepted.recordPlaces[place]!;
    const record: Transfer =
      recordPlace === -1 ? asked : decodeTransfer(recordsView, recordPlace * TRANSFER_BYTES);
    // What was forgotten at once cannot be compared.
    const kept = model.transfer(asked.id)?.transfer;
    if (kept !== undefined) {
      const timestampNs = recordPlace === -1 ? kept.timestampNs : record.timestampNs;
      assert.deepEqual({ ...record, timestampNs }, kept, 'the record accepted');
    }
    const [debit, credit] = [accepted.debitAccounts[place]!, accepted.creditAccounts[place]!];
    assert.equal(accountAt(state, debit).id, record.debitAccountId);
    assert.equal(accountAt(state, credit).id, record.creditAccountId);
  }
  const released = Array.from({ length: accepted.expiredCount }, (_, place) =>
    readIdWords(accepted.expiredIds, 4 * place),
  );
  const gone = [...heldBefore].filter((id) => !model.holds.has(id));
  assert.equal(accepted.expiredCount, outcome.expired);
  if (kind === CommandKind.tick) assert.deepEqual(new Set(released), new Set(gone));
}
