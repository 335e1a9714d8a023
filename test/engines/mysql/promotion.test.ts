import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Seen } from '../../../src/cli/testing/run.ts';
import { TermRefused } from '../../../src/promotion/hand.ts';
import { planPromotion } from '../../../src/promotion/plan.ts';
import { runPromotion } from '../../../src/promotion/run-promotion.ts';
import { Payments, assertKept } from '../../support/payments-on-engine.ts';
import { until } from '../../support/until.ts';
import { PromotionBench, type ServerName } from './promotion-bench.ts';

const NOBODY = 1;

type Told = { readonly error: { readonly code: string } };

function codeOf(seen: Seen): string {
  return (JSON.parse(seen.stderr.trim().split('\n').at(-1) ?? '') as Told).error.code;
}

/** Appends until some are acknowledged; then whatever is done happens under appends. */
async function underAppends(
  bench: PromotionBench,
): Promise<{ readonly payments: Payments; readonly ended: Promise<void> }> {
  const payments = new Payments();
  await payments.begin(bench.journal());
  const ended = payments.run();
  await until(() => payments.acknowledged.length > 50, 'appends are acknowledged');
  return { payments, ended };
}

async function goesOn(bench: PromotionBench, payments: Payments): Promise<void> {
  const journal = bench.journal();
  await payments.begin(journal);
  await payments.run(20);
  assert.equal(payments.failure, undefined);
  await assertKept(journal, payments.acknowledged);
}

async function untilSame(bench: PromotionBench, names: readonly ServerName[]): Promise<void> {
  await until(
    async () => {
      const all = await Promise.all(names.map((name) => bench.entries(name)));
      return all.every((entries) => entries.join() === all[0]!.join());
    },
    `${names.join(', ')} hold the same entries`,
  );
}

test('the primary is killed under appends: a dry run changes nothing, a promotion loses nothing', async () => {
  await using bench = await PromotionBench.start();
  const { payments, ended } = await underAppends(bench);
  await bench.kill('n1');
  await ended;
  assert.notEqual(payments.failure, undefined);
  const before = [await bench.noted('n2'), await bench.noted('n3')];
  const dry = await bench.engine('plan-promote');
  assert.equal(dry.exitCode, 0, dry.stderr);
  assert.match(dry.stdout, /stop slave io_thread/);
  assert.deepEqual([await bench.noted('n2'), await bench.noted('n3')], before);
  const done = await bench.engine('promote', '--yes');
  assert.equal(done.exitCode, 0, done.stderr);
  await goesOn(bench, payments);
  await untilSame(bench, ['n2', 'n3']);
  assert.equal((await bench.primaries()).length, 1);
  const again = await bench.engine('promote', '--yes', '--json');
  assert.equal(codeOf(again), 'primary_is_well');
});

test('with one replica out of reach it refuses and stores nothing', async () => {
  await using bench = await PromotionBench.start();
  await new Payments().begin(bench.journal());
  await bench.kill('n1');
  await bench.kill('n2');
  const before = await bench.noted('n3');
  for (const parameters of [['plan-promote'], ['promote', '--yes']]) {
    const [verb = '', ...rest] = parameters;
    const refused = await bench.engine(verb, ...rest, '--json');
    assert.equal(refused.exitCode, 4, refused.stdout);
    assert.equal(codeOf(refused), 'majority_not_readable');
  }
  assert.deepEqual(await bench.noted('n3'), before);
});

test('a primary that is alive but cut off is never acknowledged again, and rejoins without its orphan', async () => {
  await using bench = await PromotionBench.start();
  const { payments, ended } = await underAppends(bench);
  // The operator cannot reach it; its writer and its replicas can.
  const done = await bench.engineAt({ n1: NOBODY }, 'promote', '--yes');
  assert.equal(done.exitCode, 0, done.stderr);
  await ended;
  assert.notEqual(payments.failure, undefined);
  // What it wrote and nobody acknowledged stands in its binlog, and nowhere else.
  const orphan = await lastOfFirst(bench, 'n1');
  assert.ok(orphan > (await lastOfFirst(bench, 'n2')));
  // Two servers that take writes: the driver uses neither of them.
  await bench.kill('n1');
  await goesOn(bench, payments);

  await bench.startAlone('n1', '--init-rpl-role=SLAVE');
  assert.ok((await lastOfFirst(bench, 'n1')) < orphan);
  await until(async () => {
    const joined = await bench.rejoin('n1');
    return joined.exitCode === 0 && /It holds the same journal/.test(joined.stdout);
  }, 'the old primary follows');
  await goesOn(bench, payments);
  await untilSame(bench, ['n1', 'n2', 'n3']);
  assert.equal((await bench.primaries()).length, 1);
});

test('an old primary that was started as one, and kept its orphan, is not let in', async () => {
  await using bench = await PromotionBench.start();
  const payments = new Payments();
  await payments.begin(bench.journal());
  await bench.kill('n1');
  const done = await bench.engine('promote', '--yes');
  assert.equal(done.exitCode, 0, done.stderr);
  await bench.startAlone('n1');
  const orphan = `values (900001, 1, repeat('x', 32), 0, '')`;
  await bench.ask('n1', `insert into payments.journal ${orphan}`);
  const refused = await bench.rejoin('n1');
  assert.equal(refused.exitCode, 1, refused.stdout);
  assert.match(refused.stderr, /--init-rpl-role=SLAVE/);
  await goesOn(bench, payments);
});

/** The last commit that began at n1, as that server's binlog has it. */
async function lastOfFirst(bench: PromotionBench, server: ServerName): Promise<number> {
  const [row] = await bench.ask(server, 'select @@gtid_binlog_state as state');
  return Number(/\b1-1-(\d+)/.exec(String(row?.['state']))?.[1] ?? 0);
}

test('term and seal are durable: a server that was killed refuses still, and follows nobody', async () => {
  await using bench = await PromotionBench.start();
  const hand = bench.hand();
  await hand.look();
  const member = bench.nameOf('n2');
  await hand.carryOut({ kind: 'claim', member }, 8);
  for (const term of [7, 8]) {
    await assert.rejects(hand.carryOut({ kind: 'claim', member }, term), TermRefused);
  }
  await assert.rejects(hand.carryOut({ kind: 'seal', member }, 7), TermRefused);
  await hand.carryOut({ kind: 'seal', member }, 8);
  await hand.sound(member);
  await bench.kill('n2');
  await bench.startAlone('n2');
  await assert.rejects(hand.carryOut({ kind: 'promote', member }, 7), TermRefused);
  const [, second] = await hand.look();
  assert.equal(second?.term, 8);
  assert.equal(second?.isSealed, true);
  assert.equal(second?.isReceiving, false);
});

test('of several operators at once one wins, and there is one primary', async () => {
  await using bench = await PromotionBench.start();
  const { payments, ended } = await underAppends(bench);
  await bench.kill('n1');
  await ended;
  const runs = await Promise.all(
    Array.from({ length: 3 }, () => bench.engine('promote', '--yes', '--json')),
  );
  const winners = runs.filter(({ exitCode }) => exitCode === 0);
  assert.equal(winners.length, 1, runs.map(({ stderr }) => stderr).join('\n'));
  for (const run of runs) {
    if (run.exitCode === 0) continue;
    assert.ok(['term_refused', 'primary_is_well'].includes(codeOf(run)), run.stderr);
  }
  assert.equal((await bench.primaries()).length, 1);
  await goesOn(bench, payments);
});

for (const stop of ['promote', 'follow'] as const) {
  test(`a run that ends before "${stop}" is explained by status, and the next one finishes it`, async () => {
    await using bench = await PromotionBench.start();
    const { payments, ended } = await underAppends(bench);
    await bench.kill('n1');
    await ended;
    const wish = { to: undefined, quorum: undefined };
    const hand = bench.hand();
    const shown = planPromotion(await hand.look(), wish);
    assert.ok(shown.kind === 'promote');
    const stopping = new AbortController();
    const steps = [...shown.before, ...shown.after];
    const index = steps.findIndex(({ act }) => act.kind === stop);
    const tell = (text: string): void => {
      if (text === steps[index - 1]?.what) stopping.abort();
    };
    const ending = await runPromotion(hand, shown, { wish, tell, signal: stopping.signal });
    assert.equal(ending.kind, 'interrupted');
    const status = await bench.engine('status');
    assert.match(status.stdout, /Run promote again/);
    const finished = await bench.engine('promote', '--yes', '--json');
    assert.equal(finished.exitCode, 0, finished.stderr);
    await goesOn(bench, payments);
  });
}

test('a planned change: the primary is fenced first, and nothing is lost', async () => {
  await using bench = await PromotionBench.start();
  const { payments, ended } = await underAppends(bench);
  const done = await bench.engine('promote', '--to', bench.nameOf('n3'), '--yes');
  assert.equal(done.exitCode, 0, done.stderr);
  await ended;
  await goesOn(bench, payments);
  assert.deepEqual(await bench.primaries(), ['n3']);
});
