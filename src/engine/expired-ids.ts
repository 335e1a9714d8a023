// Between what `apply` answers and the caller: an id that the ledger has forgotten is looked up in
// the history. A transfer that is there with the same meaning is a retry and `exists`; with another
// one the caller hears what differs; one that certainly is not there stays `id_expired`. Where the
// history cannot say, the outcome of the request is unknown. What the journal and the digests hold
// of the command stays as it was: this is an answer, not a decision.

import { readIdWords } from '../base/ids.ts';
import { OperationalError, isOperationalError } from '../base/errors.ts';
import { TRANSFER_WORDS, TransferFlag, TransferWord } from '../base/transfer-record.ts';
import { equal128 } from '../base/u128.ts';
import { CommandKind, type Command } from '../domain/commands.ts';
import { compareFields } from '../domain/ledger/same-again.ts';
import type { Outcome } from '../domain/outcome.ts';
import { REFUSAL } from '../domain/refusals.ts';
import type { History } from '../history/contract.ts';
import type { SubmitResult } from './contract.ts';

/** Whether the outcome refuses an id because it is forgotten: seldom. */
export function namesForgottenIds(command: Command, outcome: Outcome): boolean {
  return command.kind === CommandKind.transfers && outcome.codes.includes(REFUSAL.id_expired);
}

/** Rejects with OUTCOME_UNKNOWN. The command's bytes are read before this returns. */
export async function answerExpiredIds(
  history: Pick<History, 'find'>,
  command: Command,
  result: SubmitResult,
): Promise<SubmitResult> {
  const words = wordsOf(command.payload);
  const codes = result.outcome.codes.slice();
  try {
    for (let index = 0; index < codes.length; index++) {
      if (codes[index] !== REFUSAL.id_expired) continue;
      const code = await codeFor(history, words, index);
      codes[index] = code;
      if (code === REFUSAL.exists) await goOn(history, words, codes, index);
    }
  } catch (error) {
    if (!isOperationalError(error, 'HISTORY_INCOMPLETE')) throw error;
    throw new OperationalError('OUTCOME_UNKNOWN', {
      detail:
        'The request names ids that are older than what the ledger remembers, and the history ' +
        'of this node cannot say now whether they were accepted before.',
      wayOut: 'Ask again with the same ids, now or later.',
      cause: error,
    });
  }
  return { ...result, outcome: { ...result.outcome, codes } };
}

/** `exists`, what differs, or `id_expired` where the history has no such transfer. */
async function codeFor(
  history: Pick<History, 'find'>,
  words: Uint32Array,
  index: number,
): Promise<number> {
  const o = index * TRANSFER_WORDS;
  const found = await history.find(readIdWords(words, o));
  if (found === undefined) return REFUSAL.id_expired;
  const kept = wordsOf(found.record);
  return compareFields(words, o, kept, 0, await tookAll(history, kept));
}

/** Whether a post took all that its hold held; a void always does. */
async function tookAll(history: Pick<History, 'find'>, kept: Uint32Array): Promise<boolean> {
  const flags = kept[TransferWord.codeAndFlags]! >>> 16;
  if ((flags & TransferFlag.postPending) === 0) return true;
  const hold = await history.find(readIdWords(kept, TransferWord.pendingId));
  if (hold === undefined) return false;
  return equal128(wordsOf(hold.record), TransferWord.amount, kept, TransferWord.amount);
}

/**
 * A chain that was carried out before answers `exists` for each of its transfers. The ledger
 * stopped at the forgotten one; what follows it in the chain was not looked at and is looked up
 * now. One that was never accepted breaks the chain.
 */
async function goOn(
  history: Pick<History, 'find'>,
  words: Uint32Array,
  codes: Uint16Array,
  index: number,
): Promise<void> {
  for (let before = index; before > 0 && isLinked(words, before - 1); before--) {
    if (codes[before - 1] !== REFUSAL.exists) return;
  }
  for (let place = index; isLinked(words, place) && place + 1 < codes.length; place++) {
    if (codes[place + 1] !== REFUSAL.linked_event_failed) return;
    const code = await codeFor(history, words, place + 1);
    if (code === REFUSAL.id_expired) return;
    codes[place + 1] = code;
    if (code !== REFUSAL.exists) return;
  }
}

function isLinked(words: Uint32Array, index: number): boolean {
  const flags = words[index * TRANSFER_WORDS + TransferWord.codeAndFlags]! >>> 16;
  return (flags & TransferFlag.linked) !== 0;
}

/** A copy. Not by `slice`: that of a Buffer is a view of whatever else stands in its memory. */
function wordsOf(records: Uint8Array): Uint32Array {
  return new Uint32Array(new Uint8Array(records).buffer);
}
