// Checkpoints under AES-256-GCM: a store in front of any store. Manifests and chunks are encrypted
// alike; what is read is authenticated together with its own name, so nothing can be exchanged for
// something else that was encrypted under the same key. Chunks are named by HMAC-SHA-256 of their
// digest: a name tells nothing to those without the key. What was written before there was a key
// is read as it stands.
//
//   offset bytes field
//        0     8 magic       "HFCRYPT1"
//        8    12 nonce       random, a new one for each write
//       20    16 tag
//       36     n ciphertext

import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { equalBytes } from '../base/entry.ts';
import { isOperationalError } from '../base/errors.ts';
import type { CheckpointStore, KeptCheckpoints } from '../ports/checkpoint-store.ts';
import { corrupt } from './checkpoint-codec.ts';

export const CHECKPOINT_KEY_BYTES = 32;

const ALGORITHM = 'aes-256-gcm';
const MAGIC = new TextEncoder().encode('HFCRYPT1');
const NONCE_OFFSET = 8;
const TAG_OFFSET = 20;
const TEXT_OFFSET = 36;

export function isEncrypted(bytes: Uint8Array): boolean {
  return equalBytes(bytes.subarray(0, NONCE_OFFSET), MAGIC);
}

export function createEncryptedStore(inner: CheckpointStore, key: Uint8Array): CheckpointStore {
  assert(key.byteLength === CHECKPOINT_KEY_BYTES, 'a key of AES-256 has 32 bytes');
  return new EncryptedStore(inner, key);
}

class EncryptedStore implements CheckpointStore {
  readonly #inner: CheckpointStore;
  readonly #key: Uint8Array;

  constructor(inner: CheckpointStore, key: Uint8Array) {
    this.#inner = inner;
    this.#key = key;
  }

  removeLeftovers(): Promise<void> {
    return this.#inner.removeLeftovers();
  }

  putChunk(digest: string, bytes: Uint8Array): Promise<void> {
    return this.#inner.putChunk(this.#nameOf(digest), this.#encrypt(bytes, `chunk ${digest}`));
  }

  publish(position: number, manifest: Uint8Array): Promise<void> {
    return this.#inner.publish(position, this.#encrypt(manifest, `manifest ${position}`));
  }

  positions(): Promise<readonly number[]> {
    return this.#inner.positions();
  }

  async readManifest(position: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.#decrypt(await this.#inner.readManifest(position), `manifest ${position}`);
  }

  async readChunk(digest: string): Promise<Uint8Array<ArrayBuffer>> {
    return this.#decrypt(await this.#readEither(digest), `chunk ${digest}`);
  }

  keepOnly(kept: KeptCheckpoints): Promise<void> {
    const names = [...kept.chunks].map((digest) => this.#nameOf(digest));
    return this.#inner.keepOnly({ ...kept, chunks: new Set([...names, ...kept.chunks]) });
  }

  async #readEither(digest: string): Promise<Uint8Array<ArrayBuffer>> {
    try {
      return await this.#inner.readChunk(this.#nameOf(digest));
    } catch (error) {
      if (!isOperationalError(error, 'CHECKPOINT_CORRUPT')) throw error;
      return await this.#inner.readChunk(digest);
    }
  }

  #nameOf(digest: string): string {
    return createHmac('sha256', this.#key).update(digest).digest('hex');
  }

  #encrypt(bytes: Uint8Array, name: string): Uint8Array {
    const nonce = randomBytes(TAG_OFFSET - NONCE_OFFSET);
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce);
    cipher.setAAD(Buffer.from(name));
    const text = cipher.update(bytes);
    cipher.final();
    const stored = new Uint8Array(TEXT_OFFSET + text.byteLength);
    stored.set(MAGIC);
    stored.set(nonce, NONCE_OFFSET);
    stored.set(cipher.getAuthTag(), TAG_OFFSET);
    stored.set(text, TEXT_OFFSET);
    return stored;
  }

  #decrypt(stored: Uint8Array<ArrayBuffer>, name: string): Uint8Array<ArrayBuffer> {
    if (!isEncrypted(stored)) return stored;
    const nonce = stored.subarray(NONCE_OFFSET, TAG_OFFSET);
    try {
      const decipher = createDecipheriv(ALGORITHM, this.#key, nonce);
      decipher.setAAD(Buffer.from(name));
      decipher.setAuthTag(stored.subarray(TAG_OFFSET, TEXT_OFFSET));
      const bytes = new Uint8Array(decipher.update(stored.subarray(TEXT_OFFSET)));
      decipher.final();
      return bytes;
    } catch {
      throw corrupt(`the ${name} was encrypted under another key, or is damaged`);
    }
  }
}
