// Transfers by id, for both doors: what the ledger remembers first, since it also knows what was
// refused and what became of a hold just now; everything older is in the history.

import { decodeTransfer } from '../base/transfer-record.ts';
import { type TransferView, findTransfer } from '../domain/queries.ts';
import type { Engine } from '../engine/contract.ts';
import type { FoundTransfer } from '../history/contract.ts';
import { type Reading, readBooks } from './context.ts';
import { findAll } from './history-pages.ts';

/** Questions to the history that are under way at once for one request. */
const FINDS_AT_ONCE = 256;

export type KnownTransfers = Reading & {
  /** In the order of the ids; undefined = certainly never accepted. */
  readonly views: readonly (TransferView | undefined)[];
};

/**
 * Rejects with HISTORY_INCOMPLETE where an id is not remembered and the history cannot tell, with
 * OVERLOADED when `signal` aborts first.
 */
export async function knownTransfers(
  engine: Engine,
  ids: readonly bigint[],
  signal: AbortSignal,
): Promise<KnownTransfers> {
  const reading = readBooks({ engine });
  const views = ids.map((id) => findTransfer(reading.state, id));
  const missing = [...views.keys()].filter((index) => views[index] === undefined);
  for (let first = 0; first < missing.length; first += FINDS_AT_ONCE) {
    const places = missing.slice(first, first + FINDS_AT_ONCE);
    const asked = places.map((index) => ids[index]!);
    const found = await findAll(engine, asked, signal);
    for (const [order, index] of places.entries()) views[index] = viewOf(found[order]);
  }
  return { ...reading, views };
}

function viewOf(found: FoundTransfer | undefined): TransferView | undefined {
  if (found === undefined) return undefined;
  const { record, hold } = found;
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  return { transfer: decodeTransfer(view, 0), state: 'accepted', hold };
}
