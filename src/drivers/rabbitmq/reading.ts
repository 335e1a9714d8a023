// What `read` yields: the entries of the log, over the borders of its streams.

import { setTimeout as pause } from 'node:timers/promises';
import type { ReadOptions, StoredEntry } from '../../ports/journal.ts';
import { readChain } from './chain.ts';
import type { SharedConnection } from './connection.ts';
import { Cursor, type LogRecord } from './cursor.ts';
import { diverged } from './failures.ts';
import { startOf } from './opening.ts';
import { decodeEntry, isDriverRecord, offsetOf, parseOffset } from './records.ts';

/** A journal that does not exist yet is looked for. */
const ABSENT_LOOK_MS = 200;

export type LogEnd = { readonly segment: number; readonly offset: number };

/** `end`: where the log ends as far as this process has seen it; undefined = it is to be found. */
export async function* readLog(
  shared: SharedConnection,
  { from, follow, signal }: ReadOptions,
  end: LogEnd | undefined,
): AsyncIterable<readonly StoredEntry[]> {
  if (from !== null) parseOffset(from);
  const cursor = await begin(shared, { from, follow, signal });
  if (cursor === undefined) return;
  let isFirst = from !== null;
  try {
    for (;;) {
      const through = follow ? undefined : (end ?? (await endHere(cursor, signal)));
      const { segment } = cursor.at;
      do {
        if (through !== undefined && isReached(cursor, through)) return;
        const records = await cursor.next(signal);
        if (signal.aborted || records.length === 0) return;
        if (isFirst && isDriverRecord(records[0]!.content)) {
          throw diverged(`There is no entry at ${from}.`);
        }
        isFirst = false;
        const batch = entriesOf(records);
        if (batch.length > 0) yield batch;
        if (signal.aborted) return;
      } while (cursor.at.segment === segment);
    }
  } finally {
    cursor.close();
  }
}

async function begin(
  shared: SharedConnection,
  { from, follow, signal }: ReadOptions,
): Promise<Cursor | undefined> {
  while (!signal.aborted) {
    const chain = await readChain(shared, signal);
    if (signal.aborted) return undefined;
    if (chain !== undefined) return new Cursor(shared, await startOf(shared, chain, from, signal));
    if (from !== null) throw diverged(`There is no journal ${shared.brokers.settings.name}.`);
    if (!follow) return undefined;
    await pause(ABSENT_LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

async function endHere(cursor: Cursor, signal: AbortSignal): Promise<LogEnd> {
  const { segment } = cursor.at;
  return { segment, offset: await cursor.end(signal) };
}

function isReached(cursor: Cursor, through: LogEnd): boolean {
  const { segment } = cursor.at;
  if (segment !== through.segment) return segment > through.segment;
  return cursor.offset === undefined ? through.offset < 0 : cursor.offset >= through.offset;
}

function entriesOf(records: readonly LogRecord[]): StoredEntry[] {
  const batch: StoredEntry[] = [];
  for (const { segment, stream, offset, content } of records) {
    if (isDriverRecord(content)) continue;
    const entry = decodeEntry(content, `${stream}, offset ${offset}`);
    batch.push({ entry, offset: offsetOf(segment, offset) });
  }
  return batch;
}
