// For each account, the latest run that has a transfer of it: where its chain of runs begins. Four
// bytes an account; written down beside every sixteenth run, so that a start reads that and the
// accounts of a few runs, however many there are.
//
//   latest-<run>.history
//   | magic 8 | runs 4 | accounts 4 | SHA-256 32 | zero 16 | run of each account 4 * n |

import { hash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { writeAll } from './files.ts';
import { NONE } from './layout.ts';

import type { RunSet } from './run-set.ts';

const HEADER_BYTES = 64;
const MAGIC = 0x3153_5448_5344_4c48n;
const ACCOUNTS_AT_START = 1024;

export function latestName(runs: number): string {
  return `latest-${String(runs).padStart(8, '0')}.history`;
}

export class LatestRuns {
  #runs = new Uint32Array(ACCOUNTS_AT_START).fill(NONE);
  #count = 0;

  get(account: number): number {
    return account < this.#count ? this.#runs[account]! : NONE;
  }

  set(account: number, run: number): void {
    if (account >= this.#runs.length) this.#grow(account + 1);
    if (account >= this.#count) this.#count = account + 1;
    this.#runs[account] = run;
  }

  /** Writes down what is so after the first `runs` runs. */
  save(folder: string, runs: number): void {
    const file = new Uint8Array(HEADER_BYTES + this.#count * 4);
    const view = new DataView(file.buffer);
    view.setBigUint64(0, MAGIC, true);
    view.setUint32(8, runs, true);
    view.setUint32(12, this.#count, true);
    new Uint32Array(file.buffer, HEADER_BYTES).set(this.#runs.subarray(0, this.#count));
    file.set(hash('sha256', file, 'buffer'), 16);
    const path = join(folder, latestName(runs));
    const fd = openSync(`${path}.partial`, 'w', 0o600);
    try {
      writeAll(fd, file);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(`${path}.partial`, path);
  }

  /** Takes over what was written down; false, and nothing is taken, when it is not as written. */
  load(folder: string, runs: number): boolean {
    const file = bytesOf(join(folder, latestName(runs)));
    if (file === undefined || file.byteLength < HEADER_BYTES) return false;
    const view = new DataView(file.buffer);
    const count = view.getUint32(12, true);
    if (view.getBigUint64(0, true) !== MAGIC || view.getUint32(8, true) !== runs) return false;
    if (file.byteLength !== HEADER_BYTES + count * 4) return false;
    const digest = file.slice(16, 48);
    file.fill(0, 16, 48);
    if (hash('sha256', file, 'buffer').compare(digest) !== 0) return false;
    this.#runs = new Uint32Array(file.buffer, HEADER_BYTES, count);
    this.#count = count;
    return true;
  }

  #grow(accounts: number): void {
    const larger = new Uint32Array(Math.max(accounts, 2 * this.#runs.length)).fill(NONE);
    larger.set(this.#runs);
    this.#runs = larger;
  }
}

function bytesOf(path: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(readFileSync(path));
  } catch {
    return undefined;
  }
}

/** Runs between two files of this kind. */
export const LATEST_EVERY_RUNS = 16;

export type LatestLoaded = {
  readonly latest: LatestRuns;
  /** Why it cannot be believed; undefined = it is right. */
  readonly doubt: string | undefined;
};

/** For runs 0 to `end` - 1: from the newest file that is whole, and the accounts of later runs. */
export function loadLatest(folder: string, runs: RunSet, end: number): LatestLoaded {
  const latest = new LatestRuns();
  let from = end - (end % LATEST_EVERY_RUNS);
  while (from > 0 && !latest.load(folder, from)) from -= LATEST_EVERY_RUNS;
  for (let run = Math.max(0, from); run < end; run++) {
    try {
      runs.reader(run).accounts((account) => latest.set(account, run));
    } catch (error) {
      return { latest, doubt: error instanceof Error ? error.message : String(error) };
    }
  }
  return { latest, doubt: undefined };
}
