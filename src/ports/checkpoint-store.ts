// Port: where checkpoints are kept. A checkpoint is a manifest and the chunks that it names; chunks
// are named by their digest, so that several checkpoints can name the same one. Drivers move opaque
// bytes; what they mean, and whether they are whole, is known to recovery/ alone.
//
//   atomicity    a checkpoint is there when `publish` has made its manifest visible, never in part;
//                a crash at any time leaves those that were there before
//   durability   when `publish` resolves, its manifest and every chunk put before it are durable
//   bytes        what is read is what was put, or it is not noticed here: digests are checked by
//                whoever reads
//   errors       CHECKPOINT_FAILED when something cannot be written (no room, a failing disk):
//                nothing that was there before is touched. CHECKPOINT_CORRUPT when what is asked
//                for is not there or cannot be read
//
// One process writes: the one that has the write authority over the journal. Others may read.

export type KeptCheckpoints = {
  readonly positions: ReadonlySet<number>;
  /** Digests of all chunks that they name. */
  readonly chunks: ReadonlySet<string>;
};

export interface CheckpointStore {
  /** Removes what checkpoints that never came to their end left behind. Idempotent. */
  removeLeftovers(): Promise<void>;

  /**
   * Keeps `bytes` under their digest (64 hex digits), replacing what stands there. The caller does
   * not touch `bytes` until it has settled.
   */
  putChunk(digest: string, bytes: Uint8Array): Promise<void>;

  /** Makes the checkpoint of this position visible, replacing one of the same position. */
  publish(position: number, manifest: Uint8Array): Promise<void>;

  /** Positions of the checkpoints that are there, newest first. */
  positions(): Promise<readonly number[]>;

  readManifest(position: number): Promise<Uint8Array<ArrayBuffer>>;

  readChunk(digest: string): Promise<Uint8Array<ArrayBuffer>>;

  /** Removes all other manifests, and then all other chunks. Idempotent. */
  keepOnly(kept: KeptCheckpoints): Promise<void>;
}
