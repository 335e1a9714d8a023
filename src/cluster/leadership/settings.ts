// What leadership is made of and with, and the times that follow from the two settings.

import type { Clock } from '../../ports/clock.ts';
import type { Coordinator } from '../../ports/coordinator.ts';
import type { NodeAddresses, PeerNetwork, PeerState } from '../contract.ts';

export type Pause = PeerState['pause'];

/** Remembers over restarts that failover was switched off. */
export type PauseStore = {
  read(): Pause | undefined;
  /** May throw: what was said counts all the same until this process ends. */
  write(pause: Pause): void;
};

/** `event` stays the same over releases. */
export type LeadershipLog = (
  level: 'info' | 'warn',
  event: 'leadership' | 'failover' | 'handover' | 'coordinator',
  message: string,
) => void;

export type LeadershipOptions = {
  /** The addresses are asked for when it opens: doors know their ports late. */
  readonly self: { readonly id: string; readonly addresses: () => NodeAddresses };
  readonly coordinator: Coordinator;
  /** Name of its driver, for people. */
  readonly coordinatorKind: string;
  /** Opened by whoever made it, before `open`; closed by `close`. */
  readonly peers: PeerNetwork;
  readonly clock: Clock;
  readonly heartbeatMs: number;
  /** A leader that was not heard for so long is challenged. */
  readonly challengeMs: number;
  readonly release: string;
  readonly pauseStore: PauseStore;
  readonly log: LeadershipLog;
};

/** A node whose clock differs more from most others may not number entries (DESIGN 6). */
export const CLOCK_DIFFERENCE_MS_MAX = 1000;
/** So many entries are applied within milliseconds: whoever is no further behind is caught up. */
export const CAUGHT_UP_POSITIONS = 5000;
/** Nodes that are further ahead than this are let go first, even by the first in line. */
export const FAR_AHEAD_POSITIONS = 1000;

export type Times = {
  /** How often everything is looked at without being told of a change. */
  readonly lookMs: number;
  /** Silence and loss of the link after which a leader counts as gone. */
  readonly gone: Patience;
  /** For the first in line: the coordinator lost the leader as well. */
  readonly goneForFirst: Patience;
  /** For who is asked by a challenger: his clock has run a little less long. */
  readonly goneForAsked: Patience;
  /** For the answers of one challenge. */
  readonly askMs: number;
  /** After most have agreed, for those who know of something against it. */
  readonly objectionMs: number;
  /** Who has agreed to somebody holds still for so long. */
  readonly promiseMs: number;
  /** An attempt to lead keeps others from trying for so long. */
  readonly attemptMs: number;
  /** A leader that drains without handing over keeps others from trying for so long. */
  readonly drainMs: number;
  /** The chosen one has so long to lead before everybody may try. */
  readonly takeOverMs: number;
  /** For a target to come close enough before the leader stops. */
  readonly approachMs: number;
  /** Addresses of who is neither member nor linked are tried for so long. */
  readonly rememberedMs: number;
  /** Between giving a place in line away and standing in line again. */
  readonly asideMs: number;
};

export type Patience = { readonly silentMs: number; readonly unlinkedMs: number };

export function timesOf(heartbeatMs: number, challengeMs: number): Times {
  return {
    lookMs: Math.max(5, Math.min(heartbeatMs, challengeMs / 6)),
    gone: { silentMs: challengeMs, unlinkedMs: challengeMs / 3 },
    goneForFirst: { silentMs: challengeMs, unlinkedMs: challengeMs / 10 },
    goneForAsked: { silentMs: (challengeMs * 2) / 3, unlinkedMs: 0 },
    askMs: challengeMs / 2,
    objectionMs: heartbeatMs / 2,
    promiseMs: challengeMs,
    attemptMs: Math.max(5000, 10 * challengeMs),
    drainMs: Math.max(1000, 2 * challengeMs),
    takeOverMs: Math.max(2000, 2 * challengeMs),
    approachMs: 10_000,
    rememberedMs: 60_000,
    asideMs: Math.max(100, challengeMs / 2),
  };
}
