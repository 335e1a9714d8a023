// Names of segments and of places in them.
//
//   segment  <position of its first entry, 20 digits>-<epoch that wrote it, 10 digits>.journal
//   offset   <segment name>:<byte offset>
//
// Sorting the names sorts the log. A name is never used twice for different content: each epoch
// writes its own segments, and one that was removed held no entry.

import type { EngineOffset } from '../../ports/journal.ts';

export type SegmentName = {
  readonly name: string;
  readonly position: number;
  readonly epoch: number;
};

const SEGMENT_PATTERN = /^([0-9]{20})-([0-9]{10})\.journal$/;
const OFFSET_PATTERN = /^([0-9]{20}-[0-9]{10}\.journal):([0-9]{1,15})$/;

export function segmentNameOf(position: number, epoch: number): SegmentName {
  const name = `${String(position).padStart(20, '0')}-${String(epoch).padStart(10, '0')}.journal`;
  return { name, position, epoch };
}

export function parseSegmentName(name: string): SegmentName | undefined {
  const match = SEGMENT_PATTERN.exec(name);
  if (match === null) return undefined;
  return { name, position: Number(match[1]), epoch: Number(match[2]) };
}

/** The segments among the names of a directory, in log order. */
export function segmentsAmong(names: readonly string[]): SegmentName[] {
  const segments: SegmentName[] = [];
  for (const name of names) {
    const segment = parseSegmentName(name);
    if (segment !== undefined) segments.push(segment);
  }
  return segments.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function offsetOf(segmentName: string, byteOffset: number): EngineOffset {
  return `${segmentName}:${byteOffset}`;
}

export function parseOffset(
  offset: EngineOffset,
): { readonly segmentName: string; readonly byteOffset: number } | undefined {
  const match = OFFSET_PATTERN.exec(offset);
  const segmentName = match?.[1];
  if (segmentName === undefined) return undefined;
  return { segmentName, byteOffset: Number(match?.[2]) };
}
