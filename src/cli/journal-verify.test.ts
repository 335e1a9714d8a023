import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DIGEST_BYTES, type Entry, EntryKind, sealEntry } from '../base/entry.ts';
import { ENTRY_HEADER_BYTES } from '../base/limits.ts';
import { commandBytes, ledgersCommand, writeCommand } from '../domain/commands.ts';
import { createJournal } from '../drivers/file/driver.ts';
import { sha256 } from '../recovery/replica.ts';
import { runSeen } from './testing/run.ts';

type Fields = Partial<Pick<Entry, 'kind' | 'epoch' | 'outcomePosition' | 'outcomeDigest'>>;

const COMMAND = ledgersCommand([{ ledger: 978, currency: 'EUR', exponent: 2 }]);

/** The next entry after `previous`: an opening first, then one command each. */
function nextEntry(previous: Entry | undefined, fields: Fields = {}): Entry {
  const position = (previous?.position ?? 0) + 1;
  const kind = fields.kind ?? (position === 1 ? EntryKind.opening : EntryKind.commands);
  const hasCommand = kind === EntryKind.commands;
  const bodyBytes = hasCommand ? commandBytes(COMMAND) : 8;
  const bytes = new Uint8Array(ENTRY_HEADER_BYTES + bodyBytes);
  if (hasCommand) writeCommand(bytes, ENTRY_HEADER_BYTES, COMMAND);
  else bytes.set(new TextEncoder().encode('{}'), ENTRY_HEADER_BYTES);
  const header = {
    kind,
    commandCount: hasCommand ? 1 : 0,
    clusterId: new Uint8Array(16).fill(7),
    timeline: 1,
    position,
    epoch: 1,
    durable: position - 1,
    timeNs: 1_767_225_600_000_000_000n + BigInt(position),
    rulesVersion: 1,
    eventCount: 1,
    bodyBytes,
    outcomePosition: 0,
    outcomeDigest: new Uint8Array(DIGEST_BYTES),
    previousDigest: previous?.digest ?? new Uint8Array(DIGEST_BYTES),
    ...fields,
  };
  return sealEntry(header, bytes, sha256);
}

async function withJournal(
  fields: readonly Fields[],
  use: (data: string) => Promise<void>,
): Promise<void> {
  const data = await mkdtemp(join(tmpdir(), 'holdfast-verify-'));
  try {
    const journal = createJournal({ directory: join(data, 'journal'), segmentBytes: 2 ** 21 });
    await journal.open({ mode: 'write', signal: AbortSignal.timeout(10_000) });
    let previous: Entry | undefined;
    for (const one of fields) {
      previous = nextEntry(previous, one);
      await journal.append(previous);
    }
    await journal.close();
    await use(data);
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

test('a journal whose entries agree with their replay is clean', async () => {
  await withJournal([{}, {}, {}], async (data) => {
    const { exitCode, stdout } = await runSeen(['--data', data, 'journal', 'verify', '--json']);
    assert.equal(exitCode, 0);
    const { verdict, position } = JSON.parse(stdout) as { verdict: string; position: number };
    assert.deepEqual([verdict, position], ['clean', 3]);
  });
});

test('whole bytes whose writer computed other outcomes are a fault at that position', async () => {
  const wrong = { outcomePosition: 2, outcomeDigest: new Uint8Array(DIGEST_BYTES).fill(1) };
  await withJournal([{}, {}, wrong, {}], async (data) => {
    const { exitCode, stdout, stderr } = await runSeen(['--data', data, 'journal', 'verify']);
    assert.equal(exitCode, 1);
    assert.match(stdout, /^verdict +BROKEN$/m);
    assert.match(stderr, /position 3: .*computes other outcomes/);
    assert.match(stderr, /journal_diverged/);
  });
});

test('an empty journal is clean, at position 0', async () => {
  await withJournal([], async (data) => {
    const { exitCode, stdout } = await runSeen(['--data', data, 'journal', 'verify']);
    assert.equal(exitCode, 0);
    assert.match(stdout, /^position +0$/m);
  });
});
