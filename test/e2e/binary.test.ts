// The binary door of a real process: killed with requests under way, stopped while it works, and
// spoken to over TLS.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { TRANSFER_DEFAULTS, type Transfer } from '../../src/base/transfer-record.ts';
import { type BinaryClient, createBinaryClient } from '../../src/client/binary-client.ts';
import { newTransferId } from '../../src/client/ids.ts';
import { SpawnedNode, clientOf, keyOf, type Ready } from '../support/spawned-node.ts';
import { makeCertificate } from '../support/certificate.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { LEDGER, PAYEE, PAYER, openAccounts, received } from '../support/two-accounts.ts';

const BATCHES = 60;
const BATCH_SIZE = 50;
const WAIT_MS_MAX = 30_000;

function payment(): Transfer {
  const id = newTransferId();
  const sides = { debitAccountId: PAYER, creditAccountId: PAYEE };
  return { ...TRANSFER_DEFAULTS, ...sides, id, amount: 1n, ledger: LEDGER, code: 1 };
}

async function binaryClientOf(ready: Ready): Promise<BinaryClient> {
  return createBinaryClient({ url: ready.binary_url, key: await keyOf(ready), deadlineMs: 60_000 });
}

async function until(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + WAIT_MS_MAX;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error('waited in vain');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('a node that is killed with requests under way does each transfer once', async () => {
  await using folder = await TemporaryFolder.make();
  await using first = new SpawnedNode({ data: folder.path });
  const ready = await first.ready();
  await using http = await clientOf(ready);
  await openAccounts(http);
  await using client = await binaryClientOf(ready);
  let answered = 0;
  const singles = Array.from({ length: BATCH_SIZE }, async () => {
    for (let turn = 0; turn < 3; turn++) await client.transfers.create(payment());
  });
  const batches = Array.from({ length: BATCHES }, async () => {
    const { refused } = await client.transfers.createBatch(
      Array.from({ length: BATCH_SIZE }, payment),
    );
    answered++;
    assert.deepEqual(refused, []);
  });
  await until(() => answered >= 1);
  await first.end('SIGKILL');
  const binaryPort = Number(new URL(ready.binary_url).port);
  await using second = new SpawnedNode({ data: folder.path, binaryPort });
  const again = await second.ready();
  assert.equal(again.binary_url, ready.binary_url);
  await Promise.all([...singles, ...batches]);
  assert.ok(client.counters.connections >= 2);
  await using reader = await clientOf(again);
  assert.equal(await received(reader), BigInt(BATCH_SIZE * (BATCHES + 3)));
});

test('a node that is stopped answers what is under way and says goodbye', async () => {
  await using folder = await TemporaryFolder.make();
  await using node = new SpawnedNode({ data: folder.path });
  const ready = await node.ready();
  await using http = await clientOf(ready);
  await openAccounts(http);
  await using client = createBinaryClient({
    url: ready.binary_url,
    key: await keyOf(ready),
    deadlineMs: 3_000,
  });
  const outcomes: string[] = [];
  let going = true;
  const loops = Array.from({ length: 8 }, async () => {
    while (going) {
      try {
        outcomes.push((await client.transfers.create(payment())).status);
      } catch (error) {
        going = false;
        outcomes.push((error as { readonly code: string }).code);
      }
    }
  });
  await until(() => outcomes.length > 100);
  const { exitCode } = await node.end('SIGTERM');
  assert.equal(exitCode, 0);
  await Promise.all(loops);
  const created = outcomes.filter((outcome) => outcome === 'created').length;
  const others = new Set(outcomes.filter((outcome) => outcome !== 'created'));
  // Nobody is left in the dark: what was admitted was answered, the rest was never executed.
  for (const other of others) assert.match(other, /^(node_unavailable|shutting_down)$/);
  await using second = new SpawnedNode({ data: folder.path });
  await using reader = await clientOf(await second.ready());
  assert.equal(await received(reader), BigInt(created));
});

test('with a certificate the door speaks TLS, and nothing else', async () => {
  await using folder = await TemporaryFolder.make();
  const { cert, key } = makeCertificate(folder.path);
  const settings = { HOLDFAST_TLS_CERT_FILE: cert, HOLDFAST_TLS_KEY_FILE: key };
  await using node = new SpawnedNode({ data: join(folder.path, 'data'), settings });
  const ready = await node.ready();
  assert.match(ready.binary_url, /^holdfasts:\/\/127\.0\.0\.1:\d+$/);
  await using http = await clientOf(ready, readFileSync(cert));
  await openAccounts(http);
  const apiKey = await keyOf(ready);
  const options = { url: ready.binary_url, key: apiKey, deadlineMs: 10_000 };
  await using client = createBinaryClient({ ...options, tls: { ca: readFileSync(cert) } });
  const { refused } = await client.transfers.createBatch(Array.from({ length: 8189 }, payment));
  assert.deepEqual(refused, []);
  assert.equal((await client.transfers.create(payment())).status, 'created');
  assert.equal(await received(http), 8190n);
  // Who does not know the certificate does not talk, and who talks in the clear is not understood.
  await using stranger = createBinaryClient({ ...options, deadlineMs: 1_500 });
  await assert.rejects(stranger.status(), /certificate|self/i);
  const plain = ready.binary_url.replace('holdfasts:', 'holdfast:');
  await using naked = createBinaryClient({ ...options, url: plain, deadlineMs: 300 });
  await assert.rejects(naked.status(), /No node answers/);
});

test('a second node on the same port says so and does not start', async () => {
  await using folder = await TemporaryFolder.make();
  await using first = new SpawnedNode({ data: join(folder.path, 'first') });
  const binaryPort = Number(new URL((await first.ready()).binary_url).port);
  await using second = new SpawnedNode({ data: join(folder.path, 'second'), binaryPort });
  await assert.rejects(second.ready(), /Nothing can listen on .*Give another --binary-port/);
});

test('half a TLS configuration stops the start', async () => {
  await using folder = await TemporaryFolder.make();
  const settings = { HOLDFAST_TLS_CERT_FILE: join(folder.path, 'cert.pem') };
  await using node = new SpawnedNode({ data: join(folder.path, 'data'), settings });
  await assert.rejects(node.ready(), /HOLDFAST_TLS_KEY_FILE belong together/);
});

test('a key file that is not there stops the start', async () => {
  await using folder = await TemporaryFolder.make();
  const file = join(folder.path, 'missing.pem');
  const settings = { HOLDFAST_TLS_CERT_FILE: file, HOLDFAST_TLS_KEY_FILE: file };
  await using node = new SpawnedNode({ data: join(folder.path, 'data'), settings });
  await assert.rejects(node.ready(), /cannot be used/);
});
