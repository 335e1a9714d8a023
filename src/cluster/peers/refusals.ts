// Why a connection to or from another node is not accepted, and the log of it: a node that is
// refused comes back several times a second, so each reason is said once a minute at most.

import type { PeerLog } from './answering.ts';

export type RefusalReason =
  | 'cluster'
  | 'timeline'
  | 'key'
  | 'version'
  | 'node'
  | 'direction'
  | 'malformed'
  | 'door'
  | 'client'
  | 'slow';

/** What it means and what to do, in one sentence behind the one that says what happened. */
export const REFUSAL_ADVICE: { readonly [reason in RefusalReason]: string } = {
  cluster: 'It belongs to another cluster: correct the addresses, or the data folder.',
  timeline: 'Its books were restored to another timeline: restore both nodes from the same place.',
  key: 'The nodes have different cluster keys: copy the file cluster-key of one to the other.',
  version: 'The releases cannot speak with each other: run one that is next to both on the way.',
  node: 'Another node answers at this address: it is known again as soon as that node joins.',
  direction: 'Two processes may use the same node name: give each node a name of its own.',
  malformed: 'The other side does not speak the protocol of this port.',
  door: 'The address leads to a port for clients: correct the peer address of that node.',
  client: 'Clients use the port of the HTTP API or of the binary protocol of this node.',
  slow: 'It did not say in time who it is.',
};

export function isRefusalReason(text: unknown): text is RefusalReason {
  return typeof text === 'string' && Object.hasOwn(REFUSAL_ADVICE, text);
}

const QUIET_MS = 60_000;
const SAID_MAX = 256;

export class RefusalLog {
  readonly #log: PeerLog;
  readonly #monotonicMs: () => number;
  readonly #saidMs = new Map<string, number>();

  constructor(log: PeerLog, monotonicMs: () => number) {
    this.#log = log;
    this.#monotonicMs = monotonicMs;
  }

  /** `whom`: a node's id where it is known, so that strangers share one line for each reason. */
  say(whom: string, reason: RefusalReason, detail: string): void {
    const nowMs = this.#monotonicMs();
    const key = `${reason} ${whom}`;
    const saidMs = this.#saidMs.get(key);
    if (saidMs !== undefined && nowMs - saidMs < QUIET_MS) return;
    if (this.#saidMs.size >= SAID_MAX) this.#saidMs.clear();
    this.#saidMs.set(key, nowMs);
    this.#log('warning', `${detail} ${REFUSAL_ADVICE[reason]}`);
  }
}
