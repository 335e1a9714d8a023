// A joiner without a checkpoint, before a journal that does not go back to its beginning, gets one
// from another node: the newest that anybody has, and where that fails the next.

import { OperationalError } from '../base/errors.ts';
import { PEER_QUESTIONS, type PeerNetwork } from '../cluster/contract.ts';
import type { CheckpointStore } from '../ports/checkpoint-store.ts';
import {
  type CheckpointSource,
  copyCheckpoint,
  listElsewhere,
} from '../recovery/checkpoint-transfer.ts';
import { type OwnHistory, reasonOf } from '../recovery/load-checkpoint.ts';

const LOOK_MS = 50;
/** For one question: a chunk has at most 2 MiB. */
const ANSWER_MS_MAX = 10_000;

export type FetchOptions = {
  readonly peers: Pick<PeerNetwork, 'peers' | 'ask'>;
  readonly store: CheckpointStore;
  readonly history: OwnHistory;
  /** How long to wait for somebody who has one. */
  readonly waitMs: number;
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
};

/** False = nobody has one that can be used. Rejects when `signal` aborts. */
export async function fetchCheckpoint(options: FetchOptions): Promise<boolean> {
  const { signal, waitMs } = options;
  const deadlineMs = performance.now() + waitMs;
  for (;;) {
    signal.throwIfAborted();
    if (await fetchOnce(options)) return true;
    if (performance.now() > deadlineMs) return false;
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_MS);
    });
  }
}

async function fetchOnce({ peers, store, history, note, signal }: FetchOptions): Promise<boolean> {
  const linked = peers.peers().filter(({ isLinked }) => isLinked);
  const offers: { readonly id: string; readonly position: number; ask: CheckpointSource }[] = [];
  for (const { id } of linked) {
    const ask: CheckpointSource = (question) => {
      const either = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS_MAX)]);
      return peers.ask(id, PEER_QUESTIONS.checkpoint, question, either);
    };
    // Who cannot answer has none to offer.
    const positions = await listElsewhere(ask).catch(() => []);
    for (const position of positions) offers.push({ id, position, ask });
  }
  offers.sort((a, b) => b.position - a.position);
  for (const { id, position, ask } of offers) {
    try {
      await copyCheckpoint(ask, position, store, history);
      note(`The checkpoint of position ${position} was fetched from node ${id}.`);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      note(
        `The checkpoint of position ${position} could not be fetched from node ${id}: ${reasonOf(error)}.`,
      );
      if (error instanceof OperationalError && error.code === 'CHECKPOINT_FAILED') throw error;
    }
  }
  return false;
}
