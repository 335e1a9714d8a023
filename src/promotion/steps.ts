// A step as people read it before it is done: what, why, what it means for money. The statements of
// an act are its engine's (hand.ts).

import type { Act } from './hand.ts';

export type Step = {
  readonly act: Act;
  readonly what: string;
  readonly why: string;
  readonly money: string;
};

export function stepOf(act: Act): Step {
  return { act, ...textOf(act) };
}

const NO_MONEY = 'No payment is concerned.';

function textOf(act: Act): { readonly what: string; readonly why: string; readonly money: string } {
  switch (act.kind) {
    case 'claim':
      return {
        what: `store the new term on ${act.member}`,
        why: 'from then on it refuses whoever acts under a lower one',
        money: NO_MONEY,
      };
    case 'fence':
      return {
        what: `fence ${act.member}: nobody acknowledges its appends, writers are sent away`,
        why: 'what it wrote afterwards could not be known to its successor',
        money: 'Payments wait from here on. One under way is told "unknown" and asks again.',
      };
    case 'catch-up':
      return {
        what: `wait until ${act.member} has received all that ${act.primary} has written`,
        why: 'then nothing has to be thrown away',
        money: NO_MONEY,
      };
    case 'seal':
      return {
        what: `seal ${act.member}: it follows nobody, until it is told to`,
        why: 'an old primary that is alive but out of sight can never be acknowledged by it again',
        money: 'Payments wait from here on; what was acknowledged stays where it is.',
      };
    case 'ready':
      return {
        what: `${act.member} is to wait for ${act.acknowledging.quorum} acknowledgement(s)`,
        why: 'set before it takes writes, so that no append is ever acknowledged by it alone',
        money: NO_MONEY,
      };
    case 'promote':
      return {
        what: `promote ${act.member}`,
        why: 'it holds everything that can have been acknowledged',
        money: 'What it does not hold is gone for good; none of it was acknowledged.',
      };
    case 'follow':
      return {
        what: `${act.member} follows ${act.primary}`,
        why: 'without it the primary cannot acknowledge anything',
        money: NO_MONEY,
      };
    case 'prove':
      return {
        what: `an append of no content on ${act.member} is acknowledged`,
        why: 'with it everything before it is on the standbys too',
        money: 'Payments go on from here. What survived unacknowledged counts from now on.',
      };
    default:
      return act satisfies never;
  }
}
