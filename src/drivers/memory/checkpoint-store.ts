// Checkpoints that live as long as their process: for tests, simulations and trials.

import { OperationalError } from '../../base/errors.ts';
import type { CheckpointStore, KeptCheckpoints } from '../../ports/checkpoint-store.ts';

/** What a store holds; another store made over it finds it, as after a restart. */
export class MemoryCheckpoints {
  readonly manifests = new Map<number, Uint8Array<ArrayBuffer>>();
  readonly chunks = new Map<string, Uint8Array<ArrayBuffer>>();
}

export type MemoryCheckpointOptions = { readonly contents?: MemoryCheckpoints };

export function createCheckpointStore(options: MemoryCheckpointOptions = {}): CheckpointStore {
  return new MemoryCheckpointStore(options.contents ?? new MemoryCheckpoints());
}

class MemoryCheckpointStore implements CheckpointStore {
  readonly #contents: MemoryCheckpoints;

  constructor(contents: MemoryCheckpoints) {
    this.#contents = contents;
  }

  removeLeftovers(): Promise<void> {
    return Promise.resolve();
  }

  putChunk(digest: string, bytes: Uint8Array): Promise<void> {
    this.#contents.chunks.set(digest, new Uint8Array(bytes));
    return Promise.resolve();
  }

  publish(position: number, manifest: Uint8Array): Promise<void> {
    this.#contents.manifests.set(position, new Uint8Array(manifest));
    return Promise.resolve();
  }

  positions(): Promise<readonly number[]> {
    return Promise.resolve([...this.#contents.manifests.keys()].sort((a, b) => b - a));
  }

  readManifest(position: number): Promise<Uint8Array<ArrayBuffer>> {
    return found(this.#contents.manifests.get(position), `the checkpoint of position ${position}`);
  }

  readChunk(digest: string): Promise<Uint8Array<ArrayBuffer>> {
    return found(this.#contents.chunks.get(digest), `the chunk ${digest}`);
  }

  keepOnly(kept: KeptCheckpoints): Promise<void> {
    const { manifests, chunks } = this.#contents;
    for (const position of manifests.keys()) {
      if (!kept.positions.has(position)) manifests.delete(position);
    }
    for (const digest of chunks.keys()) if (!kept.chunks.has(digest)) chunks.delete(digest);
    return Promise.resolve();
  }
}

type Bytes = Uint8Array<ArrayBuffer>;

function found(bytes: Bytes | undefined, what: string): Promise<Bytes> {
  if (bytes !== undefined) return Promise.resolve(bytes.slice());
  return Promise.reject(new OperationalError('CHECKPOINT_CORRUPT', { detail: `${what} is gone` }));
}
