// Discarding, in statements of bounded weight: a delete holds its rows' locks and is one piece of
// work for every replica, which applies nothing else meanwhile.

import { ENTRY_BYTES_MAX } from '../../base/limits.ts';
import type { Link } from './link.ts';
import type { Statements } from './statements.ts';

const DELETE_ENTRIES_MAX = 256;
const DELETE_BYTES_MAX = 8 * ENTRY_BYTES_MAX;
const DELETE_MS_MAX = 10_000;

/** Up to and including `position`; never the last entry. */
export async function discardRows(
  link: Link,
  statements: Statements,
  position: number,
): Promise<void> {
  for (;;) {
    const [bounds] = await link.read(statements.bounds, []);
    const through = Math.min(position, Number(bounds?.['last']) - 1);
    const first = Number(bounds?.['first']);
    if (first === 0 || first > through) return;
    const rows = await link.read(statements.sizesFrom, [first, DELETE_ENTRIES_MAX]);
    let bytes = 0;
    let end = first;
    for (const row of rows) {
      bytes += Number(row['size']);
      const rowPosition = Number(row['position']);
      if (rowPosition > through || (bytes > DELETE_BYTES_MAX && rowPosition > first)) break;
      end = rowPosition;
    }
    await link.change(statements.discard, [end], DELETE_MS_MAX);
  }
}
