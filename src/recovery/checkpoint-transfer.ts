// How a checkpoint gets from one node to another: the question that a joiner asks and the answers
// to it. Nothing that comes is believed: the manifest proves itself, each chunk is compared with
// the digest that the manifest names, and what was fetched is loaded like a checkpoint of one's
// own, with all its proofs. The manifest is published last, so half a checkpoint is never there.
//
//   question   1 byte: 0 = list, 1 = manifest, 2 = chunk; then the position (decimal) or the digest
//   answer     list: positions, newest first, a blank between two; otherwise the bytes as stored

import { hash } from 'node:crypto';
import { OperationalError } from '../base/errors.ts';
import type { CheckpointStore } from '../ports/checkpoint-store.ts';
import { corrupt, decodeManifest } from './checkpoint-codec.ts';
import { type OwnHistory, isOfHistory } from './load-checkpoint.ts';

const Asked = { list: 0, manifest: 1, chunk: 2 } as const;

/** Rejects: CHECKPOINT_CORRUPT for what is not there, NOT_READY for what is no question. */
export async function answerCheckpoint(
  store: CheckpointStore,
  question: Uint8Array,
): Promise<Uint8Array> {
  const [kind] = question;
  const text = new TextDecoder().decode(question.subarray(1));
  if (kind === Asked.list) return new TextEncoder().encode((await store.positions()).join(' '));
  if (kind === Asked.manifest && /^[0-9]{1,15}$/.test(text)) {
    return await store.readManifest(Number(text));
  }
  if (kind === Asked.chunk && /^[0-9a-f]{64}$/.test(text)) return await store.readChunk(text);
  throw new OperationalError('NOT_READY', { detail: 'The question is none about checkpoints.' });
}

export type CheckpointSource = (question: Uint8Array) => Promise<Uint8Array>;

/** Positions of the checkpoints there, newest first. */
export async function listElsewhere(ask: CheckpointSource): Promise<readonly number[]> {
  const text = new TextDecoder().decode(await ask(questionOf(Asked.list, '')));
  const positions = text.split(' ').map(Number);
  return positions.filter((position) => Number.isSafeInteger(position) && position > 0);
}

/** Rejects with CHECKPOINT_CORRUPT, CHECKPOINT_FAILED, or as `ask` does; nothing is there then. */
export async function copyCheckpoint(
  ask: CheckpointSource,
  position: number,
  store: CheckpointStore,
  history: OwnHistory,
): Promise<void> {
  const bytes = await ask(questionOf(Asked.manifest, String(position)));
  const { manifest, head } = decodeManifest(bytes);
  if (head.position !== position || !isOfHistory(head, history)) {
    throw corrupt('what was sent is another checkpoint than the one that was asked for');
  }
  const digests = new Set(manifest.chunks.map(({ sha256 }) => sha256));
  for (const digest of digests) {
    const chunk = await ask(questionOf(Asked.chunk, digest));
    if (hash('sha256', chunk) !== digest) throw corrupt(`chunk ${digest} arrived changed`);
    await store.putChunk(digest, chunk);
  }
  await store.publish(position, bytes);
}

function questionOf(kind: number, text: string): Uint8Array {
  const bytes = new Uint8Array(1 + text.length);
  bytes[0] = kind;
  bytes.set(new TextEncoder().encode(text), 1);
  return bytes;
}
