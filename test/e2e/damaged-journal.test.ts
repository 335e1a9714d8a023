// What stands in the files when a node starts: a torn tail is cut and told, anything else that is
// wrong keeps the node from serving, with file, position and way out (I4, I33).

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Entry } from '../../src/base/entry.ts';
import { ENTRY_HEADER_BYTES } from '../../src/base/limits.ts';
import { runSeen } from '../../src/cli/testing/run.ts';
import { inspectJournal } from '../../src/drivers/file/inspect.ts';
import { sectorEndOf, storedBytesOf } from '../../src/drivers/file/segment-codec.ts';
import { entryAfter, randomBody } from '../conformance/journal/entries.ts';
import { SpawnedNode, clientOf } from '../support/spawned-node.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { openAccounts, payment, received } from '../support/two-accounts.ts';

type Placed = { readonly path: string; readonly byteOffset: number; readonly entry: Entry };

const PAYMENTS = 12;
const SUM = BigInt((PAYMENTS * (PAYMENTS + 1)) / 2);

/** A node that has acknowledged PAYMENTS payments of 1, 2, 3 ... and then ended by `signal`. */
async function makeJournal(data: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  await using node = new SpawnedNode({ data });
  await using client = await clientOf(await node.ready());
  await openAccounts(client);
  for (let amount = 1; amount <= PAYMENTS; amount++) {
    const { status } = await client.transfers.create(payment(BigInt(amount)));
    assert.equal(status, 'created');
  }
  await node.end(signal);
}

async function entriesOf(data: string): Promise<Placed[]> {
  const entries: Placed[] = [];
  let path = '';
  for await (const item of inspectJournal(join(data, 'journal'))) {
    assert.notEqual(item.kind, 'finding');
    if (item.kind === 'segment') path = item.path;
    else if (item.kind === 'entry') {
      entries.push({ path, byteOffset: item.byteOffset, entry: item.entry });
    }
  }
  return entries;
}

async function assertReceived(data: string, tornBytesCut: number): Promise<void> {
  await using node = new SpawnedNode({ data });
  const ready = await node.ready();
  assert.equal(ready.torn_bytes_cut, tornBytesCut);
  await using client = await clientOf(ready);
  assert.equal(await received(client), SUM);
  assert.equal((await node.end('SIGTERM')).exitCode, 0);
}

async function flipByte(path: string, byteOffset: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, byteOffset);
    byte[0] = (byte[0] ?? 0) ^ 0x01;
    await file.write(byte, 0, 1, byteOffset);
  } finally {
    await file.close();
  }
}

type Verification = {
  readonly verdict: string;
  readonly fault: {
    readonly code: string;
    readonly file: string;
    readonly position: number;
    readonly way_out: string;
  } | null;
  readonly torn: { readonly file: string; readonly byte_offset: number } | null;
};

async function verify(data: string): Promise<{ exitCode: number; result: Verification }> {
  const { exitCode, stdout } = await runSeen(['--data', data, 'journal', 'verify', '--json']);
  return { exitCode, result: JSON.parse(stdout) as Verification };
}

test('one flipped byte of an acknowledged entry keeps the node from serving until it is flipped back', async () => {
  await using folder = await TemporaryFolder.make();
  const data = folder.path;
  await makeJournal(data, 'SIGTERM');
  const entries = await entriesOf(data);
  const last = entries.at(-1)!;
  // In the middle of the journal, and in the very last entry, which is where a tail would be torn.
  for (const { path, byteOffset, entry } of [entries[entries.length >> 1]!, last]) {
    const flipped = byteOffset + ENTRY_HEADER_BYTES + 40;
    await flipByte(path, flipped);
    await using node = new SpawnedNode({ data });
    const { exitCode, stdout, stderr } = await node.ended;
    assert.equal(exitCode, 1, stderr);
    assert.equal(stdout, '', 'nothing was announced');
    assert.equal(existsSync(join(data, 'node.json')), false);
    const { error } = JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '') as {
      readonly error: { readonly code: string; readonly detail: string; readonly action: string };
    };
    assert.equal(error.code, 'journal_corrupt');
    assert.ok(error.detail.includes(path), error.detail);
    assert.match(error.detail, new RegExp(`position ${entry.position}\\b`));
    assert.notEqual(error.action, '');

    const broken = await verify(data);
    assert.equal(broken.exitCode, 1);
    assert.equal(broken.result.verdict, 'broken');
    assert.equal(broken.result.fault?.code, 'journal_corrupt');
    assert.equal(broken.result.fault?.file, path);
    assert.equal(broken.result.fault?.position, entry.position);
    assert.equal(broken.result.fault?.way_out, error.action);

    await flipByte(path, flipped);
  }
  const whole = await verify(data);
  assert.equal(whole.exitCode, 0);
  assert.equal(whole.result.verdict, 'clean');
  await assertReceived(data, 0);
});

test('a torn tail is cut and told, and every acknowledged transfer is there', async () => {
  await using folder = await TemporaryFolder.make();
  const data = folder.path;
  await makeJournal(data, 'SIGKILL');
  const { path, byteOffset, entry } = (await entriesOf(data)).at(-1)!;
  const start = byteOffset + storedBytesOf(entry.bytes.byteLength);
  const body = randomBody(1, 12_000);
  const next = entryAfter(entry, { durable: entry.position, body });
  // Of the whole write only the part in its first page reached the disk.
  const writtenBytes = sectorEndOf(start) - start;
  assert.ok(next.bytes.byteLength > writtenBytes, 'the entry crosses a page boundary');
  const file = await open(path, 'r+');
  await file.write(next.bytes, 0, writtenBytes, start);
  await file.close();

  const torn = await verify(data);
  assert.equal(torn.exitCode, 0);
  assert.equal(torn.result.verdict, 'torn');
  assert.equal(torn.result.torn?.file, path);
  assert.equal(torn.result.torn?.byte_offset, start);

  await assertReceived(data, writtenBytes);
  assert.equal((await verify(data)).result.verdict, 'clean');
  await assertReceived(data, 0);
});
