// Port: the coordinator. It tells the members of a cluster of each other, puts those who would lead
// in line, and keeps a note of who leads. That is all: liveness and membership, never safety. What
// keeps money safe when the coordinator is wrong, slow, gone or believes in two leaders at once is
// the journal (ports/journal.ts, recovery/reader-rule.ts). A driver promises:
//
//   line        at most one member at a time holds a candidacy, as long as clocks run: a holder
//               that was paused learns late that it lost it, and must not count on it
//   liveness    a member that dies leaves the line within `guarantees.sessionMs` and a little more
//   honesty     `health` says when nothing is known any more; what was known last stays readable

/** The longest detail that a member or a note may have. */
export const DETAIL_BYTES_MAX = 4096;

/** One process of the cluster. */
export type Member = {
  /** Chosen by the node, stable over its restarts; 1 to 128 characters. */
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
  /**
   * Resolves, with one sentence, when the place is lost or may be lost: at the latest sessionMs
   * after the last sign that it was held, by this process's own clock, whether or not anybody can
   * be asked. A process that was paused hears it when it wakes. Never rejects.
   */
  readonly lost: Promise<string>;
  /**
   * Until when nobody else can be first, in milliseconds of `performance.now()`; it grows with
   * every sign of life that was answered and counts from when that was sent. 0 once it is lost.
   * Says nothing across a pause of the whole machine, in which that clock stops.
   */
  heldUntilMs(): number;
  /** Leaves the line at once, so that the next one need not wait. Idempotent; never rejects. */
  resign(): Promise<void>;
};

export type CoordinatorHealth = {
  /** False: nothing that is read here can be relied on, and nobody can take over by this. */
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

  /**
   * Joins as a member; once. Waits for the coordinator until `signal` aborts; rejects then with its
   * reason and has closed itself. Another member with the same id is an older process of the same
   * node: it is not seen any more, but keeps its place in line until it ends.
   * OperationalError: CONFIGURATION_INVALID, DATA_FOLDER_UNUSABLE; SHUTTING_DOWN after a close.
   */
  open(self: { readonly id: string; readonly detail: string }, signal: AbortSignal): Promise<void>;

  /** Changes this member's detail; a change while nothing is connected is made up for later. */
  update(detail: string): void;

  /** As last known, by id; this member included while it is one. */
  members(): readonly Member[];

  /**
   * Stands in line and resolves when this member is first, however long that takes; losing the
   * coordinator meanwhile only costs the place. Ends without a candidacy and with nothing left in
   * line when `signal` aborts (rejects with its reason) or by `close` (SHUTTING_DOWN). One campaign
   * or candidacy at a time: a second is a bug of the caller.
   */
  campaign(signal: AbortSignal): Promise<Candidacy>;

  leader(): LeaderNote | undefined;

  /**
   * Writes the note by compare-and-set. False when one of a higher epoch stands there, or one of
   * the same epoch by another member; true also when this very note stands there already, so that
   * it may be asked again. Waits for the coordinator until `signal` aborts.
   */
  noteLeader(note: LeaderNote, signal: AbortSignal): Promise<boolean>;

  health(): CoordinatorHealth;

  /**
   * Called after members, the leader's note or the health changed. Must not throw. The answer ends
   * it.
   */
  subscribe(listener: () => void): () => void;

  /**
   * Leaves the line and the members at once where the coordinator can be reached, otherwise by the
   * end of the session. At any moment, idempotent, never rejects. What waits here hears
   * SHUTTING_DOWN.
   */
  close(): Promise<void>;
}
