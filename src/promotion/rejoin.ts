// An old primary, or a standby that was left behind, becomes a standby again: under the current
// term only, and never of a member that may itself have been succeeded. Which case it is follows
// from what is seen of the member and of its data folder; the engine's part (files, programs) is
// behind RejoinHand.

import {
  type Head,
  type MemberView,
  currentPrimary,
  isReachable,
  labelOf,
  termSeen,
} from './members.ts';

/** What a stopped member's data folder says. */
export type FolderView = {
  readonly term: number;
  readonly timeline: number;
  readonly isRunning: boolean;
  /** The name it followed under before; '' = none. */
  readonly label: string;
};

export type RejoinWish = {
  readonly member: string;
  readonly label: string | undefined;
  /** Undefined = its data are not on this machine. */
  readonly folder: FolderView | undefined;
};

export type RejoinWork = {
  readonly member: string;
  readonly primary: string;
  readonly term: number;
  readonly label: string;
  readonly timeline: number;
};

export type RejoinStep = {
  readonly what: string;
  readonly why: string;
  readonly commands: readonly string[];
};

export interface RejoinHand {
  /** Where a member is made a standby: in its stopped server's folder, or by asking the server. */
  readonly worksOn: 'folder' | 'server';
  readFolder(folder: string): Promise<FolderView>;
  /** What `prepare` does, for people who do it themselves. */
  steps(work: RejoinWork, folder: string | undefined): readonly RejoinStep[];
  /** On this machine; afterwards the member can be started. Can be repeated after a break. */
  prepare(work: RejoinWork, folder: string, tell: (text: string) => void): Promise<void>;
  /** Digest of the primary's entry at the position; undefined = it has been discarded there. */
  digestAt(primary: string, position: number): Promise<string | undefined>;
}

export type Rejoin =
  /** It follows the primary: what is left is to compare. */
  | { readonly kind: 'follows'; readonly work: RejoinWork; readonly head: Head | undefined }
  /** It runs as a standby, and only has to be told whom to follow. */
  | { readonly kind: 'follow'; readonly work: RejoinWork }
  /** It has to be stopped (or is) and prepared. */
  | { readonly kind: 'prepare'; readonly work: RejoinWork; readonly isRunning: boolean }
  | {
      readonly kind: 'refused';
      readonly code:
        | 'label_unknown'
        | 'patroni_has_it'
        | 'member_unknown'
        | 'no_primary'
        | 'is_primary'
        | 'term_higher';
      readonly reason: string;
      readonly action: string;
    };

export function planRejoin(members: readonly MemberView[], wish: RejoinWish): Rejoin {
  const own = members.find(({ name }) => name === wish.member);
  const others = members.filter((member) => member !== own);
  if (own === undefined) {
    return {
      kind: 'refused',
      code: 'member_unknown',
      reason: `${wish.member} is none of the members ${members.map(({ name }) => name).join(', ')}.`,
      action: 'Name it as it stands in the place.',
    };
  }
  if (members.some(({ patroniSigns }) => patroniSigns.length > 0)) {
    return {
      kind: 'refused',
      code: 'patroni_has_it',
      reason: 'Patroni runs these members.',
      action: 'Use Patroni: patronictl reinit.',
    };
  }
  const primary = currentPrimary(members);
  const term = termSeen(others);
  if (primary === own) {
    return {
      kind: 'refused',
      code: 'is_primary',
      reason: `${own.name} is the primary itself, as far as can be seen.`,
      action: 'There is nothing to rejoin. See `holdfast engine status`.',
    };
  }
  const away = awayReason(members, own, primary, wish);
  if (away !== undefined || primary === undefined) {
    return {
      kind: 'refused',
      code: 'no_primary',
      reason: away ?? 'No member is the primary.',
      action: 'Promote one first, or bring the others back: holdfast engine status.',
    };
  }
  const ownTerm = Math.max(own.term, wish.folder?.term ?? 0);
  const ownTimeline = Math.max(own.timeline, wish.folder?.timeline ?? 0);
  if (ownTerm > term || ownTimeline > primary.timeline) {
    const what =
      ownTerm > term
        ? `has stored term ${ownTerm}, the others ${term}`
        : `is on timeline ${ownTimeline}, ${primary.name} on ${primary.timeline}`;
    return {
      kind: 'refused',
      code: 'term_higher',
      reason: `${own.name} ${what}: it knows of a later promotion than they do.`,
      action: 'Find out which member was promoted last; its data may be the ones that count.',
    };
  }
  const [label = '', ...namesake] = labelsFor(members, own, primary, wish);
  if (namesake.length > 0) {
    return {
      kind: 'refused',
      code: 'label_unknown',
      reason: `${primary.name} waits for ${[label, ...namesake].join(', ')}: one is ${own.name}.`,
      action: 'Say which: --label NAME.',
    };
  }
  const { timeline } = primary;
  const work = { member: own.name, primary: primary.name, term, label, timeline };
  return caseOf(own, primary, work, wish);
}

function caseOf(
  own: MemberView,
  primary: MemberView,
  work: RejoinWork,
  { folder }: RejoinWish,
): Rejoin {
  const isRunning = isReachable(own);
  if (isRunning && own.role === 'standby') {
    const isAttached = !own.isSealed && primary.attached.includes(labelOf(own));
    return isAttached ? { kind: 'follows', work, head: own.head } : { kind: 'follow', work };
  }
  return { kind: 'prepare', work, isRunning: isRunning || folder?.isRunning === true };
}

/** Why the primary may not be the one that counts; undefined = it is. */
function awayReason(
  members: readonly MemberView[],
  own: MemberView,
  primary: MemberView | undefined,
  { folder }: RejoinWish,
): string | undefined {
  if (primary === undefined) return 'No member that can be asked is the primary.';
  if (primary.isFenced) return `${primary.name} is fenced: a promotion is not finished.`;
  const term = termSeen(members.filter((member) => member !== own));
  if (primary.term < term) {
    return `${primary.name} has term ${primary.term}, but ${term} was taken.`;
  }
  const isOwnRead = isReachable(own) || folder !== undefined;
  const others = members.filter((member) => member !== own && isReachable(member)).length;
  const seen = others + (isOwnRead ? 1 : 0);
  if (2 * seen > members.length || members.length <= 2) return undefined;
  return `Only ${seen} of ${members.length} members can be seen: another one may be the primary.`;
}

/** Its own name; else those that the primary waits for and nobody is known to have. */
function labelsFor(
  members: readonly MemberView[],
  own: MemberView,
  primary: MemberView,
  { label, folder }: RejoinWish,
): readonly string[] {
  const known = label ?? (own.label || folder?.label) ?? '';
  if (known !== '') return [known];
  const taken = members.filter(({ name }) => name !== own.name).map((member) => member.label);
  const free = (primary.acknowledging?.labels ?? []).filter((name) => !taken.includes(name));
  return free.length === 0 ? [labelOf(own)] : free;
}
