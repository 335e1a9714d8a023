// What the members are to each other, in words: for people who look before they act.

import { type MemberView, currentPrimary, isReachable, labelOf, termSeen } from './members.ts';
import { type Plan, type Wish, planPromotion } from './plan.ts';

export type Standing =
  | 'primary'
  | 'primary, fenced'
  | 'deposed primary'
  | 'standby'
  | 'standby, sealed'
  | 'standby, astray'
  | 'unreachable';

export function standingOf(member: MemberView, members: readonly MemberView[]): Standing {
  if (!isReachable(member)) return 'unreachable';
  const primary = currentPrimary(members);
  if (member.role === 'primary') {
    if (member !== primary) return 'deposed primary';
    return member.isFenced ? 'primary, fenced' : 'primary';
  }
  if (member.isSealed) return 'standby, sealed';
  const isAttached = primary?.attached.includes(labelOf(member)) ?? member.isReceiving;
  return isAttached ? 'standby' : 'standby, astray';
}

/** A head is the last one only where nothing more can arrive. */
export function isHeadFinal(member: MemberView): boolean {
  if (member.role === 'primary') return member.isFenced;
  return member.isSealed && !member.isReceiving && member.isApplied;
}

export type Situation = {
  readonly term: number;
  readonly primary: string | undefined;
  /** What stands half done, and what that means. */
  readonly notes: readonly string[];
  /** What a promotion without further wishes would be. */
  readonly possible: Plan;
};

export function situationOf(members: readonly MemberView[], wish: Wish): Situation {
  const primary = currentPrimary(members);
  const isServing = primary !== undefined && !primary.isFenced;
  return {
    term: termSeen(members),
    primary: isServing ? primary.name : undefined,
    notes: notesOf(members, primary),
    possible: planPromotion(members, wish),
  };
}

function notesOf(members: readonly MemberView[], primary: MemberView | undefined): string[] {
  const notes: string[] = [];
  const sealed = members.filter((member) => isReachable(member) && member.isSealed);
  if (sealed.length > 0) {
    const names = sealed.map(({ name }) => name).join(', ');
    notes.push(
      primary === undefined || primary.isFenced
        ? `A promotion broke off after ${names} had been sealed: payments wait. Run promote again.`
        : `${names} is sealed and follows nobody. Run promote again: it finishes what is left.`,
    );
  }
  for (const member of members) {
    const standing = standingOf(member, members);
    if (standing === 'primary, fenced') {
      notes.push(`${member.name} is fenced: nobody acknowledges its appends, so payments wait.`);
    }
    if (standing === 'deposed primary') {
      notes.push(
        `${member.name} was succeeded and does not know it: nothing that it takes now counts. ` +
          `Stop it, then: holdfast engine rejoin ${member.name}`,
      );
    }
    if (standing === 'standby, astray') {
      const source = member.source || 'nobody that is known';
      notes.push(`${member.name} is to follow ${source}, and does not receive from the primary.`);
    }
    notes.push(...member.faults.map((fault) => `${member.name}: ${fault}.`));
    notes.push(...member.patroniSigns.map((sign) => `${member.name}: Patroni: ${sign}.`));
  }
  return notes;
}
