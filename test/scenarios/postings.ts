// Postings and reverts in scenarios: requests of the doors that reach the books as chains of
// transfers. How a posting is paired up is the door's own reader; a revert is written here from its
// description (docs/reference/http-api.md).

import { postingTransferId, revertId } from '../../src/api/derived-ids.ts';
import { readPosting } from '../../src/api/posting.ts';
import { formatId } from '../../src/base/ids.ts';
import {
  TRANSFER_DEFAULTS,
  type Transfer,
  TransferFlag,
  encodeTransfers,
} from '../../src/base/transfer-record.ts';
import { type Command, transfersCommand } from '../../src/domain/commands.ts';
import { REFUSAL, isSuccess } from '../../src/domain/refusals.ts';
import type { NewPosting } from '../../src/client/wire.ts';
import { newPostingJson } from '../../src/client/wire.ts';
import type { Books } from '../model/books.ts';

/** What was asked of a door, where the command does not say it. */
export type Act =
  | { readonly kind: 'posting'; readonly posting: NewPosting }
  | { readonly kind: 'revert transfer'; readonly id: bigint }
  | { readonly kind: 'revert posting'; readonly id: bigint };

export function commandOf(act: Act, books: Books): Command {
  switch (act.kind) {
    case 'posting':
      return chain(readPosting(newPostingJson(act.posting)).transfers);
    case 'revert transfer':
      return chain([revertOf(books, act.id, 0)]);
    case 'revert posting': {
      const reverts: Transfer[] = [];
      for (let index = 0; ; index++) {
        const id = postingTransferId(act.id, index);
        if (books.transfer(id) === undefined) break;
        reverts.push(revertOf(books, id, TransferFlag.linked));
      }
      const last = reverts.length - 1;
      return chain(reverts.map((one, index) => (index === last ? { ...one, flags: 0 } : one)));
    }
    default:
      return act satisfies never;
  }
}

/** One answer for a chain: what broke it, or what became of its first transfer. */
export function chainCode(codes: readonly number[]): number {
  const breaking = codes.find((code) => !isSuccess(code) && code !== REFUSAL.linked_event_failed);
  return breaking ?? codes[0]!;
}

function chain(transfers: readonly Transfer[]): Command {
  return transfersCommand(encodeTransfers(transfers));
}

function revertOf(books: Books, id: bigint, flags: number): Transfer {
  const found = books.transfer(id);
  if (found === undefined) throw new Error(`there is no ${formatId('transfer', id)} to revert`);
  const { debitAccountId, creditAccountId, amount, ledger, code } = found.transfer;
  return {
    ...TRANSFER_DEFAULTS,
    id: revertId(id),
    debitAccountId: creditAccountId,
    creditAccountId: debitAccountId,
    amount,
    ledger,
    code,
    userData128: id,
    flags,
  };
}
