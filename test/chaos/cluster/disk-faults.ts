// Switches on and off what disk-faults.c does to the writes of one node.

import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('./disk-faults.c', import.meta.url));
const CONTROL_BYTES = 12;
const MODE = { none: 0, fail: 1, slow: 2 } as const;

/** The library that is loaded, made once for a run. */
export class DiskFaults {
  readonly #folder: string;
  readonly #library: string;

  constructor(folder: string) {
    this.#folder = join(folder, 'disk-faults');
    this.#library = join(this.#folder, 'disk-faults.so');
    mkdirSync(this.#folder, { recursive: true });
    const options = ['-shared', '-fPIC', '-O2', '-Wall', '-Werror'];
    const made = spawnSync('gcc', [...options, '-o', this.#library, SOURCE, '-ldl']);
    if (made.status !== 0) {
      throw new Error(
        `disk faults need gcc: ${made.error?.message ?? String(made.stderr)}. Nothing was proved.`,
      );
    }
  }

  /** The settings of a node whose journal is to fail; from now on, too. */
  settingsOf(name: string): Readonly<Record<string, string>> {
    writeFileSync(this.#controlOf(name), Buffer.alloc(CONTROL_BYTES));
    return {
      LD_PRELOAD: this.#library,
      CHAOS_DISK_CONTROL: this.#controlOf(name),
      CHAOS_DISK_PATH: '/data/journal/',
    };
  }

  /** Every write and sync of its journal fails with EIO. */
  fail(name: string): void {
    this.#set(name, MODE.fail, 0);
  }

  /** Every write and sync takes so much longer. */
  slow(name: string, ms: number): void {
    this.#set(name, MODE.slow, ms);
  }

  /** As it was. Resolves the number of calls that were concerned since. */
  heal(name: string): number {
    const control = Buffer.alloc(CONTROL_BYTES);
    const file = openSync(this.#controlOf(name), 'r');
    readSync(file, control, 0, CONTROL_BYTES, 0);
    closeSync(file);
    this.#set(name, MODE.none, 0);
    return control.readUInt32LE(8);
  }

  #set(name: string, mode: number, ms: number): void {
    const control = Buffer.alloc(CONTROL_BYTES);
    control.writeUInt32LE(mode, 0);
    control.writeUInt32LE(ms, 4);
    // In place: the node has it mapped.
    const file = openSync(this.#controlOf(name), 'r+');
    writeSync(file, control, 0, CONTROL_BYTES, 0);
    closeSync(file);
  }

  #controlOf(name: string): string {
    return join(this.#folder, `${name}.control`);
  }
}
