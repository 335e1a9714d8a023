// Every byte of a small history flipped in turn: it is noticed or has no effect, and no answer is
// ever wrong.

import assert from 'node:assert/strict';
import {
  closeSync,
  cpSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOperationalError } from '../../src/base/errors.ts';
import { readIdWords } from '../../src/base/ids.ts';
import { TRANSFER_WORDS } from '../../src/base/transfer-record.ts';
import { faultOf, historyDigest, loadCatalog } from '../../src/history/catalog.ts';
import { LatestRuns } from '../../src/history/latest-runs.ts';
import { viewChunk } from '../../src/history/layout.ts';
import { PageCache } from '../../src/history/page-cache.ts';
import { RunDamaged } from '../../src/history/run-reader.ts';
import { RunSet } from '../../src/history/run-set.ts';
import { loadTail } from '../../src/history/tail-file.ts';
import { HistoryRig } from '../support/history-rig.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { propertyRuns } from './pair.ts';
import { SeededLoad } from './seeded-load.ts';

const RUN_TRANSFERS = 90;

/** A history of a few runs, with a tail. */
async function makeHistory(folder: string): Promise<void> {
  await using rig = await HistoryRig.open({ folder, runTransfers: RUN_TRANSFERS });
  rig.settle();
  for (const sent of new SeededLoad(5, 12).commands(3)) rig.send(sent);
  await rig.sealed();
  await rig.history.persist();
}

/** Every byte with HOLDFAST_PROPERTY_RUNS=1000, otherwise each so manieth. */
function stepOf(usually: number): number {
  return propertyRuns() >= 1000 ? 1 : usually;
}

/** Flips one bit of each `step`th byte in turn, another one each time. */
function flipEach(path: string, step: number, look: (at: number) => void): void {
  const bytes = readFileSync(path);
  for (let at = 0; at < bytes.length; at += step) {
    writeByte(path, at, bytes[at]! ^ (1 << (at % 8)));
    look(at);
    writeByte(path, at, bytes[at]!);
  }
}

function writeByte(path: string, at: number, byte: number): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, Uint8Array.of(byte), 0, 1, at);
  closeSync(fd);
}

/** All that a run can be asked, as one text; undefined = it is damaged and says so. */
function everything(folder: string, runs: RunSet, run: number): string | undefined {
  try {
    const reader = runs.reader(run);
    const said: unknown[] = [];
    const record = new Uint32Array(TRANSFER_WORDS);
    for (let number = 0; number < RUN_TRANSFERS; number++) {
      reader.record(number, record, 0);
      said.push([...record], reader.findId(record, 0), reader.findResolution(record, 0));
      said.push(readIdWords(record, 0).toString(16));
    }
    reader.accounts((account) => {
      const group = reader.group(account)!;
      said.push(account, group.previous);
      reader.backward(group, RUN_TRANSFERS, (_words, _at, number, side) => {
        said.push(number, side);
        return true;
      });
      reader.forward(group, 0, (_words, _at, number, side) => {
        said.push(number, side);
        return true;
      });
    });
    return JSON.stringify(said);
  } catch (error) {
    assert.ok(error instanceof RunDamaged, `${folder}: ${String(error)}`);
    return undefined;
  }
}

function runSet(folder: string): RunSet {
  const runs = new RunSet(folder, new PageCache(8));
  const { entries, damaged } = loadCatalog(folder, RUN_TRANSFERS);
  for (const entry of entries.values()) runs.add(entry);
  for (const [run, why] of damaged) runs.markDamaged(run, why);
  return runs;
}

test('no flipped byte of a run changes what it says', async () => {
  await using folder = await TemporaryFolder.make();
  await makeHistory(folder.path);
  const entry = loadCatalog(folder.path, RUN_TRANSFERS).entries.get(1)!;
  const path = join(folder.path, 'run-00000001.history');
  const expected = everything(folder.path, runSet(folder.path), 1);
  assert.ok(expected !== undefined);
  let noticed = 0;
  flipEach(path, stepOf(41), (at) => {
    const runs = new RunSet(folder.path, new PageCache(8));
    runs.add(entry);
    const said = everything(folder.path, runs, 1);
    runs.close();
    if (said === undefined) noticed += 1;
    else assert.equal(said, expected, `byte ${at}`);
    assert.notEqual(faultOf(folder.path, entry), undefined, `byte ${at} is found by a full check`);
  });
  assert.ok(noticed > 500);
});

test('no flipped byte of the catalog makes it say something else', async () => {
  await using folder = await TemporaryFolder.make();
  await makeHistory(folder.path);
  const path = join(folder.path, 'catalog');
  const { entries } = loadCatalog(folder.path, RUN_TRANSFERS);
  const expected = [...entries.values()].sort((a, b) => a.run - b.run);
  const { digest } = historyDigest(entries);
  let mended = 0;
  const bytes = readFileSync(path);
  flipEach(path, stepOf(17), (at) => {
    const loaded = loadCatalog(folder.path, RUN_TRANSFERS);
    const sorted = [...loaded.entries.values()].sort((a, b) => a.run - b.run);
    assert.deepEqual(sorted, expected, `byte ${at}`);
    assert.equal(historyDigest(loaded.entries).digest, digest);
    mended += loaded.notes.length;
    writeFileSync(path, bytes);
  });
  assert.ok(mended > 0);
});

test('no flipped byte of the tail file gets into the history', async () => {
  await using folder = await TemporaryFolder.make();
  await makeHistory(folder.path);
  const name = readdirSync(folder.path).find((file) => file.startsWith('tail-'))!;
  const run = Number(/\d+/.exec(name)![0]);
  const expected = loadTail(folder.path, run, RUN_TRANSFERS)!;
  const { count } = expected.state;
  assert.ok(count > 0);
  const recordsOf = (buffer: SharedArrayBuffer): number[] => {
    return [...viewChunk(buffer, RUN_TRANSFERS).records.subarray(0, count * TRANSFER_WORDS)];
  };
  flipEach(join(folder.path, name), stepOf(7), (at) => {
    const loaded = loadTail(folder.path, run, RUN_TRANSFERS);
    if (loaded === undefined) return;
    assert.equal(loaded.state.count, count, `byte ${at}`);
    assert.deepEqual(recordsOf(loaded.buffer), recordsOf(expected.buffer), `byte ${at}`);
  });
});

test('no flipped byte of the list of latest runs is believed', async () => {
  await using folder = await TemporaryFolder.make();
  const latest = new LatestRuns();
  for (let account = 0; account < 300; account++) latest.set(account, account % 16);
  latest.save(folder.path, 16);
  assert.ok(new LatestRuns().load(folder.path, 16));
  flipEach(join(folder.path, 'latest-00000016.history'), stepOf(3), (at) => {
    assert.equal(new LatestRuns().load(folder.path, 16), false, `byte ${at}`);
  });
});

test('a run that is damaged under a node is told, and everything else is answered', async () => {
  await using folder = await TemporaryFolder.make();
  await makeHistory(folder.path);
  await using copy = await TemporaryFolder.make();
  cpSync(folder.path, copy.path, { recursive: true });
  const path = join(copy.path, 'run-00000000.history');
  const bytes = readFileSync(path);
  bytes[5] = bytes[5]! ^ 1;
  writeFileSync(path, bytes);
  rmSync(join(copy.path, 'run-00000002.history'));
  await using rig = await HistoryRig.open({ folder: copy.path, runTransfers: RUN_TRANSFERS });
  for (const sent of new SeededLoad(5, 12).commands(3)) rig.send(sent);
  rig.settle();
  assert.match(rig.history.status().reason ?? '', /run-00000002.history is missing/);
  let refused = 0;
  for (const [number, { transfer }] of rig.naive.kept.entries()) {
    try {
      const found = await rig.history.find(transfer.id);
      assert.equal(found?.number, number);
    } catch (error) {
      assert.ok(isOperationalError(error, 'HISTORY_INCOMPLETE'), String(error));
      refused += 1;
    }
  }
  assert.ok(refused >= RUN_TRANSFERS, `${refused}`);
  assert.ok(refused < rig.naive.kept.length, `${refused} of ${rig.naive.kept.length}`);
});
