// A full disk is no catastrophe: what was acknowledged stays readable, what is refused certainly
// did not happen, and when there is room again the node goes on by itself.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Client, createClient } from '../../src/client/http-client.ts';
import type { NewTransfer } from '../../src/client/wire.ts';
import { createJournal } from '../../src/drivers/file/driver.ts';
import { type FileSystem, realFileSystem } from '../../src/drivers/file/file-system.ts';
import type { Journal } from '../../src/ports/journal.ts';
import { PlainCaller } from '../support/plain-caller.ts';
import { QuotaFileSystem } from '../support/quota-file-system.ts';
import { KEY, ServedNode } from '../support/served-node.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { LEDGER, openAccounts, payment, paymentsJson, received } from '../support/two-accounts.ts';
import { until } from '../support/until.ts';

const SEGMENT_BYTES = 128 * 1024;
const CAPACITY_BYTES = 3 * SEGMENT_BYTES;
const BATCH = 100;
const BATCHES_MAX = 1000;

type Check = { readonly name: string; readonly ok: boolean; readonly detail: string };

function journalOn(folder: TemporaryFolder, fileSystem: FileSystem = realFileSystem): Journal {
  const directory = join(folder.path, 'journal');
  return createJournal({ directory, segmentBytes: SEGMENT_BYTES, fileSystem });
}

function batch(): NewTransfer[] {
  return Array.from({ length: BATCH }, () => payment());
}

/** Sends batches until one is refused, and returns how many were acknowledged before. */
async function fill(
  caller: PlainCaller,
): Promise<{ acknowledged: number; refused: NewTransfer[] }> {
  for (let acknowledged = 0; acknowledged < BATCHES_MAX; acknowledged++) {
    const payments = batch();
    const { status } = await caller.post('/v1/transfers/batch', paymentsJson(payments));
    if (status === 503) return { acknowledged, refused: payments };
    assert.equal(status, 200);
  }
  throw new Error('the disk never became full');
}

async function assertRefuses(caller: PlainCaller, payments: readonly NewTransfer[]): Promise<void> {
  const { status, retryAfter, body } = await caller.post(
    '/v1/transfers/batch',
    paymentsJson(payments),
  );
  assert.equal(status, 503);
  assert.equal(body['code'], 'journal_full');
  assert.equal(body['retryable'], true);
  assert.match(retryAfter ?? '', /^[1-9][0-9]*$/);
}

async function assertNotReadyForLackOfRoom(caller: PlainCaller): Promise<void> {
  const { status, body } = await caller.get('/readyz');
  assert.equal(status, 503);
  const checks = body['checks'] as readonly Check[];
  const accepting = checks.find((check) => check.name === 'accepting');
  assert.equal(accepting?.ok, false);
  assert.match(accepting.detail, /journal_full/);
  assert.equal((await caller.get('/livez')).status, 200);
  assert.equal((await caller.get('/v1/status')).body['impediment'], 'journal_full');
}

async function isReady(caller: PlainCaller): Promise<boolean> {
  return (await caller.get('/readyz')).status === 200;
}

async function openBooks(client: Client): Promise<void> {
  await client.ledgers.define({ ledger: LEDGER, currency: 'EUR', exponent: 2 });
  await openAccounts(client);
}

async function statusesOf(client: Client, payments: readonly NewTransfer[]): Promise<Set<string>> {
  const { results } = await client.transfers.createBatch(payments);
  assert.equal(results.length, payments.length);
  return new Set(results.map(({ status }) => status));
}

test('on a full disk payments are refused, reading works, and room lets the node go on by itself', async () => {
  await using folder = await TemporaryFolder.make();
  const disk = new QuotaFileSystem(realFileSystem);
  disk.capacityBytes = CAPACITY_BYTES;
  await using served = new ServedNode(journalOn(folder, disk));
  await served.node.start();
  const url = await served.listen();
  const caller = new PlainCaller(url, KEY);
  await using client = createClient({ url, key: KEY });
  await openBooks(client);

  let acknowledged = 0;
  // Room for one more segment, for one and a part of the next, for several.
  for (const extraBytes of [SEGMENT_BYTES, 1.5 * SEGMENT_BYTES, 4 * SEGMENT_BYTES]) {
    const filling = await fill(caller);
    acknowledged += filling.acknowledged * BATCH;
    const refused = [filling.refused, batch(), batch()];
    for (const payments of refused) await assertRefuses(caller, payments);
    assert.ok(disk.refusedWrites > 0);
    assert.equal(await received(client), BigInt(acknowledged));
    await assertNotReadyForLackOfRoom(caller);

    disk.capacityBytes += extraBytes;
    await until(() => isReady(caller), 'the node takes payments again');
    for (const payments of refused) {
      assert.deepEqual([...(await statusesOf(client, payments))], ['created']);
      assert.deepEqual([...(await statusesOf(client, payments))], ['exists']);
      acknowledged += BATCH;
    }
    assert.equal(await received(client), BigInt(acknowledged));
  }
  assert.deepEqual(served.halts, []);
  assert.deepEqual(served.failures, []);
  await served.stop();

  await using reopened = new ServedNode(journalOn(folder));
  await reopened.node.start();
  await using reader = createClient({ url: await reopened.listen(), key: KEY });
  assert.equal(await received(reader), BigInt(acknowledged));
});

test('a node started on a full disk can be read at once, and leads when there is room', async () => {
  await using folder = await TemporaryFolder.make();
  const disk = new QuotaFileSystem(realFileSystem);
  disk.capacityBytes = CAPACITY_BYTES;
  let acknowledged = 0;
  let refused: NewTransfer[] = [];
  {
    await using served = new ServedNode(journalOn(folder, disk));
    await served.node.start();
    const url = await served.listen();
    await using client = createClient({ url, key: KEY });
    await openBooks(client);
    const filling = await fill(new PlainCaller(url, KEY));
    acknowledged = filling.acknowledged * BATCH;
    refused = filling.refused;
  }
  disk.capacityBytes = 0;
  await using served = new ServedNode(journalOn(folder, disk));
  const url = await served.listen();
  const starting = served.node.start();
  const caller = new PlainCaller(url, KEY);
  await until(() => served.node.status().role === 'following', 'the node can be read');
  await using client = createClient({ url, key: KEY });
  assert.equal(await received(client), BigInt(acknowledged));
  await assertNotReadyForLackOfRoom(caller);
  await assertRefuses(caller, refused);

  disk.capacityBytes = 4 * CAPACITY_BYTES;
  await starting;
  assert.equal(await isReady(caller), true);
  assert.equal(served.node.status().impediment, undefined);
  assert.deepEqual([...(await statusesOf(client, refused))], ['created']);
  assert.equal(await received(client), BigInt(acknowledged + BATCH));
  assert.deepEqual(served.halts, []);
});

test('a node that waits for room can be stopped', async () => {
  await using folder = await TemporaryFolder.make();
  const disk = new QuotaFileSystem(realFileSystem);
  disk.capacityBytes = 0;
  const served = new ServedNode(journalOn(folder, disk));
  const ended = served.node.start().then(
    () => 'leading',
    () => 'ended',
  );
  await until(() => served.node.status().role === 'following', 'the node waits for room');
  await served.stop();
  assert.equal(await ended, 'ended');
  assert.equal(served.node.status().role, 'stopped');
  assert.deepEqual(served.halts, []);
});
