// Whether this node should be given requests, as load balancers ask: ready at all, the leader, a
// standby that is close behind. Found from what the node knows already; nothing is asked of others.

import type { ClusterView } from '../cluster/contract.ts';
import type { Engine, NodeStatus } from '../engine/contract.ts';

export type Check = {
  readonly name: string;
  readonly ok: boolean;
  /** False: worth knowing, and no reason to send requests elsewhere. */
  readonly required: boolean;
  readonly detail: string;
};

/**
 * A standby that knows no leader holds payments and sends them on when there is one. That is over
 * within a second as a rule; after so long nobody should be sent here any more.
 */
const LEADERLESS_MS = 3000;

/** Ten seconds of a busy leader or so. */
const READY_LAG_MAX = 10_000;

export class Readiness {
  readonly #engine: Engine;
  readonly #nowMs: () => number;
  /** Since when no leader is known, and the epoch then: a later one was led by somebody. */
  #leaderless: { readonly sinceMs: number; readonly epoch: number } | undefined;

  constructor(engine: Engine, nowMs: () => number = () => performance.now()) {
    this.#engine = engine;
    this.#nowMs = nowMs;
  }

  checks(): readonly Check[] {
    const status = this.#engine.status();
    const view = this.#engine.cluster?.view();
    const views = viewsChecks(this.#engine);
    if (view === undefined) return [leadingCheck(status), acceptingCheck(status), ...views];
    return [
      this.#servingCheck(status, view),
      acceptingCheck(status, view),
      journalCheck(status),
      closeCheck(status, view),
      failoverCheck(view),
      ...views,
    ];
  }

  #servingCheck(status: NodeStatus, view: ClusterView): Check {
    const { role, reason, epoch } = status;
    const isFollowing = role === 'following';
    if (!isFollowing || view.leader !== undefined) {
      this.#leaderless = undefined;
      const detail = `The node is ${role}: ${reason}`;
      return serving(isFollowing || role === 'leading', detail);
    }
    const nowMs = this.#nowMs();
    if (this.#leaderless?.epoch !== epoch) this.#leaderless = { sinceMs: nowMs, epoch };
    const forMs = nowMs - this.#leaderless.sinceMs;
    const detail = `No leader is known for ${(forMs / 1000).toFixed(1)} s: payments are held, reads are of what is here.`;
    return serving(forMs < LEADERLESS_MS, detail);
  }
}

/** Reports wait for them; nothing else does. */
function viewsChecks({ views }: Engine): Check[] {
  const status = views?.status();
  if (status === undefined) return [];
  const { isComplete, reason, position, lag } = status;
  const where = `They hold position ${position}, ${lag} behind this node.`;
  const detail = isComplete ? where : `${reason ?? ''} ${where}`.trim();
  return [{ name: 'views', ok: isComplete, required: false, detail }];
}

function serving(ok: boolean, detail: string): Check {
  return { name: 'serving', ok, required: true, detail };
}

function leadingCheck({ role, reason }: NodeStatus): Check {
  const detail = `The node is ${role}: ${reason}`;
  return { name: 'leading', ok: role === 'leading', required: true, detail };
}

/**
 * What keeps the leader from taking payments keeps everybody from it: no reason to send requests
 * elsewhere, and reading works.
 */
function acceptingCheck({ impediment, role }: NodeStatus, view?: ClusterView): Check {
  const leader = view?.members.find(({ isLeader, isSelf }) => isLeader && !isSelf);
  const theirs = role === 'following' ? (leader?.state?.impediment ?? '') : '';
  const reason = (impediment ?? theirs).toLowerCase();
  const whose = impediment === undefined ? ` by the leader` : '';
  const detail =
    reason === ''
      ? 'New payments are taken.'
      : `New payments are not taken${whose}: ${reason}. Reading works.`;
  return {
    name: 'accepting',
    required: impediment !== undefined || theirs === '',
    ok: reason === '',
    detail,
  };
}

/** The engine behind it: another node may well reach it. */
function journalCheck({ journal: { error, awaySeconds } }: NodeStatus): Check {
  const ok = error === undefined;
  const detail = ok
    ? 'The journal answers.'
    : `The journal is away for ${awaySeconds.toFixed(1)} s: ${error.detail}`;
  return { name: 'journal', ok, required: true, detail };
}

/** Who pays at a standby that is far behind hears of it only when that has come so far. */
function closeCheck({ role }: NodeStatus, view: ClusterView): Check {
  const lag = role === 'following' ? (ownLag(view) ?? 0) : 0;
  const detail = `It is ${lag} positions behind; at most ${READY_LAG_MAX} are close enough.`;
  return { name: 'close', ok: lag <= READY_LAG_MAX, required: true, detail };
}

function failoverCheck({ failover }: ClusterView): Check {
  const { isOn, reason } = failover;
  const detail = isOn ? reason : `A lost leader would not be replaced by itself: ${reason}`;
  return { name: 'failover', ok: isOn, required: false, detail };
}

/** The node that writes, and can. */
export function isWritableLeader({ role, impediment }: NodeStatus): boolean {
  return role === 'leading' && impediment === undefined;
}

/**
 * How many positions this standby is behind the highest durable one that it has heard of; undefined
 * where it does not follow, or has heard of none.
 */
export function standbyLag(engine: Engine): number | undefined {
  if (engine.status().role !== 'following') return undefined;
  const view = engine.cluster?.view();
  return view === undefined ? undefined : ownLag(view);
}

function ownLag({ members }: ClusterView): number | undefined {
  return members.find(({ isSelf }) => isSelf)?.lag;
}
