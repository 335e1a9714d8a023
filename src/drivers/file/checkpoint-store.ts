// Checkpoints as files of one directory:
//
//   00000000000000004711.checkpoint        a manifest; its name is its position
//   chunks/<sha256>.chunk                  a chunk; its name is its digest
//   *.partial                              being written, or left by a crash: nobody reads it
//
// Everything is written under another name, synced, and renamed when it is whole. Before a manifest
// gets its name the names of the chunks have been synced, so a checkpoint that can be seen is whole
// also after a loss of power. Unlike the journal's, a sync that fails here is no crash: nothing
// depends on the checkpoint that was being written, and nothing of it is used again.

import { join } from 'node:path';
import { OperationalError } from '../../base/errors.ts';
import type { CheckpointStore, KeptCheckpoints } from '../../ports/checkpoint-store.ts';
import { type FileSystem, type OpenFile, errorCodeOf, realFileSystem } from './file-system.ts';

const CHUNKS = 'chunks';

/**
 * Synced one after the other, over all chunks that are being written: an append to the journal
 * waits behind one step at the disk, not behind megabytes (16 at once: 70 ms at 250 MB/s).
 */
const STEP_BYTES = 512 * 1024;
const PARTIAL = '.partial';
const MANIFEST_NAME = /^([0-9]{20})\.checkpoint$/;
const CHUNK_NAME = /^([0-9a-f]{64})\.chunk$/;

export type FileCheckpointOptions = {
  /** The checkpoints' own directory; made when something is first written. */
  readonly directory: string;
  /** Another operating system, for tests and simulations. */
  readonly fileSystem?: FileSystem;
};

export function createCheckpointStore(options: FileCheckpointOptions): CheckpointStore {
  return new FileCheckpointStore(options.directory, options.fileSystem ?? realFileSystem);
}

class FileCheckpointStore implements CheckpointStore {
  readonly #directory: string;
  readonly #chunks: string;
  readonly #fileSystem: FileSystem;
  #stepping: Promise<void> = Promise.resolve();

  constructor(directory: string, fileSystem: FileSystem) {
    this.#directory = directory;
    this.#chunks = join(directory, CHUNKS);
    this.#fileSystem = fileSystem;
  }

  async removeLeftovers(): Promise<void> {
    for (const directory of [this.#directory, this.#chunks]) {
      for (const name of await this.#list(directory)) {
        if (name.endsWith(PARTIAL)) await this.#fileSystem.remove(join(directory, name));
      }
    }
  }

  async putChunk(digest: string, bytes: Uint8Array): Promise<void> {
    await failing('a chunk', async () => {
      await this.#fileSystem.makeDirectory(this.#chunks);
      await this.#write(this.#chunkPath(digest), bytes);
    });
  }

  async publish(position: number, manifest: Uint8Array): Promise<void> {
    await failing('the manifest', async () => {
      await this.#fileSystem.makeDirectory(this.#chunks);
      await this.#fileSystem.syncDirectory(this.#chunks);
      await this.#write(this.#manifestPath(position), manifest);
      await this.#fileSystem.syncDirectory(this.#directory);
    });
  }

  async positions(): Promise<readonly number[]> {
    const names = await this.#list(this.#directory);
    const positions = names.flatMap((name) => {
      const position = MANIFEST_NAME.exec(name)?.[1];
      return position === undefined ? [] : [Number(position)];
    });
    return positions.sort((a, b) => b - a);
  }

  readManifest(position: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.#read(this.#manifestPath(position));
  }

  readChunk(digest: string): Promise<Uint8Array<ArrayBuffer>> {
    return this.#read(this.#chunkPath(digest));
  }

  async keepOnly(kept: KeptCheckpoints): Promise<void> {
    await failing('what is not needed any more', async () => {
      // Manifests first, durably: one that is there has all its chunks.
      let removed = false;
      for (const position of await this.positions()) {
        if (kept.positions.has(position)) continue;
        await this.#fileSystem.remove(this.#manifestPath(position));
        removed = true;
      }
      if (removed) await this.#fileSystem.syncDirectory(this.#directory);
      for (const name of await this.#list(this.#chunks)) {
        const digest = CHUNK_NAME.exec(name)?.[1];
        if (digest === undefined || kept.chunks.has(digest)) continue;
        await this.#fileSystem.remove(this.#chunkPath(digest));
      }
    });
  }

  #manifestPath(position: number): string {
    return join(this.#directory, `${String(position).padStart(20, '0')}.checkpoint`);
  }

  #chunkPath(digest: string): string {
    return join(this.#chunks, `${digest}.chunk`);
  }

  /** Names in the directory; none where it has not been made yet. */
  async #list(directory: string): Promise<readonly string[]> {
    try {
      return await this.#fileSystem.list(directory);
    } catch (error) {
      if (errorCodeOf(error) === 'ENOENT') return [];
      const detail = `${directory} cannot be read (${String(error)})`;
      throw new OperationalError('CHECKPOINT_CORRUPT', { detail, cause: error });
    }
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    const partial = path + PARTIAL;
    try {
      const file = await this.#fileSystem.open(partial, 'create');
      try {
        for (let at = 0; at < bytes.byteLength; at += STEP_BYTES) {
          await this.#step(file, bytes.subarray(at, at + STEP_BYTES), at);
        }
      } finally {
        await file.close();
      }
      await this.#fileSystem.rename(partial, path);
    } catch (error) {
      // On a full disk what was begun takes room from the journal.
      await this.#fileSystem.remove(partial).catch(() => undefined);
      throw error;
    }
  }

  async #step(file: OpenFile, bytes: Uint8Array, at: number): Promise<void> {
    const step = this.#stepping.then(async () => {
      await file.write([bytes], at);
      await file.datasync();
    });
    this.#stepping = step.catch(() => undefined);
    await step;
  }

  async #read(path: string): Promise<Uint8Array<ArrayBuffer>> {
    try {
      const file = await this.#fileSystem.open(path, 'read');
      try {
        const bytes = new Uint8Array(await file.sizeBytes());
        return bytes.subarray(0, await file.read(bytes, 0));
      } finally {
        await file.close();
      }
    } catch (error) {
      const why =
        errorCodeOf(error) === 'ENOENT' ? 'is not there' : `is unreadable: ${String(error)}`;
      const detail = `${path} ${why}`;
      throw new OperationalError('CHECKPOINT_CORRUPT', { detail, cause: error });
    }
  }
}

/** Whatever keeps a checkpoint from being written is one kind of error: payments go on. */
async function failing(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof OperationalError) throw error;
    const isFull = ['ENOSPC', 'EDQUOT'].includes(errorCodeOf(error));
    const why = isFull ? 'there is no room on the disk' : String(error);
    const detail = `${what} cannot be written: ${why}`;
    throw new OperationalError('CHECKPOINT_FAILED', { detail, cause: error });
  }
}
