// Postings and reverts, for both doors: chains of transfers whose ids follow from other ids
// (derived-ids.ts), so that sending a request again can never move the money twice.

import { POSTING_LEGS_MAX } from '../base/limits.ts';
import {
  TRANSFER_DEFAULTS,
  type Transfer,
  TransferFlag,
  encodeTransfers,
} from '../base/transfer-record.ts';
import { type Command, transfersCommand } from '../domain/commands.ts';
import type { DomainState } from '../domain/domain.ts';
import { type TransferView, findLedger, findTransfer } from '../domain/queries.ts';
import { CREATED, REFUSAL, isSuccess } from '../domain/refusals.ts';
import type { Engine, SubmitResult } from '../engine/contract.ts';
import { refusalProblem } from './context.ts';
import { postingTransferId, revertId } from './derived-ids.ts';
import { knownTransfers } from './known-transfers.ts';
import { transferText } from './output.ts';
import { unlinkLast } from './posting.ts';
import { ApiProblem } from './problems.ts';

/** What became of a chain: all of it was done, now or before. */
export type ChainDone = {
  readonly status: 'created' | 'exists';
  readonly position: number;
  /** Its transfers as JSON. */
  readonly texts: readonly string[];
};

export function chainCommand(transfers: readonly Transfer[]): Command {
  return transfersCommand(encodeTransfers(transfers));
}

/** All of them or none; what broke the chain is the problem that is thrown. */
export function chainDone(
  transfers: readonly Transfer[],
  { outcome, position }: SubmitResult,
  booksAfter: () => DomainState,
): ChainDone {
  const codes = [...outcome.codes];
  const breaking = codes.find((code) => !isSuccess(code) && code !== REFUSAL.linked_event_failed);
  const refusal = breaking ?? codes.find((code) => !isSuccess(code));
  if (refusal !== undefined) throw refusalProblem(refusal, position);
  const state = booksAfter();
  const texts = transfers.map((sent, index) => {
    const timestampNs = outcome.timeNs + BigInt(index);
    return textOf(state, findTransfer(state, sent.id) ?? acceptedAsSent(sent, timestampNs));
  });
  return { status: codes[0] === CREATED ? 'created' : 'exists', position, texts };
}

/** The transfer that moves this one's money back; a problem where it moved none. */
export async function revertOfTransfer(
  engine: Engine,
  id: bigint,
  signal: AbortSignal,
): Promise<Transfer[]> {
  const { views, position } = await knownTransfers(engine, [id], signal);
  const view = views[0];
  if (view === undefined) throw new ApiProblem('transfer_not_found', { position });
  return [revertOf(view, 0)];
}

/** One for each transfer that the posting has become, as one chain. */
export async function revertsOfPosting(
  engine: Engine,
  posting: bigint,
  signal: AbortSignal,
): Promise<Transfer[]> {
  const reverts: Transfer[] = [];
  for (let index = 0; index < POSTING_LEGS_MAX; index++) {
    const id = postingTransferId(posting, index);
    const { views, position } = await knownTransfers(engine, [id], signal);
    const view = views[0];
    if (view === undefined) {
      const detail = 'No posting with this id was accepted.';
      throw new ApiProblem('transfer_not_found', { position, detail });
    }
    reverts.push(revertOf(view, TransferFlag.linked));
    if ((view.transfer.flags & TransferFlag.linked) === 0) break;
  }
  return unlinkLast(reverts);
}

/** The same amount the other way, under the one id that a revert of this transfer can have. */
function revertOf({ transfer, state, hold }: TransferView, flags: number): Transfer {
  const resolved = TransferFlag.pending | TransferFlag.voidPending;
  if (state !== 'accepted' || hold !== 'none' || (transfer.flags & resolved) !== 0) {
    throw new ApiProblem('transfer_not_reversible');
  }
  return {
    ...TRANSFER_DEFAULTS,
    id: revertId(transfer.id),
    debitAccountId: transfer.creditAccountId,
    creditAccountId: transfer.debitAccountId,
    amount: transfer.amount,
    userData128: transfer.id,
    ledger: transfer.ledger,
    code: transfer.code,
    flags,
  };
}

/**
 * Where memory for ids is so small that the record has been forgotten before the answer is written,
 * the answer is the transfer as it was sent.
 */
export function acceptedAsSent(sent: Transfer, timestampNs: bigint): TransferView {
  const pending = (sent.flags & TransferFlag.pending) !== 0;
  return {
    transfer: { ...sent, timestampNs: sent.timestampNs || timestampNs },
    state: 'accepted',
    hold: pending ? 'pending' : 'none',
  };
}

export function textOf(state: DomainState, view: TransferView): string {
  return transferText(view, findLedger(state, view.transfer.ledger)?.currency ?? '');
}
