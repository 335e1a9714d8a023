// How two nodes prove to each other that they have the cluster's key, without showing it: each
// signs what both have said, with its own part in it. A proof counts for one connection (both
// nonces), one pair of nodes, and one direction, so that none can be used again or sent back.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { PEER_PROTOCOL_VERSION } from './frames.ts';

export type ProofFacts = {
  readonly clusterId: string;
  readonly timeline: string;
  readonly dialer: string;
  readonly acceptor: string;
  readonly dialerNonce: string;
  readonly acceptorNonce: string;
};

export type ProofSide = 'dialer' | 'acceptor';

/** 64 hex digits. */
export function proofOf(key: Uint8Array, side: ProofSide, facts: ProofFacts): string {
  const { clusterId, timeline, dialer, acceptor, dialerNonce, acceptorNonce } = facts;
  const said = ['holdfast peers', PEER_PROTOCOL_VERSION, side, clusterId, timeline];
  // An array of strings in JSON has one reading only: nothing can move from one into the next.
  const text = JSON.stringify([...said, dialer, acceptor, dialerNonce, acceptorNonce]);
  return createHmac('sha256', key).update(text).digest('hex');
}

export function isProof(
  proof: unknown,
  key: Uint8Array,
  side: ProofSide,
  facts: ProofFacts,
): boolean {
  if (typeof proof !== 'string') return false;
  const expected = Buffer.from(proofOf(key, side, facts));
  const shown = Buffer.from(proof);
  return shown.byteLength === expected.byteLength && timingSafeEqual(shown, expected);
}
