// The operating system's entropy.

import { randomBytes } from 'node:crypto';
import type { Entropy } from '../../ports/entropy.ts';

export function createEntropy(): Entropy {
  return { bytes: (count) => new Uint8Array(randomBytes(count)) };
}
