// What a cluster does while the engine that its journal stands on is away, and when it is back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationalError, isOperationalError } from '../../base/errors.ts';
import { findAccount } from '../../domain/queries.ts';
import { CREATED, REFUSAL } from '../../domain/refusals.ts';
import { createJournal } from '../../drivers/memory/driver.ts';
import { Cluster, type ClusterNode } from '../../../test/support/cluster-rig.ts';
import {
  BOB,
  FOREVER,
  changedJournal,
  codesOf,
  openBooks,
  pay,
  refusalOf,
  transfer,
} from '../../../test/support/engine-rig.ts';
import { until } from '../../../test/support/until.ts';

const UNSAFE = { error: () => new OperationalError('JOURNAL_UNSAFE', { detail: 'fsync is off.' }) };

async function three(cluster: Cluster): Promise<ClusterNode[]> {
  const one = await cluster.start('one');
  await openBooks(one.node);
  return [one, await cluster.start('two'), await cluster.start('three')];
}

function now(): ReturnType<typeof pay> {
  return pay(transfer({}, Date.now()));
}

function received({ node }: ClusterNode): bigint {
  return findAccount(node.state, BOB)?.creditsPosted ?? 0n;
}

async function untilAllSay(nodes: readonly ClusterNode[], impediment: string | undefined) {
  const say = ({ node }: ClusterNode): boolean => node.status().impediment === impediment;
  await until(() => nodes.every(say), `all to say ${impediment ?? 'nothing'}`);
}

for (const appends of ['unknown', 'wait'] as const) {
  test(`no node halts while the engine is away, and payments go on when it is back (appends: ${appends})`, async () => {
    await using cluster = new Cluster();
    const nodes = await three(cluster);
    await nodes[0]!.node.submit(now(), FOREVER);
    await cluster.untilLevel();
    cluster.log.outage.begin({ appends });
    const held = nodes.map(({ node }) => node.submit(now(), FOREVER));
    await untilAllSay(nodes, 'JOURNAL_UNAVAILABLE');
    for (const { node, halts } of nodes) {
      assert.deepEqual(halts, []);
      assert.equal(findAccount(node.state, BOB)?.creditsPosted, 5n, 'its books can be read');
    }
    cluster.log.outage.end();
    const codes = codesOf(await Promise.all(held));
    for (const code of codes) assert.ok(code === CREATED || code === REFUSAL.exists, String(code));
    await cluster.untilLed();
    await cluster.untilLevel();
    await untilAllSay(nodes, undefined);
    for (const one of nodes) {
      assert.equal(received(one), 20n);
      assert.deepEqual(one.halts, []);
      assert.deepEqual(one.told, ['JOURNAL_UNAVAILABLE', 'back'], 'once for an outage');
      assert.equal(one.node.status().journal.outages, 1);
      assert.ok(one.node.status().journal.awaySecondsTotal > 0);
    }
  });
}

test('a node that is the only one of its cluster opens a new epoch by itself', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one');
  await openBooks(one.node);
  cluster.log.outage.begin({ appends: 'unanswered' });
  const held = one.node.submit(now(), FOREVER);
  await until(() => one.node.status().role === 'following', 'it to lead no more');
  await untilAllSay([one], 'JOURNAL_UNAVAILABLE');
  cluster.log.outage.end();
  assert.deepEqual(codesOf([await held]), [REFUSAL.exists], 'it had been written');
  assert.equal(received(one), 5n);
  assert.deepEqual(one.halts, []);
});

test('who gives up waiting hears whether it may have happened', async () => {
  await using cluster = new Cluster();
  const [one, two] = await three(cluster);
  cluster.log.outage.begin({ appends: 'unknown' });
  const leaving = new AbortController();
  // The first is numbered, and its append is lost: nobody can say what became of it.
  const numbered = refusalOf(one!.node.submit(now(), leaving.signal));
  await untilAllSay([one!, two!], 'JOURNAL_UNAVAILABLE');
  const later = [one!, two!].map(({ node }) => refusalOf(node.submit(now(), leaving.signal)));
  leaving.abort();
  assert.equal((await numbered).code, 'OUTCOME_UNKNOWN');
  for (const refusal of await Promise.all(later)) {
    assert.equal(refusal.code, 'JOURNAL_UNAVAILABLE');
    assert.match(refusal.detail, /it will not happen/);
  }
  cluster.log.outage.end();
  await cluster.untilLed();
  await cluster.untilLevel();
  assert.equal(received(one!), 0n, 'nobody waited any more: nothing was sent again');
});

test('a queue that those who gave up have filled takes new ones all the same', async () => {
  await using cluster = new Cluster();
  const [one] = await three(cluster);
  cluster.log.outage.begin();
  await untilAllSay([one!], 'JOURNAL_UNAVAILABLE');
  const { node } = one!;
  const leaving = new AbortController();
  const gone = Array.from({ length: 1000 }, () => node.submit(now(), leaving.signal));
  const refused = await refusalOf(node.submit(now(), FOREVER));
  assert.equal(refused.code, 'JOURNAL_UNAVAILABLE', 'the queue is full, and it is said why');
  leaving.abort();
  await Promise.allSettled(gone);
  const held = node.submit(now(), FOREVER);
  assert.ok(node.status().queuedCommands < 1000, 'those who left have no places any more');
  cluster.log.outage.end();
  assert.deepEqual(codesOf([await held]), [CREATED]);
});

test('a node that starts while the engine is away waits, says why, and goes on by itself', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one');
  await openBooks(one.node);
  cluster.log.outage.begin();
  const two = await cluster.begin('two');
  const started = two.node.start();
  await until(() => two.node.status().impediment === 'JOURNAL_UNAVAILABLE', 'it to wait');
  assert.equal(two.node.status().role, 'recovering');
  assert.match(two.node.status().reason, /engine is away/);
  cluster.log.outage.end();
  await started;
  assert.equal(two.node.status().impediment, undefined);
  assert.deepEqual(two.told, ['JOURNAL_UNAVAILABLE', 'back']);
  assert.deepEqual(codesOf([await two.node.submit(now(), FOREVER)]), [CREATED]);
});

test('an engine that is not safe halts a node that starts, and only holds up one that has served', async () => {
  await using cluster = new Cluster();
  const nodes = await three(cluster);
  cluster.log.outage.begin(UNSAFE);
  const late = await cluster.begin('late');
  await assert.rejects(late.node.start(), (error) => isOperationalError(error, 'JOURNAL_UNSAFE'));
  assert.equal(late.node.status().role, 'halted');
  assert.match(late.node.status().reason, /fsync is off/);
  cluster.kill(late);
  const held = nodes[1]!.node.submit(now(), FOREVER);
  await untilAllSay(nodes.slice(1), 'JOURNAL_UNSAFE');
  for (const { halts, told } of nodes.slice(1)) {
    assert.deepEqual(halts, []);
    assert.deepEqual(told, ['JOURNAL_UNSAFE']);
  }
  cluster.log.outage.end();
  assert.ok([CREATED, REFUSAL.exists].includes(codesOf([await held])[0] ?? -1));
});

test('an engine that can be read and takes nothing: attempts to lead pause, and are told once', async () => {
  await using cluster = new Cluster();
  const nodes = await three(cluster);
  cluster.kill(nodes[0]!);
  const rest = nodes.slice(1);
  cluster.log.outage.begin({ isReadable: true });
  const held = rest[0]!.node.submit(now(), FOREVER);
  await until(() => cluster.log.outage.refusals >= 6, 'some attempts');
  for (const { log, told, halts } of rest) {
    assert.deepEqual(halts, []);
    assert.ok(told.length <= 1, String(told));
    assert.ok(log.filter((line) => /tries to lead/.test(line)).length <= 1, log.join('\n'));
    assert.ok(log.filter((line) => /does not lead/.test(line)).length <= 1, log.join('\n'));
  }
  cluster.log.outage.end();
  assert.deepEqual(codesOf([await held]), [CREATED]);
  for (const { told } of rest) assert.deepEqual(told, ['JOURNAL_UNAVAILABLE', 'back']);
});

test('a leader whose engine fails over waits for it: nothing is in doubt and nobody else leads', async () => {
  await using cluster = new Cluster();
  const [one] = await three(cluster);
  const { epoch } = one!.node.status();
  cluster.log.outage.begin({ appends: 'wait', isReadable: true });
  const held = one!.node.submit(now(), FOREVER);
  await until(() => one!.node.status().impediment === 'JOURNAL_UNAVAILABLE', 'people to be told');
  cluster.log.outage.end();
  assert.deepEqual(codesOf([await held]), [CREATED]);
  assert.equal(one!.node.status().role, 'leading');
  assert.equal(one!.node.status().epoch, epoch);
  await until(() => one!.node.status().impediment === undefined, 'it to be over');
  assert.deepEqual(one!.told, ['JOURNAL_UNAVAILABLE', 'back']);
});

test('a leader that alone has lost the engine makes room for one that has not', async () => {
  await using cluster = new Cluster();
  const outage = cluster.outageOf('one');
  const one = await cluster.start('one');
  await openBooks(one.node);
  const two = await cluster.start('two');
  await cluster.start('three');
  outage.begin({ appends: 'wait' });
  const payment = now();
  const doubtful = refusalOf(one.node.submit(payment, FOREVER));
  await until(() => cluster.leader() !== undefined && cluster.leader() !== one, 'another to lead');
  assert.deepEqual(codesOf([await two.node.submit(now(), FOREVER)]), [CREATED]);
  // It cannot read what becomes of a payment: callers hear so at once, and go elsewhere.
  assert.equal((await doubtful).code, 'OUTCOME_UNKNOWN');
  assert.equal((await refusalOf(one.node.submit(now(), FOREVER))).code, 'JOURNAL_UNAVAILABLE');
  assert.deepEqual(codesOf([await two.node.submit(payment, FOREVER)]), [CREATED]);
  assert.equal(one.node.status().role, 'following');
  outage.end();
  await until(() => one.node.status().impediment === undefined, 'it to be back');
  assert.deepEqual(codesOf([await one.node.submit(now(), FOREVER)]), [CREATED]);
  await cluster.untilLevel();
  assert.equal(received(one), 15n);
  assert.deepEqual(one.halts, []);
});

test('a standby that cannot reach the engine is not called, and does not take over', async () => {
  await using cluster = new Cluster();
  const outage = cluster.outageOf('three');
  const one = await cluster.start('one');
  await openBooks(one.node);
  // By its name it would be called first.
  const three = await cluster.start('three');
  await cluster.start('two');
  outage.begin();
  await until(() => three.node.status().impediment === 'JOURNAL_UNAVAILABLE', 'it to notice');
  // What it sent it could not answer: it keeps it, and who gives up knows that nothing happened.
  const kept = await refusalOf(three.node.submit(now(), AbortSignal.timeout(50)));
  assert.equal(kept.code, 'JOURNAL_UNAVAILABLE');
  assert.equal(received(one), 0n);
  const failover = (): string => one.node.cluster!.view().failover.reason;
  await until(() => failover() === 'two can take over.', 'the others to know');
  await assert.rejects(one.node.cluster!.switchover('three', FOREVER), /three/);
  cluster.kill(one);
  await until(() => cluster.leader()?.id === 'two', 'the other to lead');
  assert.ok(!three.log.some((line) => /tries to lead/.test(line)), three.log.join('\n'));
  outage.end();
  assert.deepEqual(codesOf([await three.node.submit(now(), FOREVER)]), [CREATED]);
});

test('an opening that can be read only a moment after its acknowledgement is waited for', async () => {
  await using cluster = new Cluster();
  const inner = createJournal({ log: cluster.log });
  let isBehind = false;
  const journal = changedJournal(inner, {
    append: (entry) => {
      isBehind = true;
      return inner.append(entry);
    },
    async *read(options) {
      // The first look after an append does not show it yet.
      const hidden = isBehind && !options.follow ? cluster.log.end - 1 : Number.POSITIVE_INFINITY;
      isBehind &&= options.follow;
      for await (const batch of inner.read(options)) {
        yield batch.filter(({ offset }) => Number(offset.slice(1)) < hidden);
      }
    },
  });
  const one = await cluster.start('one', { journal });
  assert.equal(one.node.status().epoch, 1);
  assert.deepEqual(
    one.log.filter((line) => /does not lead/.test(line)),
    [],
  );
});

test('a cluster whose journal has begun does not begin another one', async () => {
  await using cluster = new Cluster();
  const one = await cluster.begin('one', { hasBegun: true });
  await assert.rejects(one.node.start(), /journal is empty.*payments are missing/);
  assert.equal(one.node.status().role, 'halted');
  assert.equal(cluster.log.end, 0);
});
