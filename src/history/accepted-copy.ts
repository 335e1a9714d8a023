// From what a command accepted to the records of a chunk: stretches of the request are copied as
// they stand and get their timestamps; what the ledger resolved is copied as it is kept.

import { TRANSFER_WORDS, TransferFlag, TransferWord } from '../base/transfer-record.ts';
import type { AcceptedLog } from '../domain/ledger/accepted-log.ts';
import type { Chunk } from './layout.ts';

export type AcceptedSource = {
  readonly accepted: AcceptedLog;
  /** The command's payload. */
  readonly payload: Uint8Array;
  /** Time of its first event. */
  readonly timeNs: bigint;
};

/** Copies the accepted transfers `from` to `until` - 1 of a command to places `at` and on. */
export function copyAccepted(
  source: AcceptedSource,
  from: number,
  until: number,
  chunk: Chunk,
  at: number,
): void {
  const { accepted } = source;
  const requested = wordsOf(source.payload);
  const timeLow = Number(source.timeNs & 0xffff_ffffn);
  const timeHigh = Number(source.timeNs >> 32n);
  chunk.debits.set(accepted.debitAccounts.subarray(from, until), at);
  chunk.credits.set(accepted.creditAccounts.subarray(from, until), at);
  const { events, recordPlaces } = accepted;
  let place = from;
  while (place < until) {
    const target = (at + place - from) * TRANSFER_WORDS;
    if (recordPlaces[place] !== -1) {
      const record = recordPlaces[place]! * TRANSFER_WORDS;
      chunk.records.set(accepted.records.subarray(record, record + TRANSFER_WORDS), target);
      place += 1;
      continue;
    }
    const first = events[place]!;
    let end = place + 1;
    while (end < until && recordPlaces[end] === -1 && events[end] === first + end - place) end += 1;
    const begin = first * TRANSFER_WORDS;
    const length = (end - place) * TRANSFER_WORDS;
    chunk.records.set(requested.subarray(begin, begin + length), target);
    const flags = requested[begin + TransferWord.codeAndFlags]! >>> 16;
    // An imported transfer has a timestamp of its own, and so have all of its batch.
    if ((flags & TransferFlag.imported) === 0) {
      stampAll(chunk.records, target, end - place, timeLow, timeHigh, first);
    }
    place = end;
  }
}

function stampAll(
  records: Uint32Array,
  target: number,
  count: number,
  timeLow: number,
  timeHigh: number,
  firstEvent: number,
): void {
  let stamp = target + TransferWord.timestampNs;
  for (let event = firstEvent; event < firstEvent + count; event++) {
    const low = (timeLow + event) >>> 0;
    records[stamp] = low;
    records[stamp + 1] = timeHigh + (low < event ? 1 : 0);
    stamp += TRANSFER_WORDS;
  }
}

/** Records are read in place; a payload that is not aligned is copied once. */
function wordsOf(payload: Uint8Array): Uint32Array {
  const bytes = payload.byteOffset % 4 === 0 ? payload : new Uint8Array(payload);
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2);
}
