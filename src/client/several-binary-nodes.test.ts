// The binary client in front of several nodes: one is cut off, frozen, stopping or not ready.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type BinaryNode,
  HoldingEngine,
  createBinaryNode,
} from '../api/binary/testing/binary-node.ts';
import { batch, transfer } from '../api/binary/testing/raw-peer.ts';
import { FAKE_API_KEY, LEDGER } from '../api/testing/fake-node.ts';
import { OperationalError } from '../base/errors.ts';
import { FrameKind } from '../base/protocol.ts';
import type { Command } from '../domain/commands.ts';
import type { DomainState } from '../domain/domain.ts';
import type { SubmitResult } from '../engine/contract.ts';
import {
  type BinaryClient,
  type BinaryClientOptions,
  createBinaryClient,
} from './binary-client.ts';
import { ApiProblem, NodeUnavailable, OutcomeUnknown } from './problems.ts';
import { CutLine } from './testing/cut-line.ts';

const WAIT_MS_MAX = 10_000;
/** Whoever pauses so long has missed the deadline. */
const NO_PAUSES = { backoffMs: 60_000, backoffMsMax: 60_000 };

async function until(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + WAIT_MS_MAX;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error('waited in vain');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A node that has everything done by the leader, as standbys do. */
class Standby extends HoldingEngine {
  readonly #leader: HoldingEngine;
  /** Carried out, but said to be unknown. */
  isUnsure = false;

  constructor(leader: HoldingEngine) {
    super();
    this.#leader = leader;
  }

  override get state(): DomainState {
    return this.#leader.state;
  }

  override async submit(command: Command, signal: AbortSignal): Promise<SubmitResult> {
    if (this.failure !== undefined) throw this.failure;
    const result = await this.#leader.submit(command, signal);
    if (this.isUnsure) throw new OperationalError('OUTCOME_UNKNOWN');
    return result;
  }
}

type Member = { readonly engine: Standby; readonly node: BinaryNode; readonly line: CutLine };

class Cluster implements AsyncDisposable {
  readonly leader: HoldingEngine;
  readonly members: readonly Member[];
  readonly #leading: BinaryNode;

  private constructor(leading: BinaryNode, members: readonly Member[]) {
    this.#leading = leading;
    this.leader = leading.engine;
    this.members = members;
  }

  static async start(): Promise<Cluster> {
    const leading = await createBinaryNode();
    const members: Member[] = [];
    while (members.length < 3) {
      const engine = new Standby(leading.engine);
      const node = await createBinaryNode({ engine });
      members.push({ engine, node, line: await CutLine.to(node.port) });
    }
    return new Cluster(leading, members);
  }

  client(options: Partial<BinaryClientOptions> = {}): BinaryClient {
    const url = this.members.map(({ line }) => line.url);
    const limits = { deadlineMs: 5_000, silentMsMax: 250, connectMsMax: 2_000, backoffMs: 1 };
    return createBinaryClient({ url, key: FAKE_API_KEY, ...limits, ...options });
  }

  /** What was sent to each node, as texts: equal ones are equal bytes. */
  sent(kind: number): string[][] {
    return this.members.map(({ line }) =>
      line.sent
        .filter((frame) => frame.kind === kind)
        .map(({ payload }) => Buffer.from(payload).toString('latin1')),
    );
  }

  connections(): number[] {
    return this.members.map(({ line }) => line.connections);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.members.flatMap(({ line, node }) => [line, node]), this.#leading];
    await Promise.all(all.map((one) => one[Symbol.asyncDispose]()));
  }
}

test('when a node is cut off everything under way goes to the next one, the same bytes', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client(NO_PAUSES);
  const { leader, members } = cluster;
  leader.isHolding = true;
  const gathered = [1, 2, 3].map((number) => client.transfers.create(transfer(number)));
  const batched = client.transfers.createBatch(batch(10, 500));
  await until(() => leader.held.length === 2);
  leader.isHolding = false;
  members[0]!.line.cut();
  for (const created of gathered) assert.equal((await created).status, 'exists');
  assert.equal((await batched).refused.length, 0);
  const [first, second, third] = cluster.sent(FrameKind.createTransfers);
  assert.equal(first!.length, 2);
  assert.deepEqual(new Set(second), new Set(first));
  assert.deepEqual(third, []);
  assert.equal(client.counters.unknowns, 2);
  assert.equal(client.url, members[1]!.line.url);
});

test('a node that freezes is left, with everything that waits for it', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client();
  await client.status();
  const [first] = cluster.members;
  first!.line.isDeaf = true;
  const calls = [1, 2, 3, 4].map((number) => client.transfers.createBatch(batch(10 * number, 5)));
  for (const answer of await Promise.all(calls)) assert.equal(answer.refused.length, 0);
  const sent = cluster.sent(FrameKind.createTransfers);
  assert.deepEqual(sent[1], sent[0]);
  assert.deepEqual(cluster.connections(), [1, 1, 0]);
});

test('a node that takes connections and says nothing is passed over', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client({ connectMsMax: 500 });
  cluster.members[0]!.line.isDeaf = true;
  assert.equal((await client.transfers.create(transfer(1))).status, 'created');
  assert.equal(client.counters.unknowns, 0);
  assert.deepEqual(cluster.connections(), [1, 1, 0]);
});

test('a node that thinks for long is not left while it answers pings', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client();
  cluster.leader.isHolding = true;
  const created = client.transfers.create(transfer(1));
  await until(() => cluster.sent(FrameKind.ping)[0]!.length > 10);
  for (const letGo of cluster.leader.held) letGo();
  assert.equal((await created).status, 'created');
  assert.deepEqual(cluster.connections(), [1, 0, 0]);
});

test('a request that a node forgets goes to the next one', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client({ attemptMsMax: 200 });
  const { leader } = cluster;
  leader.isHolding = true;
  const forgotten = client.transfers.createBatch(batch(10, 2));
  await until(() => leader.held.length === 1);
  leader.isHolding = false;
  assert.equal((await forgotten).refused.length, 0);
  const [first, second] = cluster.sent(FrameKind.createTransfers);
  assert.deepEqual(second, first);
  assert.equal(client.counters.unknowns, 1);
  for (const letGo of leader.held) letGo();
});

test('a node that is not ready is left at once, and the others are stayed with', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client(NO_PAUSES);
  const [first, second] = cluster.members;
  first!.engine.failure = new OperationalError('NOT_READY');
  second!.engine.isUnsure = true;
  const calls = [1, 2, 3].map((number) => client.transfers.createBatch(batch(10 * number, 5)));
  for (const { refused } of await Promise.all(calls)) assert.equal(refused.length, 0);
  assert.deepEqual(cluster.connections(), [1, 1, 1]);
  assert.ok(client.counters.unknowns > 0);
  await client.transfers.create(transfer(99));
  assert.deepEqual(cluster.connections(), [1, 1, 1]);
});

test('a node that says goodbye still answers what it was asked; the rest goes elsewhere', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client(NO_PAUSES);
  const { leader, members } = cluster;
  leader.isHolding = true;
  const early = client.transfers.create(transfer(1));
  await until(() => leader.held.length === 1);
  leader.isHolding = false;
  const closed = members[0]!.node.server.close();
  for (let number = 2; cluster.connections()[1] === 0; number++) {
    assert.equal((await client.transfers.create(transfer(number))).status, 'created');
  }
  for (const letGo of leader.held) letGo();
  assert.equal((await early).status, 'created');
  await closed;
  assert.equal(client.counters.unknowns, 0);
});

test('429 is no failure of the node: the same one is asked again', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client();
  const [first] = cluster.members;
  first!.engine.failure = new OperationalError('OVERLOADED');
  const created = client.transfers.create(transfer(1));
  await until(() => client.counters.attempts > 2);
  first!.engine.failure = undefined;
  assert.equal((await created).status, 'created');
  assert.deepEqual(cluster.connections(), [1, 0, 0]);
});

test('a doubt is not lost: overloaded until the deadline after a cut is unknown', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client();
  const { leader, members } = cluster;
  for (const { engine } of members.slice(1)) engine.failure = new OperationalError('OVERLOADED');
  leader.isHolding = true;
  const created = client.transfers.create(transfer(1), { deadlineMs: 500 });
  await until(() => leader.held.length === 1);
  members[0]!.line.cut();
  await assert.rejects(created, OutcomeUnknown);
});

test('when all nodes refuse there are pauses, and nobody is asked meanwhile', async () => {
  await using cluster = await Cluster.start();
  const pauses = { backoffMs: 100, backoffMsMax: 100 };
  await using client = cluster.client({ ...pauses, deadlineMs: 30_000 });
  for (const { engine } of cluster.members) engine.failure = new OperationalError('NOT_READY');
  const created = client.transfers.create(transfer(1));
  setTimeout(() => {
    for (const { engine } of cluster.members) engine.failure = undefined;
  }, 400);
  assert.equal((await created).status, 'created');
  const { attempts, connections, unknowns } = client.counters;
  assert.ok(attempts > 3 && attempts <= 30, `${attempts} attempts`);
  assert.ok(connections <= 30, `${connections} connections`);
  assert.equal(unknowns, 0);
});

test('a call that all nodes refuse until its deadline ends with what they said', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client();
  for (const { engine } of cluster.members) engine.failure = new OperationalError('NOT_READY');
  const refused = client.transfers.create(transfer(1), { deadlineMs: 1_000 });
  // At the deadline one of them may just have been asked: then nobody knows.
  await assert.rejects(
    refused,
    (error) => error instanceof ApiProblem || error instanceof OutcomeUnknown,
  );
});

test('where no node is there the error names all, and connecting is paused', async () => {
  const url = [1, 2, 3].map((port) => `holdfast://127.0.0.1:${port}`);
  const pauses = { backoffMs: 100, backoffMsMax: 100 };
  await using client = createBinaryClient({ url, key: FAKE_API_KEY, ...pauses });
  await assert.rejects(client.status({ deadlineMs: 400 }), (error) => {
    assert.ok(error instanceof NodeUnavailable);
    for (const one of url) assert.ok(error.message.includes(one));
    return true;
  });
  assert.ok(client.counters.connections <= 27, `${client.counters.connections} connections`);
});

test('reads reflect what was told before, also at another node', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client(NO_PAUSES);
  const [first, second, third] = cluster.members;
  await client.accounts.lookup([2n]);
  const { position } = await client.transfers.createBatch(batch(1, 2));
  first!.engine.failure = new OperationalError('NOT_READY');
  const { position: later } = await client.transfers.create(transfer(9));
  assert.equal(client.position, later);
  assert.ok(later > position);
  await client.accounts.lookup([2n]);
  await client.queryAccounts({ limit: 1 }, { afterPosition: later + 7 });
  await client.ledgers.list({ consistency: 'strong' });
  await client.queryTransfers({ limit: 1 }, { consistency: 'local' });
  assert.deepEqual(second!.engine.wishes, [
    { isStrong: false, position: later },
    { isStrong: false, position: later + 7 },
    { isStrong: true, position: later },
  ]);
  assert.deepEqual(first!.engine.wishes, []);
  // A node behind says so, and the next one is asked.
  second!.engine.catchesUp = () => Promise.reject(new OperationalError('CATCH_UP_TIMEOUT'));
  assert.equal((await client.accounts.lookup([2n])).found[0]?.creditsPosted, 3n * 1250n);
  assert.equal(third!.engine.wishes.length, 1);
});

test('every answer to a write is remembered for the reads behind it', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client();
  const legs = [
    { accountId: 1n, side: 'debit', amount: 5n },
    { accountId: 2n, side: 'credit', amount: 5n },
  ] as const;
  for (const act of [
    () => client.ledgers.define({ ledger: 5, currency: 'XTS', exponent: 3 }),
    () => client.accounts.create({ id: 50n, ledger: 5, code: 1 }),
    () => client.accounts.freeze(3n),
    () => client.transfers.create(transfer(1)),
    () => client.transfers.revert(transfer(1).id),
    () => client.postings.create({ id: transfer(2).id, ledger: LEDGER, code: 1, legs }),
    () => client.postings.revert(transfer(2).id),
  ]) {
    await act();
    assert.equal(client.position, cluster.leader.status().position, String(act));
  }
});

test('with one address only those reads wait that say so', async () => {
  await using cluster = await Cluster.start();
  const [first] = cluster.members;
  await using client = cluster.client({ url: first!.line.url });
  await client.transfers.create(transfer(1));
  await client.accounts.lookup([2n]);
  await client.accounts.lookup([2n], { afterPosition: 1 });
  assert.deepEqual(first!.engine.wishes, [{ isStrong: false, position: 1 }]);
});

type Trouble = 'cut' | 'deaf' | 'hears' | 'not ready' | 'unsure' | 'well' | 'nothing';

function befall({ line, engine }: Member, trouble: Trouble): void {
  if (trouble === 'cut') line.cut();
  if (trouble === 'deaf' || trouble === 'hears') line.isDeaf = trouble === 'deaf';
  if (trouble === 'unsure' || trouble === 'well') engine.isUnsure = trouble === 'unsure';
  if (trouble === 'not ready') engine.failure = new OperationalError('NOT_READY');
  if (trouble === 'well') engine.failure = undefined;
}

test('whatever fails, each call ends once, all its attempts are equal, and money moves once', async () => {
  const kinds = ['cut', 'deaf', 'hears', 'not ready', 'unsure', 'well', 'nothing'] as const;
  const step = fc.record({ member: fc.nat(2), trouble: fc.constantFrom<Trouble>(...kinds) });
  const plan = fc.array(step, { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(plan, async (steps) => {
      await using cluster = await Cluster.start();
      await using client = cluster.client({
        silentMsMax: 30,
        connectMsMax: 30,
        attemptMsMax: 60,
        backoffMsMax: 8,
      });
      const calls: Promise<unknown>[] = [];
      let settled = 0;
      for (const [number, { member, trouble }] of steps.entries()) {
        const call = client.transfers.createBatch(batch(10 * number + 1, 2), { deadlineMs: 5_000 });
        calls.push(call.finally(() => settled++));
        befall(cluster.members[member]!, trouble);
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
      for (const member of cluster.members) {
        befall(member, 'hears');
        befall(member, 'well');
      }
      const endings = await Promise.allSettled(calls);
      assert.deepEqual(
        endings.filter(({ status }) => status === 'rejected'),
        [],
      );
      assert.equal(settled, steps.length);
      const sent = cluster.sent(FrameKind.createTransfers).flat();
      assert.equal(new Set(sent).size, steps.length);
      const { found } = await client.accounts.lookup([2n]);
      assert.equal(found[0]?.creditsPosted, BigInt(steps.length) * 2n * 1250n);
    }),
    { numRuns: 15 },
  );
});
