// The HTTP client in front of several nodes: one is away, hangs, is not ready or behind.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatId } from '../base/ids.ts';
import { type Client, type ClientOptions, createClient } from './http-client.ts';
import { ApiProblem, NodeUnavailable, OutcomeUnknown } from './problems.ts';
import { FAKE_KEY, FakeNode, type Fault, problemBody } from './testing/fake-node.ts';
import type { NewTransfer } from './wire.ts';

const TRANSFER: NewTransfer = {
  id: 0x0190_0000_0000_7000_8000_0000_0000_0001n,
  debitAccountId: 1n,
  creditAccountId: 2n,
  amount: 1250n,
  ledger: 978,
  code: 1,
};
const HANG: Fault = { kind: 'hang' };

/** Three nodes of one cluster. */
class Cluster implements AsyncDisposable {
  readonly nodes: readonly FakeNode[];
  /** Places of the nodes in the order in which they were asked. */
  readonly asked: number[] = [];

  private constructor(nodes: readonly FakeNode[]) {
    this.nodes = nodes;
    for (const place of nodes.keys()) this.faults(place, () => undefined);
  }

  static async start(): Promise<Cluster> {
    const first = await FakeNode.start();
    return new Cluster([first, await FakeNode.start(first), await FakeNode.start(first)]);
  }

  get urls(): string[] {
    return this.nodes.map(({ url }) => url);
  }

  faults(place: number, fault: FakeNode['fault']): void {
    this.nodes[place]!.fault = (request, index) => {
      this.asked.push(place);
      return fault(request, index);
    };
  }

  bodies(): Set<string> {
    return new Set(this.nodes.flatMap(({ seen }) => seen.map(({ body }) => body)));
  }

  client(options: Partial<ClientOptions> = {}): Client {
    const { urls } = this;
    return createClient({ url: urls, key: FAKE_KEY, deadlineMs: 5_000, backoffMs: 1, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node[Symbol.asyncDispose]();
  }
}

function answer(status: number, code: string, headers: Record<string, string> = {}): Fault {
  return { kind: 'answer', status, body: problemBody(status, code), headers };
}

test('the first node is asked until it is gone, then the next, without a pause or an error', async () => {
  await using cluster = await Cluster.start();
  // A pause would outlast the deadline.
  await using client = cluster.client({ backoffMs: 60_000, backoffMsMax: 60_000 });
  const { urls } = cluster;
  await client.transfers.create(TRANSFER);
  assert.equal(client.url, urls[0]);
  await cluster.nodes[0]![Symbol.asyncDispose]();
  const { status } = await client.transfers.create({ ...TRANSFER, id: TRANSFER.id + 1n });
  assert.equal(status, 'created');
  assert.equal(client.url, urls[1]);
  await client.transfers.get(TRANSFER.id);
  assert.deepEqual(cluster.asked, [0, 1, 1]);
});

for (const [name, fault, unknowns] of [
  ['a lost answer', { kind: 'drop-after' }, 1],
  ['not_ready', answer(503, 'not_ready', { 'retry-after': '60' }), 0],
  ['shutting_down', answer(503, 'shutting_down', { 'retry-after': '60' }), 0],
  ['outcome_unknown', answer(503, 'outcome_unknown', { 'retry-after': '60' }), 1],
  ['journal_fenced', answer(503, 'journal_fenced', { 'retry-after': '60' }), 1],
] as [name: string, fault: Fault, unknowns: number][]) {
  test(`${name} sends the same bytes to the next node at once`, async () => {
    await using cluster = await Cluster.start();
    await using client = cluster.client({ backoffMs: 60_000, backoffMsMax: 60_000 });
    cluster.faults(0, () => fault);
    cluster.faults(1, () => fault);
    await client.transfers.create(TRANSFER);
    assert.deepEqual(cluster.asked, [0, 1, 2]);
    assert.equal(cluster.bodies().size, 1);
    assert.equal(client.counters.unknowns, 2 * unknowns);
    assert.equal(cluster.nodes[0]!.transfers.size, 1);
    await client.transfers.create({ ...TRANSFER, id: TRANSFER.id + 1n });
    assert.deepEqual(cluster.asked, [0, 1, 2, 2]);
  });
}

test('a node that hangs costs a part of the deadline, and is not asked again at once', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client({ deadlineMs: 1_500 });
  cluster.faults(0, () => HANG);
  const { status } = await client.transfers.create(TRANSFER);
  assert.equal(status, 'exists');
  await client.transfers.get(TRANSFER.id);
  assert.deepEqual(cluster.asked, [0, 1, 1]);
});

test('an attempt limit that is too short for the work grows from round to round', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client({ attemptMsMax: 20, deadlineMs: 30_000 });
  for (const place of [0, 1, 2]) cluster.faults(place, () => ({ kind: 'slow', ms: 100 }));
  assert.equal((await client.transfers.create(TRANSFER)).status, 'exists');
  assert.ok(client.counters.attempts > 3);
});

test('429 is no failure of the node: it is asked again, after a pause', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client();
  cluster.faults(0, (_request, index) => (index < 3 ? answer(429, 'overloaded') : undefined));
  const { status } = await client.transfers.create(TRANSFER);
  assert.equal(status, 'created');
  assert.deepEqual(cluster.asked, [0, 0, 0, 0]);
});

test('a doubt is not lost: overloaded until the deadline after a lost answer is unknown', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client({ deadlineMs: 1_000, backoffMsMax: 50 });
  cluster.faults(0, () => ({ kind: 'drop-after' }));
  cluster.faults(1, () => answer(429, 'overloaded'));
  await assert.rejects(client.transfers.create(TRANSFER), OutcomeUnknown);
  assert.ok(cluster.asked.filter((place) => place === 1).length > 1);
});

test('a refusal of one node is final, and none of the others is asked', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client();
  cluster.faults(0, () => answer(422, 'exceeds_credits'));
  await assert.rejects(client.transfers.create(TRANSFER), ApiProblem);
  assert.deepEqual(cluster.asked, [0]);
});

test('when all nodes fail there is a pause after each round, and no node is left out', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client({ deadlineMs: 30_000, backoffMs: 200, backoffMsMax: 200 });
  let isReady = false;
  for (const place of [0, 1, 2]) {
    cluster.faults(place, () => (isReady ? undefined : answer(503, 'not_ready')));
  }
  const created = client.transfers.create(TRANSFER);
  setTimeout(() => (isReady = true), 400);
  assert.equal((await created).status, 'created');
  const { asked } = cluster;
  assert.ok(asked.length > 3 && asked.length <= 16, `${asked.length} attempts`);
  for (let round = 0; round + 3 <= asked.length; round += 3) {
    assert.equal(new Set(asked.slice(round, round + 3)).size, 3);
  }
  assert.equal(client.counters.unknowns, 0);
});

test('where no node is there the error names all addresses, and nothing was sent', async () => {
  const url = [1, 2, 3].map((port) => `http://127.0.0.1:${port}`);
  await using client = createClient({ url, key: FAKE_KEY, deadlineMs: 200, backoffMs: 1 });
  await assert.rejects(client.transfers.create(TRANSFER), (error) => {
    assert.ok(error instanceof NodeUnavailable);
    for (const one of url) assert.ok(error.message.includes(one));
    return true;
  });
});

test('an abort ends the call, and says nothing about the node', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client();
  const controller = new AbortController();
  cluster.faults(0, () => {
    if (cluster.asked.length > 1) return undefined;
    controller.abort(new Error('the caller left'));
    return HANG;
  });
  const { signal } = controller;
  await assert.rejects(client.transfers.create(TRANSFER, { signal }), OutcomeUnknown);
  await client.transfers.get(TRANSFER.id);
  assert.deepEqual(cluster.asked, [0, 0]);
});

test('reads reflect what was told before, also at another node', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client();
  const [first, second] = cluster.nodes;
  first!.position = 700;
  await client.transfers.create(TRANSFER);
  assert.equal(client.position, 701);
  cluster.faults(0, () => answer(503, 'not_ready'));
  await client.transfers.get(TRANSFER.id);
  await client.transfers.get(TRANSFER.id, { afterPosition: 900 });
  await client.transfers.lookup([TRANSFER.id], { afterPosition: 3 });
  await client.transfers.get(TRANSFER.id, { consistency: 'local' });
  await client.transfers.get(TRANSFER.id, { consistency: 'strong' });
  assert.deepEqual(
    second!.seen.map(({ position }) => position),
    ['701', '900', '701', '', '701'],
  );
  const path = second!.seen.at(-1)!.path;
  assert.ok(path.endsWith('?consistency=strong'), path);
  // A node behind says so, and the next one is asked.
  cluster.faults(1, () => answer(503, 'catch_up_timeout'));
  assert.equal((await client.transfers.get(TRANSFER.id)).amount, 1250n);
  assert.deepEqual(cluster.asked.slice(-2), [1, 2]);
});

test('who does not want it reads whatever there is; writes never wait', async () => {
  await using cluster = await Cluster.start();
  await using client = cluster.client({ readYourWrites: false });
  await client.transfers.create(TRANSFER);
  await client.transfers.create(TRANSFER);
  await client.transfers.get(TRANSFER.id);
  await client.queryTransfers({ limit: 1 }, { consistency: 'strong' }).catch(() => undefined);
  const { seen } = cluster.nodes[0]!;
  assert.deepEqual(new Set(seen.map(({ position }) => position)), new Set(['']));
  assert.equal(seen.at(-1)!.path, '/v1/transfers?limit=1&consistency=strong');
});

test('the other nodes are learnt from the one that answers; older nodes need not know', async () => {
  await using cluster = await Cluster.start();
  const [first, second, third] = cluster.nodes;
  first!.members = [first!.url, second!.url, 'nowhere'];
  await using client = cluster.client({ url: first!.url, discover: true });
  await client.transfers.create(TRANSFER);
  const isDown = ({ path }: { readonly path: string }) => path !== '/v1/cluster';
  cluster.faults(0, (request) => (isDown(request) ? answer(503, 'not_ready') : undefined));
  assert.equal((await client.transfers.get(TRANSFER.id)).amount, 1250n);
  assert.equal(client.url, second!.url);
  await using other = cluster.client({ url: third!.url, discover: true });
  assert.equal((await other.transfers.get(TRANSFER.id)).amount, 1250n);
});

test('whatever fails, each call ends once, and all its attempts carried the same bytes', async () => {
  await using cluster = await Cluster.start();
  const kinds: readonly (Fault | undefined)[] = [
    undefined,
    undefined,
    { kind: 'drop-before' },
    { kind: 'drop-after' },
    HANG,
    answer(429, 'overloaded'),
    answer(503, 'not_ready'),
    answer(503, 'outcome_unknown'),
  ];
  let run = 0;
  const plan = fc.array(fc.nat(kinds.length - 1), { minLength: 1, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(plan, async (faults) => {
      await using client = cluster.client({ deadlineMs: 300, attemptMsMax: 30, backoffMsMax: 4 });
      const before = cluster.nodes.map(({ seen }) => seen.length);
      let at = 0;
      for (const place of [0, 1, 2]) cluster.faults(place, () => kinds[faults[at++] ?? 0]);
      const ids = Array.from({ length: 4 }, (_, number) => TRANSFER.id + BigInt(++run + number));
      run += ids.length;
      const calls = ids.map((id) => client.transfers.create({ ...TRANSFER, id }));
      const endings = await Promise.allSettled(calls);
      const seen = cluster.nodes.flatMap((node, place) => node.seen.slice(before[place]));
      const bodyOf = new Map<string, string>();
      for (const { body } of seen) {
        const { id } = JSON.parse(body) as { readonly id: string };
        assert.equal(body, bodyOf.get(id) ?? body);
        bodyOf.set(id, body);
      }
      assert.ok(client.counters.attempts < 400, 'pauses between rounds');
      for (const [number, ending] of endings.entries()) {
        const isThere = cluster.nodes[0]!.transfers.has(formatId('transfer', ids[number]!));
        if (ending.status === 'fulfilled') assert.ok(isThere);
        else assert.ok(ending.reason instanceof OutcomeUnknown || !isThere, String(ending.reason));
      }
      assert.equal(client.counters.inFlight, 0);
    }),
    { numRuns: 25 },
  );
});
