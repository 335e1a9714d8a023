// `holdfast engine rejoin`: says what it will do, asks, does it where the member's data are on this
// machine, and once the member runs, proves that it holds the primary's journal and no other.

import { headText } from '../promotion/members.ts';
import type { EngineHand } from '../promotion/hand.ts';
import { type Rejoin, type RejoinHand, type RejoinWork, planRejoin } from '../promotion/rejoin.ts';
import type { RejoinOptions } from './engine-options.ts';
import { openHand } from './engine-place.ts';
import { toldAsFailure } from './engine-promotion.ts';
import { ExitCode } from './exit-codes.ts';
import { CliFailure, usageFailure } from './failure.ts';
import { Output } from './output.ts';
import type { Call } from './run.ts';

export async function rejoin({ io, args, options }: Call<RejoinOptions>): Promise<number> {
  const output = new Output(io, options);
  const { hand, rejoining } = await openHand(io, options);
  try {
    const { dataFolder } = options;
    const folder = dataFolder === undefined ? undefined : await rejoining.readFolder(dataFolder);
    const wish = { member: args[0] ?? '', label: options.label, folder };
    const planned = planRejoin(await hand.look(), wish);
    switch (planned.kind) {
      case 'refused':
        throw refusal(planned);
      case 'follows':
        return await compare(output, rejoining, planned);
      case 'follow':
        return await follow(output, hand, planned.work);
      case 'prepare':
        if (rejoining.worksOn === 'server' && planned.isRunning) {
          return await follow(output, hand, planned.work);
        }
        return await prepare({ output, hand, rejoining, work: planned.work });
      default:
        return planned satisfies never;
    }
  } catch (error) {
    throw toldAsFailure(error, 'rejoin');
  } finally {
    await hand.close();
  }

  async function prepare({ hand, rejoining, work }: Preparing): Promise<number> {
    const { dataFolder } = options;
    showSteps(output, work, rejoining.steps(work, dataFolder));
    if (dataFolder === undefined) {
      const way =
        rejoining.worksOn === 'server'
          ? 'Start it so, then run this once more.'
          : 'Run this on its machine with --data-folder, or do it by hand.';
      output.note(`Nothing has been changed. ${way}`);
      return ExitCode.ok;
    }
    await confirm();
    await rejoining.prepare(work, dataFolder, (text) => output.note(text));
    await waitFor(hand, work);
    output.note(`Start ${work.member}, then run this once more: it compares the journals.`);
    return ExitCode.ok;
  }

  async function confirm(): Promise<void> {
    if (options.yes === true) return;
    if (io.ask === undefined) throw usageFailure('Nobody is there to be asked.', 'Add --yes.');
    if ((await io.ask('Do it? Type yes: ')).trim() === 'yes') return;
    throw new CliFailure({
      exitCode: ExitCode.refused,
      code: 'not_wanted',
      message: 'It was not confirmed.',
      money: 'Nothing was changed.',
    });
  }
}

type Preparing = {
  readonly output: Output;
  readonly hand: EngineHand;
  readonly rejoining: RejoinHand;
  readonly work: RejoinWork;
};

function showSteps(output: Output, work: RejoinWork, steps: ReturnType<RejoinHand['steps']>): void {
  if (output.isJson) {
    output.json({ rejoin: 'prepare', ...work, steps });
    return;
  }
  const { member, primary, term, label } = work;
  output.pairs([
    ['member', `${member} (${label})`],
    ['primary', primary],
    ['term', String(term)],
  ]);
  for (const [index, { what, why, commands }] of steps.entries()) {
    output.line('');
    output.line(`${index + 1}. ${what}`);
    output.pairs([['   why', why], ...commands.map((text) => ['   do', text] as const)]);
  }
}

/** The primary waits for the member's word from now on, if it did not yet. */
async function waitFor(hand: EngineHand, { primary, label, term }: RejoinWork): Promise<void> {
  const members = await hand.look();
  const set = members.find(({ name }) => name === primary)?.acknowledging;
  if (set === undefined || set.isAnybody || set.labels.includes(label)) return;
  const acknowledging = { ...set, labels: [...set.labels, label] };
  await hand.carryOut({ kind: 'ready', member: primary, acknowledging }, term);
}

async function follow(output: Output, hand: EngineHand, work: RejoinWork): Promise<number> {
  const { member, primary, term } = work;
  await hand.carryOut({ kind: 'follow', member, primary }, term);
  await waitFor(hand, work);
  if (output.isJson) output.json({ rejoin: 'follow', ...work });
  else output.line(`${member} follows ${primary}. Run this once more: it compares the journals.`);
  return ExitCode.ok;
}

async function compare(
  output: Output,
  rejoining: RejoinHand,
  { work, head }: Rejoin & { readonly kind: 'follows' },
): Promise<number> {
  const { member, primary } = work;
  const digest = head && (await rejoining.digestAt(primary, head.position));
  if (head !== undefined && head.position > 0 && digest !== undefined && digest !== head.digest) {
    throw new CliFailure({
      exitCode: ExitCode.failed,
      code: 'member_diverged',
      message: `${member} holds another entry at position ${head.position} than ${primary}.`,
      money: 'The primary decides; nothing acknowledged is lost. Do not promote this member.',
      action: `Stop ${member} and copy the primary anew (pg_basebackup).`,
    });
  }
  if (output.isJson) output.json({ rejoin: 'follows', ...work, head: head ?? null });
  else {
    output.line(`${member} is a standby of ${primary} under term ${work.term}.`);
    output.line(`It holds the same journal, up to ${headText(head)}.`);
  }
  return ExitCode.ok;
}

function refusal(planned: Rejoin & { readonly kind: 'refused' }): CliFailure {
  return new CliFailure({
    exitCode: ExitCode.refused,
    code: planned.code,
    message: planned.reason,
    money: 'Nothing was changed.',
    action: planned.action,
  });
}
