// Processes and threads of the history that die at any moment: what is found afterwards is what was
// made, and the rest is made again, byte for byte the same.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { isOperationalError } from '../../src/base/errors.ts';
import { Prng } from '../../src/base/prng.ts';
import { JournalHistory } from '../../src/history/journal-history.ts';
import { HistoryRig } from '../support/history-rig.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';
import { propertyRuns } from './pair.ts';
import { SeededLoad } from './seeded-load.ts';

const SEED = 21;
const RUN_TRANSFERS = 60;
const VICTIM = fileURLToPath(new URL('../support/history-victim.ts', import.meta.url));

function filesOf(folder: string): Map<string, string> {
  const names = readdirSync(folder).filter((name) => name.startsWith('run-'));
  return new Map(names.map((name) => [name, readFileSync(join(folder, name)).toString('base64')]));
}

/** Resolves when the process has been killed, so long after it was open. */
async function feedAndKill(folder: string, afterMs: number): Promise<void> {
  const options = [VICTIM, folder, String(RUN_TRANSFERS), String(SEED)];
  const child = spawn(process.execPath, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
  await pause(afterMs);
  child.kill('SIGKILL');
  await ended;
}

async function fedAtOnce(folder: string): Promise<HistoryRig> {
  const rig = await HistoryRig.open({ folder, runTransfers: RUN_TRANSFERS });
  for (const sent of new SeededLoad(SEED, 40).commands(24)) rig.send(sent, true);
  rig.settle();
  return rig;
}

async function allSealed(rig: HistoryRig): Promise<void> {
  const runs = Math.floor(rig.state.ledger.transfersAccepted / RUN_TRANSFERS);
  await until(() => rig.history.status().runs === runs, `${runs} runs`);
  await until(() => rig.history.status().complete, 'a complete history');
}

test('killed at any moment and started again, the files are those of a history that was not', async () => {
  await using plain = await TemporaryFolder.make();
  const whole = await fedAtOnce(plain.path);
  await allSealed(whole);
  await whole.history.close();
  const prng = new Prng(4);
  await using folder = await TemporaryFolder.make();
  for (let round = 0; round < propertyRuns(0.03); round++) {
    await feedAndKill(folder.path, prng.below(350));
  }
  await using rig = await fedAtOnce(folder.path);
  await allSealed(rig);
  assert.equal(rig.history.status().digest, whole.history.status().digest);
  assert.deepEqual(filesOf(folder.path), filesOf(plain.path));
});

test('files that cannot be read in time do not hold the start', async () => {
  await using folder = await TemporaryFolder.make();
  const stuck = join(folder.path, 'catalog');
  execFileSync('mkfifo', [stuck]);
  const history = new JournalHistory({ folder: folder.path, log: () => undefined, openMsMax: 20 });
  try {
    await history.open();
    assert.equal(history.status().complete, false);
    assert.match(history.status().reason ?? '', /its files could not be read within 20 ms/);
  } finally {
    // The thread that reads it goes on, so that it can end.
    const end = openSync(stuck, 'r+');
    rmSync(stuck);
    closeSync(end);
    await history.close();
  }
});

test('a thread that ends is replaced, and no question gets a wrong answer meanwhile', async () => {
  const workers: Worker[] = [];
  const note = (worker: Worker): void => {
    workers.push(worker);
  };
  process.on('worker', note);
  await using folder = await TemporaryFolder.make();
  await using rig = await HistoryRig.open({ folder: folder.path, runTransfers: RUN_TRANSFERS });
  rig.settle();
  const prng = new Prng(8);
  let refused = 0;
  // Without the least of memories: the plain account asks the books for each transfer.
  const sent = [...new SeededLoad(SEED, 40).commands(24)].slice(0, 36);
  for (const [index, one] of sent.entries()) {
    rig.send(one);
    if (index % 9 === 8) await workers.at(prng.pick([-1, -2]))?.terminate();
    const { kept } = rig.naive;
    if (kept.length === 0) continue;
    const { transfer } = prng.pick(kept);
    try {
      await rig.compare({ account: transfer.debitAccountId }, 8189);
    } catch (error) {
      assert.ok(isOperationalError(error, 'HISTORY_INCOMPLETE'), String(error));
      refused += 1;
    }
  }
  process.off('worker', note);
  assert.ok(refused > 0);
  await rig.sealed();
  for (const { transfer } of rig.naive.kept.slice(0, 20)) {
    await rig.compare({ account: transfer.creditAccountId }, 8189);
  }
});
