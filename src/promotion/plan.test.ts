import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Act } from './hand.ts';
import { type MemberView, currentPrimary, unreachable } from './members.ts';
import { type Plan, type PromotionPlan, type Wish, planPromotion } from './plan.ts';
import { standingOf } from './standing.ts';

const NO_WISH: Wish = { to: undefined, quorum: undefined };

function member(name: string, changes: Partial<MemberView> = {}): MemberView {
  return { ...unreachable(name, ''), label: name, timeline: 1, ...changes };
}

function head(epoch: number, position: number): MemberView['head'] {
  return { epoch, position, digest: 'aa' };
}

function primary(name: string, changes: Partial<MemberView> = {}): MemberView {
  const labels = ['n1', 'n2', 'n3'];
  const acknowledging = { quorum: 1, labels, isAnybody: false };
  const attached = labels.filter((label) => label !== name);
  return member(name, { role: 'primary', acknowledging, attached, ...changes });
}

function standby(name: string, changes: Partial<MemberView> = {}): MemberView {
  return member(name, { source: 'n1', isReceiving: true, head: head(1, 10), ...changes });
}

const away = (name: string): MemberView => unreachable(name, 'connection refused');

function promotion(plan: Plan): PromotionPlan {
  assert.notEqual(plan.kind, 'refused', plan.kind === 'refused' ? plan.reason : '');
  return plan as PromotionPlan;
}

function acts(plan: Plan): string[] {
  const { before, after } = promotion(plan);
  return [...before, ...after].map(({ act }: { readonly act: Act }) => `${act.kind} ${act.member}`);
}

function codeOf(plan: Plan): string {
  return plan.kind === 'refused' ? plan.code : plan.kind;
}

test('a lost primary: both standbys are sealed and read before one is promoted', () => {
  const plan = planPromotion([away('n1'), standby('n2'), standby('n3')], NO_WISH);
  assert.deepEqual(acts(plan), [
    'claim n2',
    'claim n3',
    'seal n2',
    'seal n3',
    'ready n2',
    'promote n2',
    'follow n3',
    'prove n2',
  ]);
  assert.equal(promotion(plan).coverage.needed, 2);
});

test('the standby that is ahead by epoch and then by position is the one to promote', () => {
  const cases: [n2: MemberView['head'], n3: MemberView['head'], target: string][] = [
    [head(1, 10), head(1, 11), 'n3'],
    [head(2, 5), head(1, 11), 'n2'],
    [head(1, 10), undefined, 'n2'],
  ];
  for (const [second, third, target] of cases) {
    const members = [away('n1'), standby('n2', { head: second }), standby('n3', { head: third })];
    assert.equal(promotion(planPromotion(members, NO_WISH)).target, target);
  }
});

test('n - k + 1 standbys must be readable, and more than half of all members', () => {
  const five = ['n2', 'n3', 'n4', 'n5'];
  // Acknowledgements, readable standbys of four, verdict.
  const cases: [quorum: number | undefined, readable: number, verdict: string][] = [
    [undefined, 4, 'promote'],
    [undefined, 3, 'majority_not_readable'],
    [2, 3, 'promote'],
    [2, 2, 'majority_not_readable'],
    [3, 2, 'majority_not_readable'],
    [4, 3, 'promote'],
    [4, 1, 'majority_not_readable'],
  ];
  for (const [quorum, readable, verdict] of cases) {
    const members = [
      away('n1'),
      ...five.map((name, index) => (index < readable ? standby(name) : away(name))),
    ];
    const plan = planPromotion(members, { to: undefined, quorum });
    assert.equal(codeOf(plan), verdict, `quorum ${quorum}, readable ${readable}`);
  }
});

test('a fenced primary makes up for a standby that is away: its successor must catch up', () => {
  const members = [primary('n1'), standby('n2'), away('n3')];
  const plan = planPromotion(members, { to: 'n2', quorum: undefined });
  assert.deepEqual(acts(plan).slice(2, 5), ['fence n1', 'catch-up n2', 'seal n2']);
  assert.match(promotion(plan).loss, /fenced first/);
});

test('a primary whose appends need nobody is only succeeded by one that has all of it', () => {
  const alone = { quorum: 0, labels: [], isAnybody: false };
  const members = [primary('n1', { acknowledging: alone }), standby('n2'), standby('n3')];
  const plan = promotion(planPromotion(members, { to: 'n2', quorum: undefined }));
  assert.ok(plan.coverage.needed > plan.coverage.readable.length);
  assert.match(plan.loss, /must have received all/);
});

test('a primary that is well stays, unless another member is named', () => {
  const members = [primary('n1'), standby('n2'), standby('n3')];
  assert.equal(codeOf(planPromotion(members, NO_WISH)), 'primary_is_well');
  assert.equal(codeOf(planPromotion(members, { to: 'n3', quorum: undefined })), 'promote');
  assert.equal(codeOf(planPromotion(members, { to: 'n9', quorum: undefined })), 'member_unknown');
});

test('whoever may acknowledge and is no member here stops it', () => {
  const acknowledging = { quorum: 1, labels: ['n2', 'n3', 'elsewhere'], isAnybody: false };
  const members = [primary('n1', { acknowledging }), standby('n2'), standby('n3')];
  const plan = planPromotion(members, { to: 'n2', quorum: undefined });
  assert.equal(codeOf(plan), 'acknowledgers_unknown');
});

test('an old primary that came back is no primary: by its branch, and by its term', () => {
  const sealed = standby('n3', { isSealed: true, isReceiving: false });
  const promoted = { timeline: 2, promotedTerm: 4, term: 4, attached: [] };
  const members = [primary('n1'), primary('n2', promoted), sealed];
  assert.equal(currentPrimary(members)?.name, 'n2');
  assert.equal(standingOf(members[0]!, members), 'deposed primary');
  // Where its successor is out of sight, a standby that followed that one gives it away.
  const followed = standby('n3', { timeline: 2 });
  assert.equal(currentPrimary([primary('n1'), away('n2'), followed]), undefined);
  const plan = planPromotion([primary('n1'), away('n2'), followed], NO_WISH);
  assert.equal(codeOf(plan), 'majority_not_readable');
  // Alone in sight it is not believed either.
  const alone = planPromotion([primary('n1'), away('n2'), away('n3')], NO_WISH);
  assert.equal(codeOf(alone), 'majority_not_readable');
});

test('what a run left behind is finished: a promoted primary without its standby', () => {
  const promoted = primary('n2', { timeline: 2, promotedTerm: 4, term: 4, attached: [] });
  const sealed = standby('n3', { isSealed: true, isReceiving: false, term: 4 });
  const plan = planPromotion([away('n1'), promoted, sealed], NO_WISH);
  assert.equal(promotion(plan).term, 5);
  assert.deepEqual(acts(plan), ['claim n2', 'claim n3', 'promote n2', 'follow n3', 'prove n2']);
});

test('two members: the only standby may succeed a lost primary', () => {
  assert.equal(codeOf(planPromotion([away('n1'), standby('n2')], NO_WISH)), 'promote');
});

test('Patroni on any member stops everything', () => {
  const members = [away('n1'), standby('n2'), standby('n3', { patroniSigns: ['a sign'] })];
  assert.equal(codeOf(planPromotion(members, NO_WISH)), 'patroni_has_it');
});
