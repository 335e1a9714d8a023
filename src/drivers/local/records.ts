// The files of the folder, as JSON. What cannot be read is passed over: a file is replaced whole, so
// it is not ours.

import { readFile } from 'node:fs/promises';
import type { LeaderNote } from '../../ports/coordinator.ts';

export type MemberFile = {
  readonly id: string;
  readonly detail: string;
  readonly pid: number;
  readonly startTime: number | null;
  readonly joinedAtMs: number;
};

export async function readMemberFile(path: string): Promise<MemberFile | undefined> {
  const value = await readObject(path);
  if (value === undefined) return undefined;
  const { id, detail, pid, startTime, joinedAtMs } = value;
  if (typeof id !== 'string' || typeof detail !== 'string') return undefined;
  if (typeof pid !== 'number' || typeof joinedAtMs !== 'number') return undefined;
  if (typeof startTime !== 'number' && startTime !== null) return undefined;
  return { id, detail, pid, startTime, joinedAtMs };
}

export async function readLeaderFile(path: string): Promise<LeaderNote | undefined> {
  const value = await readObject(path);
  if (value === undefined) return undefined;
  const { epoch, memberId, detail } = value;
  if (typeof epoch !== 'number' || !Number.isSafeInteger(epoch)) return undefined;
  if (typeof memberId !== 'string' || typeof detail !== 'string') return undefined;
  return { epoch, memberId, detail };
}

export async function readObject(
  path: string,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    return value as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}
