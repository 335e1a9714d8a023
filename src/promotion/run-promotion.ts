// Carries a plan out, step by step. The term is stored on every member first; then everything is
// looked at and planned anew, so that what another operator did in between is seen; then the
// receivers go; and only then the heads are read that decide. A run may break off between any two
// steps: the next one takes a higher term and goes on from what it finds.

import { ActFailed, type EngineHand, type Sounding } from './hand.ts';
import { type Head, type MemberView, compareHeads, headText, isReachable } from './members.ts';
import { type PromotionPlan, type Refusal, type Wish, planPromotion, stepsAfter } from './plan.ts';
import type { Step } from './steps.ts';

export type RunOptions = {
  readonly wish: Wish;
  /** Told before each step, and what was found out. */
  readonly tell: (text: string) => void;
  /** Aborted: the step under way is finished, and no other one is begun. */
  readonly signal: AbortSignal;
};

export type Promotion =
  | {
      readonly kind: 'promoted';
      readonly primary: string;
      readonly term: number;
      readonly head: Head | undefined;
    }
  | { readonly kind: 'interrupted'; readonly term: number; readonly before: Step }
  | Refusal;

/** Throws TermRefused and ActFailed: what was done until then stays done, and `status` tells it. */
export async function runPromotion(
  hand: EngineHand,
  shown: PromotionPlan,
  options: RunOptions,
): Promise<Promotion> {
  return await new PromotionRun(hand, shown.term, options).run(shown);
}

class PromotionRun {
  readonly #hand: EngineHand;
  readonly #term: number;
  readonly #options: RunOptions;

  constructor(hand: EngineHand, term: number, options: RunOptions) {
    this.#hand = hand;
    this.#term = term;
    this.#options = options;
  }

  async run(shown: PromotionPlan): Promise<Promotion> {
    const claims = shown.before.filter(isClaim);
    const unclaimed = await this.#carryOut(claims, shown);
    if (unclaimed !== undefined) return unclaimed;
    const members = await this.#hand.look();
    const plan = planPromotion(members, this.#options.wish);
    if (plan.kind === 'refused') return plan;
    const others = plan.before.filter((step) => !isClaim(step));
    const unsealed = await this.#carryOut(others, plan);
    if (unsealed !== undefined) return unsealed;
    const chosen = plan.kind === 'finish' ? kept(members, plan.target) : await this.#choose(plan);
    if (chosen.kind === 'refused') return chosen;
    const { primary, head } = chosen;
    const quorum = Math.max(1, plan.coverage.quorum);
    const after = primary === plan.target ? plan.after : stepsAfter(members, primary, quorum);
    const undone = await this.#carryOut(after, plan);
    return undone ?? { kind: 'promoted', primary, term: this.#term, head };
  }

  async #carryOut(
    steps: readonly Step[],
    { coverage }: PromotionPlan,
  ): Promise<Promotion | undefined> {
    const { tell, signal } = this.#options;
    for (const step of steps) {
      if (signal.aborted) return { kind: 'interrupted', term: this.#term, before: step };
      tell(step.what);
      try {
        await this.#hand.carryOut(step.act, this.#term);
      } catch (error) {
        // With enough standbys read nothing depends on what the old primary still had to send.
        const isEnough = coverage.readable.length >= coverage.needed;
        if (!(error instanceof ActFailed && error.act === 'catch-up' && isEnough)) throw error;
        tell(`${error.message} It is not needed: enough standbys are read.`);
      }
    }
    return undefined;
  }

  /** The member that holds most; all of them are sealed now. */
  async #choose(plan: PromotionPlan): Promise<Chosen | Refusal> {
    const sounded: Sounded[] = [];
    for (const { act } of plan.before) {
      if (act.kind !== 'seal') continue;
      const sounding = await this.#hand.sound(act.member);
      this.#options.tell(`${act.member} is sealed and holds ${headText(sounding.head)}`);
      sounded.push({ member: act.member, sounding });
    }
    const [best] = sounded.toSorted((a, b) => this.#ahead(b.sounding, a.sounding));
    const isCaughtUp = plan.before.some(({ act }) => act.kind === 'catch-up');
    if (best === undefined || (sounded.length < plan.coverage.needed && !isCaughtUp)) {
      throw new Error('Fewer members were sealed than the plan needs.');
    }
    const wanted = sounded.find(({ member }) => member === this.#options.wish.to) ?? best;
    if (this.#ahead(best.sounding, wanted.sounding) > 0) return behind(wanted, best);
    return { kind: 'chosen', primary: wanted.member, head: wanted.sounding.head };
  }

  #ahead(a: Sounding, b: Sounding): number {
    const byHead = compareHeads(a.head, b.head);
    return byHead || (this.#hand.compareReceived(a.received, b.received) ?? 0);
  }
}

function isClaim({ act }: Step): boolean {
  return act.kind === 'claim';
}

type Sounded = { readonly member: string; readonly sounding: Sounding };
type Chosen = {
  readonly kind: 'chosen';
  readonly primary: string;
  readonly head: Head | undefined;
};

function kept(members: readonly MemberView[], primary: string): Chosen {
  const found = members.find((member) => isReachable(member) && member.name === primary);
  return { kind: 'chosen', primary, head: found?.head };
}

function behind(wanted: Sounded, best: Sounded): Refusal {
  return {
    kind: 'refused',
    code: 'member_behind',
    reason:
      `${wanted.member} holds ${headText(wanted.sounding.head)}; ${best.member} holds ` +
      `${headText(best.sounding.head)} and has received more.`,
    money:
      `To promote ${wanted.member} could lose acknowledged payments. The members are sealed: ` +
      'payments wait, and none is lost.',
    action: 'Run it again without --to.',
  };
}
