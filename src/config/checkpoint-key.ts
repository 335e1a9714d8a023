// The key that checkpoints are encrypted with: 64 hex digits in a file of its own.

import { readFileSync } from 'node:fs';
import { OperationalError } from '../base/errors.ts';

/** 32 bytes; undefined when no file is named. Throws CONFIGURATION_INVALID. */
export function readCheckpointKey(file: string): Uint8Array | undefined {
  if (file === '') return undefined;
  const text = readText(file).trim();
  if (/^[0-9a-fA-F]{64}$/.test(text)) return new Uint8Array(Buffer.from(text, 'hex'));
  throw invalid(`${file} does not hold a key`, undefined);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw invalid(`${file} cannot be read (${String(error)})`, error);
  }
}

function invalid(what: string, cause: unknown): OperationalError {
  return new OperationalError('CONFIGURATION_INVALID', {
    detail: `HOLDFAST_CHECKPOINT_KEY_FILE: ${what}.`,
    wayOut:
      'A key is 64 hex digits, 32 bytes of chance: openssl rand -hex 32 > FILE. Keep a copy elsewhere.',
    cause,
  });
}
