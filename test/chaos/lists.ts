// What the history of the node lists when the load is over: all transfers, and those of each
// account, page by page over the binary protocol.

import { createBinaryClient } from '../../src/client/binary-client.ts';
import { transfersOfPage } from '../../src/client/binary-queries.ts';
import type { FinalPage } from '../model/history.ts';
import { ACCOUNT_IDS } from './workload.ts';

const LIMIT = 8000;
/** A part that is being read from the journal again is answered when it is there. */
const DEADLINE_MS = 120_000;

/** `url`: of one node, or of several, whichever answers. */
export async function readLists(
  url: string | readonly string[],
  key: string,
): Promise<FinalPage[]> {
  await using client = createBinaryClient({ url, key, deadlineMs: DEADLINE_MS });
  const pages: FinalPage[] = [];
  for (const account of [undefined, ...ACCOUNT_IDS]) {
    const order = account === undefined ? 'oldest-first' : 'newest-first';
    const filter = account === undefined ? {} : { account };
    for await (const page of client.transferPages({ filter, order, limit: LIMIT })) {
      const holds = transfersOfPage(page).map(({ hold }) => hold);
      pages.push({ ...filter, records: Uint8Array.from(page.records), holds });
    }
  }
  return pages;
}
