import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import type { Seen } from '../../../src/cli/testing/run.ts';
import { TermRefused } from '../../../src/promotion/hand.ts';
import { planPromotion } from '../../../src/promotion/plan.ts';
import { runPromotion } from '../../../src/promotion/run-promotion.ts';
import { Payments, assertKept } from '../../support/payments-on-engine.ts';
import { until } from '../../support/until.ts';
import type { ServerName } from './cluster.ts';
import { PromotionBench } from './promotion-bench.ts';

const NOBODY = 1;

type Told = { readonly error: { readonly code: string; readonly detail: string } };

function codeOf(seen: Seen): string {
  return (JSON.parse(seen.stderr.trim().split('\n').at(-1) ?? '') as Told).error.code;
}

/** Appends until some are acknowledged; then whatever is done happens under appends. */
async function underAppends(
  bench: PromotionBench,
  names?: readonly ServerName[],
): Promise<{ readonly payments: Payments; readonly ended: Promise<void> }> {
  const payments = new Payments();
  await payments.begin(bench.journal(names));
  const ended = payments.run();
  await until(() => payments.acknowledged.length > 50, 'appends are acknowledged');
  return { payments, ended };
}

async function goesOn(bench: PromotionBench, payments: Payments): Promise<number> {
  const journal = bench.journal();
  await payments.begin(journal);
  await payments.run(20);
  assert.equal(payments.failure, undefined);
  return await assertKept(journal, payments.acknowledged);
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
  await bench.cluster.signal('n1', 'SIGKILL');
  await ended;
  assert.notEqual(payments.failure, undefined);
  const before = [await bench.noted('n2'), await bench.noted('n3')];
  const dry = await bench.engine('plan-promote');
  assert.equal(dry.exitCode, 0, dry.stderr);
  assert.match(dry.stdout, /Nothing acknowledged/);
  assert.match(dry.stdout, /alter system set primary_conninfo = ''/);
  assert.match(dry.stdout, /select pg_promote/);
  assert.deepEqual([await bench.noted('n2'), await bench.noted('n3')], before);

  const asked = await bench.engine('promote');
  assert.equal(asked.exitCode, 2);
  assert.deepEqual([await bench.noted('n2'), await bench.noted('n3')], before);

  const done = await bench.engine('promote', '--yes', '--json');
  assert.equal(done.exitCode, 0, done.stderr);
  const { primary, term } = JSON.parse(done.stdout) as { primary: string; term: number };
  assert.equal(term, 1);
  assert.ok(primary === bench.nameOf('n2') || primary === bench.nameOf('n3'));
  assert.ok((await goesOn(bench, payments)) >= payments.acknowledged.length);
  await untilSame(bench, ['n2', 'n3']);
  const status = await bench.engine('status');
  assert.equal(status.exitCode, 0, status.stdout);
  const again = await bench.engine('promote', '--yes', '--json');
  assert.equal(again.exitCode, 4);
  assert.equal(codeOf(again), 'primary_is_well');
});

test('with one standby out of reach it refuses, says why, and stores nothing', async () => {
  await using bench = await PromotionBench.start();
  await new Payments().begin(bench.journal());
  await bench.cluster.signal('n1', 'SIGKILL');
  await bench.cluster.signal('n2', 'SIGKILL');
  const before = await bench.noted('n3');
  for (const verb of [['plan-promote'], ['promote', '--yes'], ['promote', '--yes', '--to']]) {
    const [name = '', ...parameters] = verb;
    if (parameters.includes('--to')) parameters.push(bench.nameOf('n3'));
    const refused = await bench.engine(name, ...parameters, '--json');
    assert.equal(refused.exitCode, 4, refused.stdout);
    assert.equal(codeOf(refused), 'majority_not_readable');
    assert.match(refused.stderr, /1 of 2 standbys, so that 2 of them must be sealed/);
    assert.ok(refused.stderr.includes(bench.nameOf('n2')));
  }
  assert.deepEqual(await bench.noted('n3'), before);
  const status = await bench.engine('status');
  assert.equal(status.exitCode, 5);
});

test('a primary that is alive but cut off is never acknowledged again, and rejoins without its orphan', async () => {
  await using bench = await PromotionBench.start();
  const { payments, ended } = await underAppends(bench, ['n1']);
  // The operator cannot reach it; its writer and its standbys can.
  const place = bench.place({ n1: NOBODY });
  const done = await bench.engineAt(place, 'promote', '--yes');
  assert.equal(done.exitCode, 0, done.stderr);
  await ended;
  assert.notEqual(payments.failure, undefined);
  await goesOn(bench, payments);

  // It comes back alone, with what nobody acknowledged.
  await bench.cluster.signal('n1', 'SIGKILL');
  await bench.startAlone('n1');
  const [known, orphaned] = [await bench.entries('n2'), await bench.entries('n1')];
  assert.ok(orphaned.some((entry) => !known.includes(entry)));
  const seen = await bench.engine('status');
  assert.match(seen.stdout, /deposed primary/);
  const prepared = await bench.rejoin('n1');
  assert.equal(prepared.exitCode, 0, prepared.stderr);
  await bench.startAlone('n1');
  await until(async () => {
    const joined = await bench.engine('rejoin', bench.nameOf('n1'));
    return joined.exitCode === 0 && /It holds the same journal/.test(joined.stdout);
  }, 'the old primary follows');
  await goesOn(bench, payments);
  await untilSame(bench, ['n1', 'n2', 'n3']);
  assert.deepEqual(await bench.primaries(), [await primaryOf(bench)]);
});

test('a member refuses a term that is not above the one it has stored, and acts below it', async () => {
  await using bench = await PromotionBench.start();
  const hand = bench.hand();
  await hand.look();
  const member = bench.nameOf('n2');
  await hand.carryOut({ kind: 'claim', member }, 8);
  for (const term of [7, 8]) {
    await assert.rejects(hand.carryOut({ kind: 'claim', member }, term), TermRefused);
  }
  const before = await bench.noted('n2');
  for (const kind of ['seal', 'promote'] as const) {
    await assert.rejects(hand.carryOut({ kind, member }, 7), TermRefused);
  }
  assert.deepEqual(await bench.noted('n2'), before);
  // Stored durably: a server that was killed has it still.
  await bench.cluster.signal('n2', 'SIGKILL');
  await bench.startAlone('n2');
  await assert.rejects(hand.carryOut({ kind: 'seal', member }, 7), TermRefused);
  const [, second] = await hand.look();
  assert.equal(second?.term, 8);
});

test('of several operators at once one wins, and there is one primary', async () => {
  await using bench = await PromotionBench.start();
  const { payments, ended } = await underAppends(bench);
  await bench.cluster.signal('n1', 'SIGKILL');
  await ended;
  const runs = await Promise.all(
    Array.from({ length: 4 }, () => bench.engine('promote', '--yes', '--json')),
  );
  const winners = runs.filter(({ exitCode }) => exitCode === 0);
  assert.equal(winners.length, 1, runs.map(({ stderr }) => stderr).join('\n'));
  for (const run of runs) {
    if (run.exitCode === 0) continue;
    assert.equal(run.exitCode, 4, run.stderr);
    assert.ok(['term_refused', 'primary_is_well'].includes(codeOf(run)), run.stderr);
  }
  assert.equal((await bench.primaries()).length, 1);
  await goesOn(bench, payments);
});

test('a run that was overtaken by a higher term is refused in the middle', async () => {
  await using bench = await PromotionBench.start();
  await new Payments().begin(bench.journal());
  await bench.cluster.signal('n1', 'SIGKILL');
  const wish = { to: undefined, quorum: undefined };
  const [first, second] = [bench.hand(), bench.hand()];
  const shown = planPromotion(await first.look(), wish);
  assert.ok(shown.kind === 'promote');
  const { signal } = new AbortController();
  let overtaken: Promise<unknown> | undefined;
  const tell = (text: string): void => {
    // Before its first seal the other one begins.
    if (!text.startsWith('seal')) return;
    overtaken ??= second.look().then(async (members) => {
      const plan = planPromotion(members, wish);
      assert.ok(plan.kind === 'promote' && plan.term === shown.term + 1);
      return await runPromotion(second, plan, { wish, tell: () => undefined, signal });
    });
  };
  const mine = await runPromotion(first, shown, { wish, tell, signal }).catch(
    (error: unknown) => error,
  );
  const other = await Promise.resolve(overtaken).catch((error: unknown) => error);
  const isDone = (item: unknown): boolean =>
    typeof item === 'object' && item !== null && 'kind' in item && item.kind === 'promoted';
  assert.ok(mine instanceof TermRefused || isDone(mine), String(mine));
  assert.ok(isDone(other) || (isDone(mine) && !(other instanceof TermRefused)), String(other));
  assert.equal((await bench.primaries()).length, 1);
});

for (const stop of ['seal', 'promote', 'follow'] as const) {
  test(`a run that ends before "${stop}" is explained by status, and the next one finishes it`, async () => {
    await using bench = await PromotionBench.start();
    const { payments, ended } = await underAppends(bench);
    await bench.cluster.signal('n1', 'SIGKILL');
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
    assert.match(status.stdout, stop === 'seal' ? /possible +promote/ : /Run promote again/);
    const finished = await bench.engine('promote', '--yes', '--json');
    assert.equal(finished.exitCode, 0, finished.stderr);
    assert.equal((JSON.parse(finished.stdout) as { term: number }).term, shown.term + 1);
    await goesOn(bench, payments);
  });
}

test('what Patroni runs is left alone', async () => {
  await using bench = await PromotionBench.start();
  await using sign = new Sign(bench.cluster.portOf('n3'));
  await sign.show();
  await bench.cluster.signal('n1', 'SIGKILL');
  const before = await bench.noted('n2');
  for (const parameters of [['plan-promote'], ['promote', '--yes']]) {
    const [verb = '', ...rest] = parameters;
    const refused = await bench.engine(verb, ...rest, '--json');
    assert.equal(refused.exitCode, 4);
    assert.equal(codeOf(refused), 'patroni_has_it');
  }
  assert.deepEqual(await bench.noted('n2'), before);
});

test('a planned change: the primary is fenced first, nothing is lost, and it rejoins', async () => {
  await using bench = await PromotionBench.start();
  const { payments, ended } = await underAppends(bench);
  const done = await bench.engine('promote', '--to', bench.nameOf('n3'), '--yes', '--json');
  assert.equal(done.exitCode, 0, done.stderr);
  assert.equal((JSON.parse(done.stdout) as { primary: string }).primary, bench.nameOf('n3'));
  await ended;
  await goesOn(bench, payments);
  const prepared = await bench.rejoin('n1');
  assert.equal(prepared.exitCode, 0, prepared.stderr);
  await bench.startAlone('n1');
  await untilSame(bench, ['n1', 'n2', 'n3']);
});

test('with a standby gone a reachable primary is fenced and its successor must have all of it', async () => {
  await using bench = await PromotionBench.start();
  const { payments, ended } = await underAppends(bench);
  await bench.cluster.signal('n3', 'SIGKILL');
  const to = ['--to', bench.nameOf('n2')];
  const dry = await bench.engine('plan-promote', ...to);
  assert.match(dry.stdout, /must have received all that it has written/);
  const done = await bench.engine('promote', ...to, '--yes', '--json');
  assert.equal(done.exitCode, 5, done.stderr);
  assert.equal(codeOf(done), 'engine_cannot_acknowledge');
  await ended;
  const ambiguous = await bench.rejoin('n1', '--json');
  assert.equal(codeOf(ambiguous), 'label_unknown');
  const prepared = await bench.rejoin('n1', '--label', 'n1');
  assert.equal(prepared.exitCode, 0, prepared.stderr);
  await bench.startAlone('n1');
  await goesOn(bench, payments);
  assert.deepEqual(await bench.primaries(), ['n2']);
});

test('a member with a higher term than the cluster does not rejoin it', async () => {
  await using bench = await PromotionBench.start();
  await new Payments().begin(bench.journal());
  await bench.cluster.signal('n1', 'SIGKILL');
  const done = await bench.engine('promote', '--yes');
  assert.equal(done.exitCode, 0, done.stderr);
  await appendFile(join(bench.dataOf('n1'), 'postgresql.auto.conf'), "holdfast.term = '99'\n");
  const refused = await bench.rejoin('n1', '--json');
  assert.equal(refused.exitCode, 4);
  assert.equal(codeOf(refused), 'term_higher');
});

async function primaryOf(bench: PromotionBench): Promise<ServerName> {
  const { stdout } = await bench.engine('status', '--json');
  const { primary } = JSON.parse(stdout) as { primary: string };
  return bench.cluster.names.find((name) => bench.nameOf(name) === primary)!;
}

/** A connection as Patroni keeps one. */
class Sign implements AsyncDisposable {
  readonly #client: pg.Client;

  constructor(port: number) {
    this.#client = new pg.Client({
      host: '127.0.0.1',
      port,
      user: 'postgres',
      database: 'postgres',
      application_name: 'Patroni heartbeat',
    });
    this.#client.on('error', () => undefined);
  }

  async show(): Promise<void> {
    await this.#client.connect();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end();
  }
}
