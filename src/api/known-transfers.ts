// Transfers by id, for both doors: what the ledger remembers first, since it also knows what was
// refused and what became of a hold just now; everything older is in the history.

import { decodeTransfer } from '../base/transfer-record.ts';
import { type TransferView, findTransfer } from '../domain/queries.ts';
import type { Engine } from '../engine/contract.ts';
import { type Reading, readBooks } from './context.ts';

/** Questions to the history that are under way at once for one request. */
const FINDS_AT_ONCE = 256;

export type KnownTransfers = Reading & {
  /** In the order of the ids; undefined = certainly never accepted. */
  readonly views: readonly (TransferView | undefined)[];
};

/** Rejects with HISTORY_INCOMPLETE where an id is not remembered and the history cannot tell. */
export async function knownTransfers(
  engine: Engine,
  ids: readonly bigint[],
): Promise<KnownTransfers> {
  const reading = readBooks({ engine });
  const views = ids.map((id) => findTransfer(reading.state, id));
  const missing = [...views.keys()].filter((index) => views[index] === undefined);
  for (let first = 0; first < missing.length; first += FINDS_AT_ONCE) {
    const places = missing.slice(first, first + FINDS_AT_ONCE);
    const found = await Promise.all(places.map((index) => findInHistory(engine, ids[index]!)));
    for (const [order, index] of places.entries()) views[index] = found[order];
  }
  return { ...reading, views };
}

async function findInHistory(engine: Engine, id: bigint): Promise<TransferView | undefined> {
  const found = await engine.history.find(id);
  if (found === undefined) return undefined;
  const { record, hold } = found;
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  return { transfer: decodeTransfer(view, 0), state: 'accepted', hold };
}
