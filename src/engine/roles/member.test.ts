import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { isOperationalError } from '../../base/errors.ts';
import { findAccount } from '../../domain/queries.ts';
import { CREATED, REFUSAL } from '../../domain/refusals.ts';
import { Cluster } from '../../../test/support/cluster-rig.ts';
import {
  BOB,
  FOREVER,
  codesOf,
  openBooks,
  pay,
  transfer,
} from '../../../test/support/engine-rig.ts';
import { until } from '../../../test/support/until.ts';

test('one leads, the other follows it and takes payments too', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one');
  assert.equal(one.node.status().role, 'leading');
  await openBooks(one.node);
  const two = await cluster.start('two');
  assert.equal(two.node.status().role, 'following');
  await cluster.untilLevel();
  assert.deepEqual(codesOf([await one.node.submit(pay(transfer({}, Date.now())), FOREVER)]), [
    CREATED,
  ]);
  const { position } = await two.node.submit(pay(transfer({}, Date.now())), FOREVER);
  // Who is answered here reads here what he was told.
  assert.ok(two.node.status().position >= position);
  assert.equal(findAccount(two.node.state, BOB)?.creditsPosted, 10n);
});

test('a killed leader is followed by another one, and what it acknowledged is there', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one');
  await openBooks(one.node);
  await cluster.start('two');
  await cluster.start('three');
  const payment = transfer({}, Date.now());
  await one.node.submit(pay(payment), FOREVER);
  cluster.kill(one);
  const next = await cluster.untilLed();
  assert.equal(next.node.status().epoch, 2);
  assert.deepEqual(codesOf([await next.node.submit(pay(payment), FOREVER)]), [REFUSAL.exists]);
  const [standby] = cluster.standbys();
  assert.deepEqual(codesOf([await standby!.node.submit(pay(transfer({}, Date.now())), FOREVER)]), [
    CREATED,
  ]);
  assert.equal(findAccount(standby!.node.state, BOB)?.creditsPosted, 10n);
});

test('what a standby held happens when it leads itself, although nothing else arrives', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one');
  await openBooks(one.node);
  const two = await cluster.start('two');
  await cluster.untilLevel();
  cluster.kill(one);
  const held = two.node.submit(pay(transfer({}, Date.now())), AbortSignal.timeout(10_000));
  assert.deepEqual(codesOf([await held]), [CREATED]);
  assert.equal(two.node.status().role, 'leading');
});

test('the others hear that the journal of the leader is full', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one');
  await openBooks(one.node);
  const two = await cluster.start('two');
  for (let attempt = 0; attempt < 1000; attempt++) cluster.log.planNext({ kind: 'full' });
  await assert.rejects(one.node.submit(pay(transfer({}, Date.now())), FOREVER), (error) =>
    isOperationalError(error, 'JOURNAL_FULL'),
  );
  for (const { node } of [one, two]) {
    await until(() => {
      const members = node.cluster?.view().members ?? [];
      return members.some(({ id, state }) => id === 'one' && state?.impediment === 'JOURNAL_FULL');
    }, 'the impediment to be known');
  }
});

test('a leader hands over under load, follows, and leads again; no caller hears of it', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one');
  await openBooks(one.node);
  const two = await cluster.start('two');
  const over = new AbortController();
  const load = [one, two].map(async ({ node }) => {
    let count = 0n;
    while (!over.signal.aborted) {
      assert.deepEqual(codesOf([await node.submit(pay(transfer({}, Date.now())), FOREVER)]), [
        CREATED,
      ]);
      count++;
    }
    return count;
  });
  const done = await one.node.cluster!.switchover('two', FOREVER);
  assert.equal(done.to, 'two');
  await until(() => one.node.status().role === 'following', 'the first to follow');
  await one.node.cluster!.switchover('one', FOREVER);
  await until(() => one.node.status().role === 'leading', 'the first to lead again');
  over.abort();
  const counts = await Promise.all(load);
  await cluster.untilLevel();
  const paid = counts.reduce((sum, count) => sum + count, 0n);
  for (const { node } of [one, two]) {
    assert.equal(findAccount(node.state, BOB)?.creditsPosted, 5n * paid);
  }
  const terms = one.node.cluster!.terms(10);
  assert.deepEqual(
    terms.map(({ node }) => node),
    ['one', 'two', 'one'],
  );
  assert.match(terms[1]!.reason, /hand-over from one/);
});

test('a leader that is stopped hands over first, and answers what it holds through the next', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one');
  await openBooks(one.node);
  const two = await cluster.start('two');
  await cluster.untilLevel();
  const payments = Array.from({ length: 20 }, () => transfer({}, Date.now()));
  const paid = payments.map((payment) => one.node.submit(pay(payment), FOREVER));
  const stopped = one.node.stop(10_000);
  assert.deepEqual(new Set(codesOf(await Promise.all(paid))), new Set([CREATED]));
  await stopped;
  one.isDead = true;
  assert.equal(one.node.status().role, 'stopped');
  assert.equal((await cluster.untilLed()).id, 'two');
  assert.match(two.node.cluster!.terms(1)[0]!.reason, /hand-over from one/);
  assert.equal(findAccount(two.node.state, BOB)?.creditsPosted, 100n);
});

test('a node that is stopping answers whoever still asks, also after it handed over', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one');
  await openBooks(one.node);
  await cluster.start('two');
  await cluster.untilLevel();
  const asked: Promise<unknown>[] = [];
  const over = new AbortController();
  const asking = (async (): Promise<void> => {
    while (!over.signal.aborted) {
      asked.push(one.node.submit(pay(transfer({}, Date.now())), FOREVER).catch((error) => error));
      await pause(1);
    }
  })();
  await one.node.stop(10_000);
  one.isDead = true;
  await pause(20);
  over.abort();
  await asking;
  const refused = (await Promise.all(asked)).filter((answer) => answer instanceof Error);
  assert.ok(refused.length >= 2, 'asked also after the end');
  for (const error of refused) assert.ok(isOperationalError(error, 'SHUTTING_DOWN'), `${error}`);
});

test('a strong read at a standby sees what was acknowledged elsewhere', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one');
  await openBooks(one.node);
  const two = await cluster.start('two');
  for (let count = 1n; count <= 20n; count++) {
    await one.node.submit(pay(transfer({}, Date.now())), FOREVER);
    await two.node.catchUp({ isStrong: true, position: 0 }, FOREVER);
    assert.equal(findAccount(two.node.state, BOB)?.creditsPosted, 5n * count);
  }
  const position = two.node.status().position + 1000;
  const soon = AbortSignal.timeout(20);
  await assert.rejects(two.node.catchUp({ isStrong: false, position }, soon), (error) =>
    isOperationalError(error, 'CATCH_UP_TIMEOUT'),
  );
});
