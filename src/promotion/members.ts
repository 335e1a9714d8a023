// What is known of an engine's members: the values that the plan is made of. Engine-neutral: an
// engine's hand (hand.ts) fills them in, and nothing here asks anybody anything.

/** How far a member's journal goes; compared by epoch first, since a fork can be longer. */
export type Head = {
  readonly epoch: number;
  readonly position: number;
  /** Hex digest of the entry at `position`. */
  readonly digest: string;
};

/** `ANY quorum (labels)`: whose word makes an append acknowledged. */
export type Acknowledging = {
  readonly quorum: number;
  /** Names under which members acknowledge; empty = nobody need acknowledge. */
  readonly labels: readonly string[];
  /** Anybody may acknowledge, whatever his name. */
  readonly isAnybody: boolean;
};

export type MemberView = {
  /** `host:port`, as in the journal's place. */
  readonly name: string;
  /** The name under which it acknowledges appends; '' = not known (see labelOf). */
  readonly label: string;
  /** Why it could not be asked; '' = it answered, and all below holds. */
  readonly problem: string;
  readonly role: 'primary' | 'standby';
  /** Highest supervision term stored there; 0 = none yet. */
  readonly term: number;
  /** The term under which it was made primary; 0 = not by this tool. */
  readonly promotedTerm: number;
  /** Branch of the engine's own history: rises with each promotion; 0 = the engine has none. */
  readonly timeline: number;
  /** Standby: it follows nobody, for good, until told otherwise. */
  readonly isSealed: boolean;
  /** Primary: nobody can acknowledge its appends. */
  readonly isFenced: boolean;
  /** Standby: it is receiving at this moment. */
  readonly isReceiving: boolean;
  /** Standby: all that it has received can be read. */
  readonly isApplied: boolean;
  /** Standby: whom it follows or followed, `host:port`; '' = not known. */
  readonly source: string;
  /** The engine's own place up to which it has received (standby) or written (primary). */
  readonly received: string;
  /** Bytes or database transactions that are received and not applied. */
  readonly lag: string;
  /** Undefined = there is no journal there, or it cannot be read. */
  readonly head: Head | undefined;
  /** Primary: as it is set there (before it was fenced). Standby: as it would be. */
  readonly acknowledging: Acknowledging | undefined;
  /** Primary: labels of those who are attached to it and can acknowledge. */
  readonly attached: readonly string[];
  /** Settings under which what is acknowledged could be lost. */
  readonly faults: readonly string[];
  /** What shows that Patroni runs this member. */
  readonly patroniSigns: readonly string[];
};

export function unreachable(name: string, problem: string): MemberView {
  return {
    name,
    label: '',
    problem,
    role: 'standby',
    term: 0,
    promotedTerm: 0,
    timeline: 0,
    isSealed: false,
    isFenced: false,
    isReceiving: false,
    isApplied: false,
    source: '',
    received: '',
    lag: '',
    head: undefined,
    acknowledging: undefined,
    attached: [],
    faults: [],
    patroniSigns: [],
  };
}

export function isReachable(member: MemberView): boolean {
  return member.problem === '';
}

/** A member whose name is not known is given one, always the same, for when it comes back. */
export function labelOf({ name, label }: Pick<MemberView, 'name' | 'label'>): string {
  return label === '' ? `member_${name.replaceAll(/[^A-Za-z0-9]+/g, '_')}` : label;
}

/** Above 0: `a` is ahead. A member without a head is behind every other. */
export function compareHeads(a: Head | undefined, b: Head | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  return a.epoch - b.epoch || a.position - b.position;
}

export function headText(head: Head | undefined): string {
  return head === undefined ? 'no journal' : `epoch ${head.epoch}, position ${head.position}`;
}

export function termSeen(members: readonly MemberView[]): number {
  return Math.max(0, ...members.map((member) => Math.max(member.term, member.promotedTerm)));
}

/**
 * The member that appends count at: of those that are no standbys the one that was promoted under
 * the highest term, unless a standby has gone further along the engine's own branches. A primary of
 * an older branch came back after it had been succeeded, and does not count. Undefined = there is
 * none among those that can be reached.
 */
export function currentPrimary(members: readonly MemberView[]): MemberView | undefined {
  const reachable = members.filter(isReachable);
  const primaries = reachable.filter(({ role }) => role === 'primary');
  const branch = Math.max(
    0,
    ...reachable.filter(({ role }) => role === 'standby').map(({ timeline }) => timeline),
  );
  const [first, second] = primaries.toSorted(
    (a, b) => b.promotedTerm - a.promotedTerm || b.timeline - a.timeline,
  );
  if (first === undefined || first.timeline < branch) return undefined;
  const isTie = second?.promotedTerm === first.promotedTerm && second.timeline === first.timeline;
  return isTie ? undefined : first;
}

/** Primaries whose appends cannot count any more. */
export function deposedPrimaries(members: readonly MemberView[]): MemberView[] {
  const current = currentPrimary(members);
  return members.filter(
    (member) => isReachable(member) && member.role === 'primary' && member !== current,
  );
}
