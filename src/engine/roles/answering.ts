// What a clustered node answers to others: forwarded commands, the position that a strong read must
// see, checkpoints for a joiner, and the word of a node whose books differ.

import { OperationalError } from '../../base/errors.ts';
import { PEER_QUESTIONS } from '../../cluster/contract.ts';
import { answerCheckpoint } from '../../recovery/checkpoint-transfer.ts';
import { answerForwarded } from '../forwarding/answer-forwarded.ts';
import { positionOfStrongRead } from '../catching-up.ts';
import type { MemberParts } from './member-parts.ts';

/** Nodes whose books differ from the leader: more than one, and it is the leader that is wrong. */
const DIVERGED_MAX = 1;

export function answerPeers(parts: MemberParts): void {
  const { stations, cluster } = parts;
  const { peers } = cluster;
  const refusal = (): OperationalError | undefined => {
    if (stations.leading !== undefined && stations.role !== 'halted') return undefined;
    return new OperationalError('NOT_READY', { detail: `Node ${cluster.id} does not lead.` });
  };
  peers.answer(PEER_QUESTIONS.forward, answerForwarded({ intake: stations.intake, refusal }));
  peers.answer(PEER_QUESTIONS.readPosition, async () => {
    const refused = refusal();
    if (refused !== undefined) throw refused;
    const answer = new Uint8Array(8);
    new DataView(answer.buffer).setBigUint64(0, BigInt(await positionOfStrongRead(stations)), true);
    return answer;
  });
  peers.answer(PEER_QUESTIONS.checkpoint, async (_from, question) => {
    const store = stations.options.checkpoints?.store;
    if (store !== undefined) return await answerCheckpoint(store, question);
    throw new OperationalError('NOT_READY', { detail: `Node ${cluster.id} has no checkpoints.` });
  });
  const diverged = new Set<string>();
  peers.answer(PEER_QUESTIONS.diverged, (from, text) => {
    diverged.add(from);
    const told = new TextDecoder().decode(text.subarray(0, 1000));
    stations.options.checkpoints?.observer.noted(`Node ${from} is quarantined. ${told}`);
    if (diverged.size > DIVERGED_MAX && stations.leading !== undefined) {
      const detail = `The books of ${[...diverged].join(' and ')} differ from this leader's, also after they were built again: this node is the one that is wrong.`;
      stations.halt(new OperationalError('JOURNAL_DIVERGED', { detail }));
    }
    return Promise.resolve(new Uint8Array());
  });
}
