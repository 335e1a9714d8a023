// The plan: from what is known of the members to the steps that promote one of them, or to the
// reason why that would be unsafe. Pure; the same function plans a dry run, a run, and a run that
// goes on where another one broke off.
//
// What is kept: a member is promoted only when whatever may have been acknowledged is on members
// that are sealed and were read. With `ANY k of n` an acknowledged append is on k of the n, so that
// n - k + 1 of them hold all of it between them; or the old primary itself, fenced, says how far it
// has written. The number n is that of the other members of the place, and k is 1 unless the
// primary can be asked or the operator vouches for more: neither is guessed.

import type { Act } from './hand.ts';
import {
  type Acknowledging,
  type MemberView,
  compareHeads,
  currentPrimary,
  deposedPrimaries,
  headText,
  isReachable,
  labelOf,
  termSeen,
} from './members.ts';
import { type Step, stepOf } from './steps.ts';

export type Wish = {
  /** Member to promote; undefined = the one that is ahead. */
  readonly to: string | undefined;
  /** How many acknowledgements the old primary waited for, on the operator's word. */
  readonly quorum: number | undefined;
};

export type Refusal = {
  readonly kind: 'refused';
  readonly code:
    | 'patroni_has_it'
    | 'no_member_reachable'
    | 'primary_is_well'
    | 'majority_not_readable'
    | 'member_unknown'
    | 'member_unreachable'
    | 'member_behind'
    | 'acknowledgers_unknown';
  readonly reason: string;
  readonly money: string;
  readonly action: string;
};

export type PromotionPlan = {
  /** `finish`: the primary is there already, and what belongs to it is brought in order. */
  readonly kind: 'promote' | 'finish';
  readonly term: number;
  /** Of a promotion: the one that is ahead as far as can be seen before the members are sealed. */
  readonly target: string;
  readonly why: string;
  /** What could be lost, or that nothing can. */
  readonly loss: string;
  readonly coverage: Coverage;
  /** Up to the point where the heads are read. */
  readonly before: readonly Step[];
  /** For `target`; made anew when another one turns out to be ahead. */
  readonly after: readonly Step[];
};

export type Coverage = {
  /** Members whose word counted, `n`. */
  readonly standbys: number;
  /** Acknowledgements that an append waited for, `k`. */
  readonly quorum: number;
  /** Where `quorum` is known from. */
  readonly quorumFrom: 'primary' | 'operator' | 'assumed';
  /** `n - k + 1`. */
  readonly needed: number;
  /** Standbys that can be sealed and read. */
  readonly readable: readonly string[];
  /** The old primary can be fenced and says how far it has written. */
  readonly fenced: string | undefined;
};

export type Plan = PromotionPlan | Refusal;

const NOTHING_CHANGED = 'Nothing was changed, and no payment is lost by waiting.';

export function planPromotion(members: readonly MemberView[], wish: Wish): Plan {
  const refusal = refusalOf(members, wish);
  if (refusal !== undefined) return refusal;
  const primary = currentPrimary(members);
  const isKept = primary !== undefined && isToBeKept(primary, wish);
  return isKept ? planFinish(members, primary, wish) : planNew(members, primary, wish);
}

function refusalOf(members: readonly MemberView[], { to }: Wish): Refusal | undefined {
  const signs = members.flatMap(({ name, patroniSigns }) =>
    patroniSigns.map((sign) => `${name}: ${sign}`),
  );
  if (signs.length > 0) {
    return {
      kind: 'refused',
      code: 'patroni_has_it',
      reason: `Patroni runs these members (${signs.join('; ')}). Two hands would undo each other.`,
      money: NOTHING_CHANGED,
      action: 'Use Patroni: patronictl list, patronictl failover, patronictl switchover.',
    };
  }
  if (to !== undefined && !members.some(({ name }) => name === to)) {
    const names = members.map(({ name }) => name).join(', ');
    return {
      kind: 'refused',
      code: 'member_unknown',
      reason: `${to} is none of the members ${names}.`,
      money: NOTHING_CHANGED,
      action: 'Name one of them as it stands in the place.',
    };
  }
  if (!members.some(isReachable)) {
    const problems = members.map(({ name, problem }) => `${name}: ${problem}`).join('; ');
    return {
      kind: 'refused',
      code: 'no_member_reachable',
      reason: `No member can be asked (${problems}).`,
      money: NOTHING_CHANGED,
      action: 'Look at the servers and at the network between them and this machine.',
    };
  }
  const wanted = members.find(({ name }) => name === to);
  if (wanted !== undefined && !isReachable(wanted)) {
    return {
      kind: 'refused',
      code: 'member_unreachable',
      reason: `${wanted.name} cannot be asked: ${wanted.problem}`,
      money: NOTHING_CHANGED,
      action: 'Start it, or leave --to out.',
    };
  }
  return undefined;
}

/** A primary that is there already goes on, unless it is fenced or another one is asked for. */
function isToBeKept(primary: MemberView, { to }: Wish): boolean {
  return to === undefined ? !primary.isFenced : to === primary.name;
}

function planFinish(members: readonly MemberView[], primary: MemberView, wish: Wish): Plan {
  const coverage = coverageOf(members, primary, wish);
  const hidden = hiddenOf(members, coverage);
  if (hidden !== undefined) return hidden;
  const others = members.filter((member) => isReachable(member) && member !== primary);
  const astray = others.filter(
    (member) => member.role === 'standby' && !isFollowing(member, primary),
  );
  const isSet = (primary.acknowledging?.quorum ?? 0) > 0 && !primary.isFenced;
  if (astray.length === 0 && isSet) {
    return {
      kind: 'refused',
      code: 'primary_is_well',
      reason: `${primary.name} is the primary, and the standbys that can be reached follow it.`,
      money: 'Nothing was changed; appends go to it.',
      action: 'For a planned change name the member to promote: --to MEMBER.',
    };
  }
  const { name } = primary;
  const quorum = Math.max(1, coverage.quorum);
  const acknowledging = acknowledgersFor(members, name, quorum);
  const ready: Act[] = isSet ? [] : [{ kind: 'ready', member: name, acknowledging }];
  const follow = astray.map(({ name: member }): Act => ({ kind: 'follow', member, primary: name }));
  const acts: Act[] = [...ready, { kind: 'promote', member: name }, ...follow];
  return {
    kind: 'finish',
    term: termSeen(members) + 1,
    target: name,
    why: `${name} is the primary already; what belongs to it is brought in order.`,
    loss: 'Nothing acknowledged: it holds whatever it has acknowledged.',
    coverage,
    before: claims(members).map(stepOf),
    after: [...acts, { kind: 'prove', member: name } as const].map(stepOf),
  };
}

function isFollowing(member: MemberView, primary: MemberView): boolean {
  return !member.isSealed && primary.attached.includes(labelOf(member));
}

function planNew(
  members: readonly MemberView[],
  primary: MemberView | undefined,
  wish: Wish,
): Plan {
  const coverage = coverageOf(members, primary, wish);
  const lacking = lackingOf(members, primary, coverage);
  if (lacking !== undefined) return lacking;
  const target = targetOf(members, wish);
  if (target === undefined) return notReadable(members, coverage);
  const standbys = members.filter((member) => isReachable(member) && member.role === 'standby');
  const fences = members
    .filter((member) => isReachable(member) && member.role === 'primary')
    .map(({ name }): Act => ({ kind: 'fence', member: name }));
  const needsPrimary = coverage.readable.length < coverage.needed;
  const catchUp: Act[] =
    primary !== undefined && (needsPrimary || target.isReceiving)
      ? [{ kind: 'catch-up', member: target.name, primary: primary.name }]
      : [];
  const seals = standbys.map(({ name }): Act => ({ kind: 'seal', member: name }));
  return {
    kind: 'promote',
    term: termSeen(members) + 1,
    target: target.name,
    why: whyTarget(target, standbys, wish),
    loss: lossOf(coverage, needsPrimary),
    coverage,
    before: [...claims(members), ...fences, ...catchUp, ...seals].map(stepOf),
    after: stepsAfter(members, target.name, Math.max(1, coverage.quorum)),
  };
}

/** The steps from the promotion on, for the member that turned out to be ahead. */
export function stepsAfter(
  members: readonly MemberView[],
  target: string,
  quorum: number,
): readonly Step[] {
  const others = members.filter(
    (member) => isReachable(member) && member.role === 'standby' && member.name !== target,
  );
  const acts: Act[] = [
    { kind: 'ready', member: target, acknowledging: acknowledgersFor(members, target, quorum) },
    { kind: 'promote', member: target },
    ...others.map(({ name }): Act => ({ kind: 'follow', member: name, primary: target })),
    { kind: 'prove', member: target },
  ];
  return acts.map(stepOf);
}

/** In the order of their names: of two runs with the same term the first claim decides. */
function claims(members: readonly MemberView[]): Act[] {
  return members
    .filter(isReachable)
    .map(({ name }) => name)
    .sort()
    .map((member) => ({ kind: 'claim', member }));
}

function quorumOf(
  primary: MemberView | undefined,
  wish: Wish,
): { readonly quorum: number; readonly from: Coverage['quorumFrom'] } {
  if (wish.quorum !== undefined) return { quorum: wish.quorum, from: 'operator' };
  const set = primary?.acknowledging;
  if (set !== undefined) return { quorum: set.quorum, from: 'primary' };
  return { quorum: 1, from: 'assumed' };
}

function coverageOf(
  members: readonly MemberView[],
  primary: MemberView | undefined,
  wish: Wish,
): Coverage {
  const { quorum, from } = quorumOf(primary, wish);
  const standbys = members.length - 1;
  const counted = Math.min(quorum, standbys);
  return {
    standbys,
    quorum: counted,
    quorumFrom: from,
    needed: standbys - counted + 1,
    readable: members
      .filter((member) => isReachable(member) && member.role === 'standby')
      .map(({ name }) => name),
    fenced: primary?.name,
  };
}

/** Why what may have been acknowledged cannot all be read; undefined = it can. */
function lackingOf(
  members: readonly MemberView[],
  primary: MemberView | undefined,
  coverage: Coverage,
): Refusal | undefined {
  const strangers = strangersOf(members, primary);
  if (strangers.length > 0) {
    return {
      kind: 'refused',
      code: 'acknowledgers_unknown',
      reason: `Appends may be acknowledged by ${strangers.join(', ')}, who are no members here.`,
      money: NOTHING_CHANGED,
      action: 'Name every member that may acknowledge in the place, or mend the primary.',
    };
  }
  const { readable, needed } = coverage;
  const isCovered = readable.length >= needed || (primary !== undefined && readable.length > 0);
  return isCovered ? hiddenOf(members, coverage) : notReadable(members, coverage);
}

/**
 * Members out of sight may have a primary of their own, of a run that was not seen to its end. It
 * can have acknowledged something only with `quorum` others that are out of sight too. And a run
 * must see more than half of all, so that no other one sees as many at the same time.
 */
function hiddenOf(members: readonly MemberView[], coverage: Coverage): Refusal | undefined {
  const reachable = members.filter(isReachable).length;
  const isMost = 2 * reachable > members.length || members.length <= 2;
  const isSeen = members.length - reachable <= Math.max(1, coverage.quorum);
  return isMost && isSeen ? undefined : notReadable(members, coverage);
}

function notReadable(members: readonly MemberView[], coverage: Coverage): Refusal {
  const { standbys, quorum, needed, readable } = coverage;
  const away = members.filter((member) => !isReachable(member)).map(({ name }) => name);
  const deposed = deposedPrimaries(members).map(({ name }) => name);
  const have = readable.length === 0 ? 'none' : `only ${readable.join(', ')}`;
  const what = [
    ...(away.length > 0 ? [`${away.join(', ')} cannot be asked.`] : []),
    ...(deposed.length > 0 ? [`${deposed.join(', ')} was succeeded and does not count.`] : []),
  ];
  return {
    kind: 'refused',
    code: 'majority_not_readable',
    reason: [
      `An acknowledged append is on ${quorum} of ${standbys} standbys, so that ${needed} of them`,
      `must be sealed and read to find all of them, and more than half of all members be seen;`,
      `${have} can be read.`,
      ...what,
    ].join(' '),
    money:
      'Nothing was changed. To promote now could lose acknowledged payments; how many cannot be ' +
      'known, because whoever holds them cannot be read.',
    action:
      'Bring back one more standby, or the old primary (it is fenced first and says how far it ' +
      'has written). Payments wait meanwhile; none is lost.',
  };
}

/** Acknowledgers that the primary names and that are none of the members. */
function strangersOf(members: readonly MemberView[], primary: MemberView | undefined): string[] {
  const known = new Set(members.map(labelOf));
  const strangers = (primary?.acknowledging?.labels ?? []).filter((label) => !known.has(label));
  // Members that cannot be asked have names too, and the primary may be named among them itself.
  const unnamed = members.filter(({ label }) => label === '').length;
  return strangers.length <= unnamed ? [] : strangers;
}

/** As the member is set already, where that will do: every server may have the same list. */
function acknowledgersFor(
  members: readonly MemberView[],
  target: string,
  quorum: number,
): Acknowledging {
  const others = members.filter(({ name }) => name !== target);
  const set = members.find(({ name }) => name === target)?.acknowledging;
  const named = others.filter(({ label }) => label !== '').map(({ label }) => label);
  const isEnough =
    set !== undefined &&
    set.quorum === quorum &&
    !set.isAnybody &&
    set.labels.length <= members.length &&
    named.every((label) => set.labels.includes(label));
  return isEnough ? set : { quorum, labels: others.map(labelOf).sort(), isAnybody: false };
}

function targetOf(members: readonly MemberView[], { to }: Wish): MemberView | undefined {
  const standbys = members.filter((member) => isReachable(member) && member.role === 'standby');
  if (to !== undefined) return standbys.find(({ name }) => name === to);
  return standbys.toSorted((a, b) => compareHeads(b.head, a.head) || b.timeline - a.timeline)[0];
}

function whyTarget(target: MemberView, standbys: readonly MemberView[], { to }: Wish): string {
  const seen = standbys.map(({ name, head }) => `${name}: ${headText(head)}`).join('; ');
  const choice =
    to === undefined
      ? `${target.name} is ahead, as far as can be seen before the members are sealed`
      : `${target.name} is asked for; it must hold all that any other one holds`;
  return `${choice} (${seen}). The heads decide that are read when all receivers are gone.`;
}

function lossOf(coverage: Coverage, needsPrimary: boolean): string {
  const { quorum, quorumFrom, standbys, needed, fenced } = coverage;
  if (needsPrimary) {
    return (
      `Nothing acknowledged: ${fenced} is fenced first, and the member that is promoted must have ` +
      'received all that it has written.'
    );
  }
  const known = {
    primary: 'as the primary is set',
    operator: 'on your word (--quorum)',
    assumed: 'the least that the journal driver accepts',
  }[quorumFrom];
  return (
    `Nothing acknowledged: each append was acknowledged by ${quorum} of ${standbys} standbys ` +
    `(${known}), and ${needed} of them are sealed and read. Appends that were under way and not ` +
    'acknowledged may be there or not; their callers were told "unknown" and ask again.'
  );
}
