// How a clustered node gets as far as a reader wishes (Engine.catchUp). What was acknowledged
// anywhere before the question has been applied at the leader, since it answers after it applies:
// the leader's applied position is enough, as long as it is the leader while it says so. A journal
// that is exclusive proves that by being open; any other by an entry that was numbered after the
// question and is durable.

import { OperationalError, isOperationalError } from '../base/errors.ts';
import { PEER_QUESTIONS } from '../cluster/contract.ts';
import type { ReadWish } from './contract.ts';
import { notInTime } from './position-waits.ts';
import type { MemberParts } from './roles/member-parts.ts';
import type { Stations } from './stations.ts';

/** Before a leader that could not answer is asked again. */
const AGAIN_MS = 20;

/** At the leader. Rejects with NOT_READY. */
export async function positionOfStrongRead(stations: Stations): Promise<number> {
  const { leading, journal, replica } = stations;
  if (leading === undefined) {
    throw new OperationalError('NOT_READY', { detail: 'This node does not lead.' });
  }
  if (journal.guarantees.exclusive) return replica.position;
  await leading.barrier();
  return stations.replica.position;
}

/** Rejects with CATCH_UP_TIMEOUT when `signal` aborts first, with NOT_READY on a node that ends. */
export async function catchUp(
  parts: MemberParts,
  wish: ReadWish,
  signal: AbortSignal,
): Promise<void> {
  const { stations, waits } = parts;
  const through = wish.isStrong ? await strongPosition(parts, signal) : 0;
  const now = (): number => stations.replica.position;
  await waits.until(Math.max(through, wish.position), now, signal);
}

/** Asks until somebody answers: a failover is a pause for readers too. */
async function strongPosition(parts: MemberParts, signal: AbortSignal): Promise<number> {
  const { stations } = parts;
  const { clock } = stations.options;
  const any = AbortSignal.any([signal, stations.ending.signal]);
  while (!any.aborted) {
    try {
      return await whileWaiting(ask(parts, any), any);
    } catch (error) {
      const isPassing =
        isOperationalError(error, 'NOT_READY') || isOperationalError(error, 'OUTCOME_UNKNOWN');
      if (!isPassing) throw error;
    }
    await clock.sleep(AGAIN_MS, any);
  }
  if (!signal.aborted) throw new OperationalError('NOT_READY', { detail: 'The node is stopping.' });
  throw notInTime(stations.replica.position + 1, stations.replica.position);
}

async function ask(parts: MemberParts, signal: AbortSignal): Promise<number> {
  const { stations, cluster } = parts;
  if (stations.leading !== undefined) return await positionOfStrongRead(stations);
  const leader = cluster.leadership.leader();
  if (leader === undefined) {
    throw new OperationalError('NOT_READY', { detail: 'No leader is heard.' });
  }
  const { readPosition } = PEER_QUESTIONS;
  const answer = await cluster.peers.ask(leader.id, readPosition, new Uint8Array(), signal);
  return Number(Buffer.from(answer).readBigUInt64LE(0));
}

/** A barrier may wait for as long as the journal does. */
async function whileWaiting(asked: Promise<number>, signal: AbortSignal): Promise<number> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(new OperationalError('NOT_READY'));
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([asked, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
