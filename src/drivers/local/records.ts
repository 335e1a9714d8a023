// The files of the folder, as JSON. A file is replaced whole; what cannot be read is not ours and
// is passed over.

import { readFileSync } from 'node:fs';
import type { LeaderNote } from '../../ports/coordinator.ts';
import type { ProcessMark } from './process-mark.ts';

export type MemberRecord = ProcessMark & {
  readonly id: string;
  readonly detail: string;
  readonly joinedAtMs: number;
};

export function parseMember(text: string): MemberRecord | undefined {
  const value = parseObject(text);
  if (value === undefined) return undefined;
  const { id, detail, pid, startTime, namespace, joinedAtMs } = value;
  if (typeof id !== 'string' || typeof detail !== 'string') return undefined;
  if (typeof pid !== 'number' || typeof joinedAtMs !== 'number') return undefined;
  if (typeof startTime !== 'number' && startTime !== null) return undefined;
  if (typeof namespace !== 'string') return undefined;
  return { id, detail, pid, startTime, namespace, joinedAtMs };
}

/** Read at once, so that a compare-and-set is one step of this process. */
export function readLeaderFile(path: string): LeaderNote | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const { epoch, memberId, detail } = parseObject(text) ?? {};
  if (typeof epoch !== 'number' || !Number.isSafeInteger(epoch)) return undefined;
  if (typeof memberId !== 'string' || typeof detail !== 'string') return undefined;
  return { epoch, memberId, detail };
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}
