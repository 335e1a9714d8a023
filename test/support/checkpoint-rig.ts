// Checkpoints of a node in this process, kept in memory, and everything that was told about them.

import { hash } from 'node:crypto';
import type { OperationalError } from '../../src/base/errors.ts';
import {
  type MemoryCheckpoints,
  createCheckpointStore,
} from '../../src/drivers/memory/checkpoint-store.ts';
import type { CheckpointSettings } from '../../src/engine/checkpointing.ts';
import type { CheckpointTaken } from '../../src/recovery/checkpointer.ts';
import type { ChunkHasher } from '../../src/recovery/chunk-hasher.ts';

export class CheckpointLog {
  readonly taken: CheckpointTaken[] = [];
  readonly failures: OperationalError[] = [];
  readonly notes: string[] = [];
  /** Of each start: the checkpoint's position (0 = genesis) and the entries behind it. */
  readonly restores: { readonly position: number; readonly entries: number }[] = [];

  /** Checkpoints by hand only, unless told otherwise. */
  settings(
    contents: MemoryCheckpoints | undefined,
    changes: Partial<CheckpointSettings> = {},
  ): CheckpointSettings {
    return {
      store: createCheckpointStore(contents === undefined ? {} : { contents }),
      journalBytes: Number.MAX_SAFE_INTEGER,
      periodMs: 2 ** 40,
      kept: 3,
      createHasher: createPlainHasher,
      observer: {
        taken: (taken) => this.taken.push(taken),
        failed: (error) => this.failures.push(error),
        restored: (position, _createdMs, entries) => this.restores.push({ position, entries }),
        noted: (text) => this.notes.push(text),
      },
      ...changes,
    };
  }
}

/** Hashes at once, in the calling thread. */
export function createPlainHasher(): ChunkHasher {
  return {
    hash: (memory, bytes) => Promise.resolve(hash('sha256', new Uint8Array(memory, 0, bytes))),
    close: () => Promise.resolve(),
  };
}
