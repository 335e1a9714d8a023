// One digest of a whole state, by its canonical image: equal digests are equal states, whatever
// road led there. For comparing a checkpoint with a replay; it takes time and memory.

import { createHash } from 'node:crypto';
import { type DomainState, image } from '../domain/domain.ts';

/** 64 hex digits. */
export function imageDigest(state: DomainState): string {
  const digest = createHash('sha256');
  for (const { name, bytes } of image(state)) {
    digest.update(`${name} ${bytes.byteLength}\n`).update(bytes);
  }
  return digest.digest('hex');
}
