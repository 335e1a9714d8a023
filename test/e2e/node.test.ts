// The node as a process: starting, stopping, being killed, being told nonsense, being pressed.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, stat } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Client } from '../../src/client/http-client.ts';
import { type NewTransfer, newTransferJson } from '../../src/client/wire.ts';
import type { PlainAnswer, PlainCaller } from '../support/plain-caller.ts';
import { type Ended, SpawnedNode, callerOf, clientOf, keyOf } from '../support/spawned-node.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { PAYEE, openAccounts, payment, paymentsJson, received } from '../support/two-accounts.ts';

type Failure = {
  readonly code: string;
  readonly detail: string;
  readonly action: string;
  readonly exit_code: number;
};

/** The last word of a process that failed. */
function failureOf({ stderr }: Ended): Failure {
  const last = stderr.trimEnd().split('\n').at(-1) ?? '';
  return (JSON.parse(last) as { readonly error: Failure }).error;
}

async function runningNode(data: string): Promise<unknown> {
  return JSON.parse(await readFile(join(data, 'node.json'), 'utf8'));
}

test('a first start says where it listens and where its key is, and leaves nothing behind but data', async () => {
  await using folder = await TemporaryFolder.make();
  const data = join(folder.path, 'data');
  await using node = new SpawnedNode({ data });
  const ready = await node.ready();
  assert.equal(ready.event, 'ready');
  assert.equal(ready.pid, node.pid);
  assert.equal(ready.epoch, 1);
  assert.equal(ready.torn_bytes_cut, 0);
  assert.equal(ready.api_key_file, join(data, 'api-key'));
  assert.equal((await stat(ready.api_key_file)).mode & 0o777, 0o600);
  assert.deepEqual(await runningNode(data), {
    url: ready.url,
    binary_url: ready.binary_url,
    pid: node.pid,
  });
  assert.equal((await fetch(new URL('/livez', ready.url))).status, 200);
  assert.equal((await fetch(new URL('/readyz', ready.url))).status, 200);

  const { exitCode, stdout, stderr } = await node.end('SIGTERM');
  assert.equal(exitCode, 0, stderr);
  assert.equal(stdout.trimEnd().split('\n').length, 1);
  assert.equal(stdout.includes(await keyOf(ready)), false);
  assert.equal(stderr.includes(await keyOf(ready)), false);
  assert.equal(existsSync(join(data, 'node.json')), false);

  await using again = new SpawnedNode({ data });
  assert.equal((await again.ready()).epoch, 2);
  assert.equal((await again.end('SIGINT')).exitCode, 0);
  assert.equal(existsSync(join(data, 'node.json')), false);
});

test('an acknowledged transfer survives SIGKILL, and the same transfer again answers exists', async () => {
  await using folder = await TemporaryFolder.make();
  const paid: NewTransfer[] = [];
  for (const epoch of [1, 2, 3]) {
    await using node = new SpawnedNode({ data: folder.path });
    const ready = await node.ready();
    assert.equal(ready.epoch, epoch);
    await using client = await clientOf(ready);
    if (epoch === 1) await openAccounts(client);
    for (const earlier of paid) {
      assert.equal((await client.transfers.create(earlier)).status, 'exists');
    }
    assert.equal(await received(client), sumOf(paid));
    const next = payment(BigInt(epoch));
    assert.equal((await client.transfers.create(next)).status, 'created');
    paid.push(next);
    assert.equal((await node.end('SIGKILL')).signal, 'SIGKILL');
  }
});

test('a second process on the same data folder is refused and does not disturb the first', async () => {
  await using folder = await TemporaryFolder.make();
  const data = folder.path;
  await using first = new SpawnedNode({ data });
  const ready = await first.ready();
  await using client = await clientOf(ready);
  await openAccounts(client);
  await using second = new SpawnedNode({
    data,
    settings: { HOLDFAST_JOURNAL_LOCK_WAIT_MS: '200' },
  });
  const ended = await second.ended;
  assert.equal(ended.exitCode, 5, ended.stderr);
  assert.equal(ended.stdout, '');
  const { code, detail, action, exit_code: exitCode } = failureOf(ended);
  assert.equal(code, 'journal_locked');
  assert.equal(exitCode, 5);
  assert.match(detail, new RegExp(`held by process ${first.pid};`));
  assert.match(action, /Stop that process/);

  assert.deepEqual(await runningNode(data), {
    url: ready.url,
    binary_url: ready.binary_url,
    pid: first.pid,
  });
  assert.equal((await client.transfers.create(payment(7n))).status, 'created');
  assert.equal(await received(client), 7n);
  assert.equal((await first.end('SIGTERM')).exitCode, 0);
});

test('stopping under load answers what was admitted and refuses the rest as not executed', async () => {
  await using folder = await TemporaryFolder.make();
  await using node = new SpawnedNode({ data: folder.path });
  const ready = await node.ready();
  await using client = await clientOf(ready);
  await openAccounts(client);
  const caller = await callerOf(ready);
  const enough = Promise.withResolvers<void>();
  const load = new Load(caller, () => enough.resolve());
  const loading = load.run(24);
  await enough.promise;
  const { exitCode, stderr } = await node.end('SIGTERM');
  assert.equal(exitCode, 0, stderr);
  await loading;
  assert.ok(load.created.length >= Load.ENOUGH);
  assert.ok(load.refused.length + load.unanswered.length > 0);

  await using next = new SpawnedNode({ data: folder.path });
  await using reader = await clientOf(await next.ready());
  assert.equal(await received(reader), BigInt(load.created.length * Load.BATCH));
  for (const batch of load.created) {
    assert.deepEqual(await statusesOf(reader, batch), ['exists']);
  }
  // Whoever got no answer was not admitted either: a stopping node answers those that it admits.
  for (const batch of [...load.refused, ...load.unanswered]) {
    assert.deepEqual(await statusesOf(reader, batch), ['created']);
  }
});

async function statusesOf(client: Client, batch: readonly NewTransfer[]): Promise<string[]> {
  const { results } = await client.transfers.createBatch(batch);
  assert.equal(results.length, batch.length);
  return [...new Set(results.map(({ status }) => status))];
}

/** Batches, one after the other in each worker, until the node takes none any more. */
class Load {
  static readonly ENOUGH = 60;
  /** Large enough that there is nearly always one on its way to the disk. */
  static readonly BATCH = 200;
  readonly created: NewTransfer[][] = [];
  readonly refused: NewTransfer[][] = [];
  /** The connection was refused or had just been closed. */
  readonly unanswered: NewTransfer[][] = [];
  readonly #caller: PlainCaller;
  readonly #onEnough: () => void;

  constructor(caller: PlainCaller, onEnough: () => void) {
    this.#caller = caller;
    this.#onEnough = onEnough;
  }

  async run(workers: number): Promise<void> {
    await Promise.all(Array.from({ length: workers }, () => this.#work()));
  }

  async #work(): Promise<void> {
    for (;;) {
      const batch = Array.from({ length: Load.BATCH }, () => payment());
      const answer = await this.#answerTo(batch);
      if (answer === undefined) {
        this.unanswered.push(batch);
        return;
      }
      if (answer.status === 503) {
        assert.equal(answer.body['code'], 'shutting_down');
        assert.match(answer.retryAfter ?? '', /^[0-9]+$/);
        this.refused.push(batch);
        return;
      }
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      this.created.push(batch);
      if (this.created.length === Load.ENOUGH) this.#onEnough();
    }
  }

  async #answerTo(batch: readonly NewTransfer[]): Promise<PlainAnswer | undefined> {
    try {
      return await this.#caller.post('/v1/transfers/batch', paymentsJson(batch));
    } catch (error) {
      assert.ok(error instanceof TypeError, String(error));
      return undefined;
    }
  }
}

test('wrong settings are all named at once, and nothing is started', async () => {
  await using folder = await TemporaryFolder.make();
  const data = join(folder.path, 'data');
  await using node = new SpawnedNode({
    data,
    settings: { HOLDFAST_PORT: 'abc', HOLDFAST_PROT: '1', HOLDFAST_DRAIN_MS: '-1' },
  });
  const ended = await node.ended;
  assert.equal(ended.stdout, '');
  const { code, detail, action, exit_code: exitCode } = failureOf(ended);
  assert.equal(ended.exitCode, exitCode);
  assert.equal(exitCode, 2);
  assert.equal(code, 'configuration_invalid');
  assert.match(detail, /HOLDFAST_PORT=abc wants a whole number from 0 to 65535/);
  assert.match(detail, /HOLDFAST_PROT is not a setting/);
  assert.match(detail, /HOLDFAST_DRAIN_MS=-1 wants a whole number/);
  assert.match(action, /Nothing was started/);
  assert.equal(existsSync(data), false);
});

test('a file of the data folder that cannot be used is named', async () => {
  await using folder = await TemporaryFolder.make();
  await mkdir(join(folder.path, 'api-key'));
  await using node = new SpawnedNode({ data: folder.path });
  const ended = await node.ended;
  assert.equal(ended.exitCode, 1, ended.stderr);
  assert.equal(ended.stdout, '');
  const { code, detail, action } = failureOf(ended);
  assert.equal(code, 'data_folder_unusable');
  assert.ok(detail.startsWith(`${join(folder.path, 'api-key')} does not hold a key`), detail);
  assert.match(action, /Nothing was started/);
});

test('a journal without its identity is not touched, and the message says what to do', async () => {
  await using folder = await TemporaryFolder.make();
  const data = folder.path;
  const sum = await payAndStop(data, [5n]);
  const identity = join(data, 'cluster.json');
  await rename(identity, `${identity}.away`);
  const before = await journalBytes(data);
  await using node = new SpawnedNode({ data });
  const ended = await node.ended;
  assert.equal(ended.exitCode, 1, ended.stderr);
  assert.equal(ended.stdout, '');
  const { code, detail, action } = failureOf(ended);
  assert.equal(code, 'data_folder_unusable');
  assert.match(detail, /cluster\.json is missing, but there is a journal beside it/);
  assert.match(action, /Put the file back from a copy/);
  assert.equal(existsSync(identity), false);
  assert.deepEqual(await journalBytes(data), before);

  await rename(`${identity}.away`, identity);
  await using again = new SpawnedNode({ data });
  await using client = await clientOf(await again.ready());
  assert.equal(await received(client), sum);
});

test('a port in use is said so, with a way out, and the journal is not touched', async () => {
  await using folder = await TemporaryFolder.make();
  const data = folder.path;
  await payAndStop(data, [5n]);
  const before = await journalBytes(data);
  await using listener = createServer();
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  await using node = new SpawnedNode({ data, port });
  const ended = await node.ended;
  assert.equal(ended.exitCode, 2, ended.stderr);
  assert.equal(ended.stdout, '');
  const { code, detail, action } = failureOf(ended);
  assert.equal(code, 'configuration_invalid');
  assert.match(detail, new RegExp(`127\\.0\\.0\\.1:${port}: .*in use`));
  assert.match(action, /--port/);
  assert.deepEqual(await journalBytes(data), before);
  assert.equal(existsSync(join(data, 'node.json')), false);
});

test('beyond its queue the node answers 429 and nothing else, and retries by id succeed', async () => {
  await using folder = await TemporaryFolder.make();
  await using node = new SpawnedNode({
    data: folder.path,
    settings: { HOLDFAST_QUEUE_COMMANDS_MAX: '1' },
  });
  const ready = await node.ready();
  await using client = await clientOf(ready);
  await openAccounts(client);
  const caller = await callerOf(ready);
  const created: NewTransfer[] = [];
  const refused: NewTransfer[] = [];
  const roundsMax = 20;
  for (let round = 0; round < roundsMax && refused.length === 0; round++) {
    const sent = Array.from({ length: 64 }, () => payment());
    const answers = await Promise.all(
      sent.map((one) => caller.post('/v1/transfers', newTransferJson(one))),
    );
    for (const [index, { status, retryAfter, body }] of answers.entries()) {
      const one = sent[index]!;
      if (status === 201) {
        created.push(one);
        continue;
      }
      assert.equal(status, 429, JSON.stringify(body));
      assert.equal(body['code'], 'overloaded');
      assert.equal(body['retryable'], true);
      assert.match(retryAfter ?? '', /^[1-9][0-9]*$/);
      refused.push(one);
    }
  }
  assert.ok(refused.length > 0, 'with room for one command, some of many callers are refused');
  assert.equal(await received(client), BigInt(created.length));
  for (const one of refused) {
    assert.equal((await caller.post('/v1/transfers', newTransferJson(one))).status, 201);
  }
  for (const one of created) {
    assert.equal((await caller.post('/v1/transfers', newTransferJson(one))).status, 200);
  }
  assert.equal(await received(client), BigInt(created.length + refused.length));
  assert.equal((await node.end('SIGTERM')).exitCode, 0);
});

function sumOf(payments: readonly NewTransfer[]): bigint {
  return payments.reduce((sum, { amount = 0n }) => sum + amount, 0n);
}

/** Runs a node, makes payments, stops it; returns what the payee has received. */
async function payAndStop(data: string, amounts: readonly bigint[]): Promise<bigint> {
  await using node = new SpawnedNode({ data });
  await using client: Client = await clientOf(await node.ready());
  await openAccounts(client);
  for (const amount of amounts) await client.transfers.create(payment(amount));
  const { creditsPosted } = await client.accounts.get(PAYEE);
  assert.equal((await node.end('SIGTERM')).exitCode, 0);
  return creditsPosted;
}

async function journalBytes(data: string): Promise<Map<string, string>> {
  const folder = join(data, 'journal');
  const contents = new Map<string, string>();
  for (const name of (await readdir(folder)).sort()) {
    if (!name.endsWith('.journal')) continue;
    contents.set(name, (await readFile(join(folder, name))).toString('base64'));
  }
  return contents;
}
