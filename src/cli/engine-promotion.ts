// `holdfast engine status|plan-promote|promote`. What will be done is shown first, and asked for;
// what is done is told step by step, on stderr, so that stdout carries the result alone.

import { ActFailed, type EngineHand, TermRefused } from '../promotion/hand.ts';
import { type MemberView, headText } from '../promotion/members.ts';
import {
  type Plan,
  type PromotionPlan,
  type Refusal,
  type Wish,
  planPromotion,
} from '../promotion/plan.ts';
import { type Promotion, runPromotion } from '../promotion/run-promotion.ts';
import { isHeadFinal, situationOf, standingOf } from '../promotion/standing.ts';
import type { Step } from '../promotion/steps.ts';
import type { EngineOptions, PromoteOptions } from './engine-options.ts';
import { openHand } from './engine-place.ts';
import { ExitCode } from './exit-codes.ts';
import { CliFailure, usageFailure } from './failure.ts';
import { readNumber } from './inputs.ts';
import { Output } from './output.ts';
import type { Call } from './run.ts';

const COLUMNS = [
  { title: 'member' },
  { title: 'standing' },
  { title: 'term', isNumber: true },
  { title: 'epoch', isNumber: true },
  { title: 'position', isNumber: true },
  { title: 'received' },
  { title: 'lag' },
  { title: 'name' },
] as const;

const QUORUM_RANGE = { min: 1, max: 100 };

export async function status({ io, options }: Call<EngineOptions>): Promise<number> {
  const output = new Output(io, options);
  const { hand } = await openHand(io, options);
  const members = await hand.look();
  await hand.close();
  const situation = situationOf(members, { to: undefined, quorum: undefined });
  const { term, primary, notes, possible } = situation;
  if (output.isJson) {
    const seen = members.map((member) => ({ ...memberJson(member, members) }));
    output.json({ engine: hand.engine, term, primary: primary ?? null, members: seen, notes });
  } else {
    output.table(
      COLUMNS,
      members.map((member) => memberRow(member, members)),
    );
    output.pairs([
      ['term', term === 0 ? 'none was taken yet' : String(term)],
      ['primary', primary ?? output.bad('none that takes appends')],
      ['possible', possibleText(possible)],
    ]);
    for (const note of notes) output.line(`- ${note}`);
  }
  return primary === undefined ? ExitCode.unavailable : ExitCode.ok;
}

export async function plan({ io, options }: Call<PromoteOptions>): Promise<number> {
  const output = new Output(io, options);
  const wish = wishOf(options);
  const { hand } = await openHand(io, options);
  try {
    const planned = planPromotion(await hand.look(), wish);
    if (planned.kind === 'refused') throw failureOf(planned);
    showPlan(output, hand, planned);
    return ExitCode.ok;
  } finally {
    await hand.close();
  }
}

export async function promote({ io, options }: Call<PromoteOptions>): Promise<number> {
  const output = new Output(io, options);
  const wish = wishOf(options);
  const { hand } = await openHand(io, options);
  const stopping = stopBetweenSteps();
  try {
    const planned = planPromotion(await hand.look(), wish);
    if (planned.kind === 'refused') throw failureOf(planned);
    if (options.yes !== true) {
      if (io.ask === undefined) throw notAsked();
      showPlan(output, hand, planned);
      if ((await io.ask('Promote? Type yes: ')).trim() !== 'yes') throw notWanted();
    }
    const { signal } = stopping;
    const tell = (text: string): void => output.note(text);
    return showPromotion(output, await runPromotion(hand, planned, { wish, tell, signal }));
  } catch (error) {
    throw toldAsFailure(error);
  } finally {
    stopping.end();
    await hand.close();
  }
}

function wishOf({ to, quorum }: PromoteOptions): Wish {
  const counted = quorum === undefined ? undefined : readNumber('--quorum', quorum, QUORUM_RANGE);
  return { to, quorum: counted };
}

/** The first Ctrl-C lets the step under way end; the second one ends the process. */
function stopBetweenSteps(): { readonly signal: AbortSignal; readonly end: () => void } {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  return {
    signal: controller.signal,
    end: () => {
      process.off('SIGINT', stop).off('SIGTERM', stop);
    },
  };
}

function memberRow(member: MemberView, members: readonly MemberView[]): string[] {
  const standing = standingOf(member, members);
  const { name, head, lag, label, received } = member;
  if (standing === 'unreachable') return [name, standing, '-', '-', '-', '-', '-', '-'];
  const least = isHeadFinal(member) || member.role === 'primary' ? '' : '>= ';
  const figures = [head?.epoch, head && `${least}${head.position}`].map((item) => `${item ?? '-'}`);
  const term = member.term === 0 ? '-' : String(member.term);
  return [name, standing, term, ...figures, received, lag || '-', label || '-'];
}

function memberJson(member: MemberView, members: readonly MemberView[]) {
  const { name, label, problem, term, promotedTerm, timeline, head, received, lag } = member;
  return {
    member: name,
    label,
    standing: standingOf(member, members),
    problem,
    term,
    promoted_term: promotedTerm,
    timeline,
    head: head ?? null,
    head_is_final: isHeadFinal(member),
    received,
    lag,
    source: member.source,
    attached: member.attached,
    faults: member.faults,
    patroni: member.patroniSigns,
  };
}

function possibleText(possible: Plan): string {
  if (possible.kind === 'refused') return `nothing to promote: ${possible.reason}`;
  const what = possible.kind === 'promote' ? 'promote' : 'finish the promotion of';
  return `${what} ${possible.target}, term ${possible.term}: holdfast engine plan-promote`;
}

function stepJson(hand: EngineHand, term: number, step: Step) {
  const { act, what, why, money } = step;
  const statements = hand.statements(act, term);
  return {
    act: act.kind,
    member: act.member,
    what,
    why,
    statements,
    undo: hand.undoing(act),
    money,
  };
}

function showPlan(output: Output, hand: EngineHand, planned: PromotionPlan): void {
  const { kind, term, target, why, loss, coverage } = planned;
  const steps = [...planned.before, ...planned.after];
  if (output.isJson) {
    const shown = steps.map((step) => stepJson(hand, term, step));
    output.json({ plan: kind, term, target, why, loss, coverage, steps: shown });
    return;
  }
  output.pairs([
    ['term', String(term)],
    [kind === 'promote' ? 'promote' : 'finish', target],
    ['why', why],
    ['lost', loss],
  ]);
  for (const [index, step] of steps.entries()) {
    output.line('');
    output.line(`${index + 1}. ${step.what}`);
    const undoing = hand.undoing(step.act);
    output.pairs([
      ['   why', step.why],
      ['   money', step.money],
      ...hand.statements(step.act, term).map((text) => ['   do', oneLine(text)] as const),
      ...undoing.map((text) => ['   undo', oneLine(text)] as const),
    ]);
  }
  output.note('Nothing has been changed.');
}

function oneLine(text: string): string {
  return `${text.replaceAll(/\s+/g, ' ')};`;
}

function showPromotion(output: Output, promotion: Promotion): number {
  if (promotion.kind === 'refused') throw failureOf(promotion);
  if (promotion.kind === 'interrupted') throw interrupted(promotion);
  const { primary, term, head } = promotion;
  if (output.isJson) output.json({ primary, term, head: head ?? null });
  else {
    output.line(`${primary} is the primary under term ${term}, from ${headText(head)} on.`);
    output.line('It has been proved that it can acknowledge. Payments go on.');
  }
  return ExitCode.ok;
}

function failureOf(refusal: Refusal): CliFailure {
  const { code, reason, money, action } = refusal;
  const isAway = code === 'no_member_reachable';
  const exitCode = isAway ? ExitCode.unavailable : ExitCode.refused;
  return new CliFailure({ exitCode, code, message: reason, money, action });
}

function interrupted({ term, before }: Promotion & { readonly kind: 'interrupted' }): CliFailure {
  return new CliFailure({
    exitCode: ExitCode.failed,
    code: 'promotion_interrupted',
    message: `Stopped before it would ${before.what}; term ${term} is taken.`,
    money: 'Nothing acknowledged is lost. Payments may be waiting until it is finished.',
    action: 'Look with `holdfast engine status`, and run promote again: it goes on from there.',
  });
}

function notAsked(): CliFailure {
  return usageFailure(
    'Nobody is there to be asked.',
    'Look at it with `holdfast engine plan-promote`, then add --yes.',
  );
}

function notWanted(): CliFailure {
  return new CliFailure({
    exitCode: ExitCode.refused,
    code: 'not_wanted',
    message: 'It was not confirmed.',
    money: 'Nothing was changed.',
  });
}

export function toldAsFailure(error: unknown, verb = 'promote'): unknown {
  if (error instanceof TermRefused) {
    return new CliFailure(
      {
        exitCode: ExitCode.refused,
        code: 'term_refused',
        message: `${error.message} Somebody else acts, or has acted.`,
        money: 'What this run did not do the other one does; nothing acknowledged is lost.',
        action: 'Look with `holdfast engine status` before you do anything.',
      },
      error,
    );
  }
  if (!(error instanceof ActFailed)) return error;
  const isWaiting = error.act === 'prove';
  return new CliFailure(
    {
      exitCode: isWaiting ? ExitCode.unavailable : ExitCode.failed,
      code: isWaiting ? 'engine_cannot_acknowledge' : 'engine_act_failed',
      message: error.message,
      money:
        verb === 'promote'
          ? 'Nothing acknowledged is lost. Payments wait until it is finished.'
          : 'Nothing acknowledged is lost; the primary is not concerned.',
      action: isWaiting
        ? 'Bring a standby back (holdfast engine rejoin MEMBER), then run promote again.'
        : `Mend that, then run ${verb} again: it goes on from what it finds.`,
    },
    error,
  );
}
