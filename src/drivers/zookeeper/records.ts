// What stands in the nodes, as JSON. Whatever cannot be read is passed over: it is not ours.

import type { LeaderNote, Member } from '../../ports/coordinator.ts';

export function readMember(data: Uint8Array, joinedAtMs: number): Member | undefined {
  const value = readObject(data);
  if (typeof value?.['id'] !== 'string' || typeof value['detail'] !== 'string') return undefined;
  return { id: value['id'], detail: value['detail'], joinedAtMs };
}

export function readLeaderNote(data: Uint8Array): LeaderNote | undefined {
  const value = readObject(data);
  if (value === undefined) return undefined;
  const { epoch, memberId, detail } = value;
  if (!Number.isSafeInteger(epoch) || typeof memberId !== 'string') return undefined;
  if (typeof detail !== 'string') return undefined;
  return { epoch: Number(epoch), memberId, detail };
}

function readObject(data: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(data).toString('utf8'));
    return typeof value === 'object' && value !== null
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}
