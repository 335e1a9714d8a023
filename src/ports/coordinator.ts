// Port: the coordinator. It tells the members of a cluster of each other, puts those who would lead
// in line, and keeps a note of who leads. That is all: liveness and membership, never safety. What
// keeps money safe when the coordinator is wrong, slow, gone or believes in two leaders at once is
// the journal (ports/journal.ts, recovery/reader-rule.ts). A driver promises:
//
//   line        at most one member at a time holds a candidacy, as long as clocks run: a holder
//               that was paused learns late that it lost it, and must not count on it
//   liveness    a member that dies leaves the line within `guarantees.sessionMs` and a little more
//   honesty     `health` says when nothing is known any more; what was known last stays readable

/** One process of the cluster. */
export type Member = {
  /** Chosen by the node, stable over its restarts. */
  readonly id: string;
  /** What the others should know (addresses, role, position): opaque text, at most 4,096 bytes. */
  readonly detail: string;
  /** Unix milliseconds when it joined, by the coordinator's clock. */
  readonly joinedAtMs: number;
};

/** The note of who leads. Written after an epoch has been opened; epochs in it only rise. */
export type LeaderNote = {
  readonly epoch: number;
  readonly memberId: string;
  /** Opaque text, at most 4,096 bytes. */
  readonly detail: string;
};

/** The first place in line. */
export type Candidacy = {
  /** Resolves, with one sentence, when the place is lost or may be lost. Never rejects. */
  readonly lost: Promise<string>;
  /** Leaves the line at once, so that the next one need not wait. Idempotent; never rejects. */
  resign(): Promise<void>;
};

export type CoordinatorHealth = {
  readonly connected: boolean;
  /** Unix milliseconds since when. */
  readonly sinceMs: number;
  /** One sentence. */
  readonly reason: string;
};

export type CoordinatorGuarantees = {
  /** `machine`: processes of one machine; `network`: of several. */
  readonly scope: 'machine' | 'network';
  /** After this time without a sign of life a member is taken for dead. */
  readonly sessionMs: number;
};

export interface Coordinator {
  readonly guarantees: CoordinatorGuarantees;

  /** Joins as a member. Waits for the coordinator until `signal` aborts. */
  open(self: { readonly id: string; readonly detail: string }, signal: AbortSignal): Promise<void>;

  /** Changes this member's detail; a change while nothing is connected is made up for later. */
  update(detail: string): void;

  /** As last known, by id; this member included while it is one. */
  members(): readonly Member[];

  /**
   * Stands in line and resolves when this member is first. Ends without a candidacy when `signal`
   * aborts (rejects with its reason). One campaign at a time.
   */
  campaign(signal: AbortSignal): Promise<Candidacy>;

  leader(): LeaderNote | undefined;

  /** False when a note of the same or a higher epoch stands there. */
  noteLeader(note: LeaderNote): Promise<boolean>;

  health(): CoordinatorHealth;

  /** Called after members, the leader's note or the health changed. Must not throw. */
  subscribe(listener: () => void): () => void;

  /** Leaves the line and the members at once. Idempotent. */
  close(): Promise<void>;
}
