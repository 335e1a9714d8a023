// From a stored checkpoint back to the state. Nothing of it is believed: each digest is computed
// again, the counts and the sums of the books are proved by adding up every account, and the totals
// must be those that the manifest says. What does not hold makes the checkpoint unusable as a
// whole, with a sentence that says why; the caller then takes an older one.

import { assert } from '../base/assert.ts';
import { equalBytes, toHex } from '../base/entry.ts';
import { isOperationalError } from '../base/errors.ts';
import { Restoration } from '../domain/capture.ts';
import type { DomainState } from '../domain/domain.ts';
import { ledgerTotals } from '../domain/queries.ts';
import type { CheckpointStore } from '../ports/checkpoint-store.ts';
import {
  type ManifestChunk,
  type ReadManifest,
  corrupt,
  decodeManifest,
} from './checkpoint-codec.ts';
import { isEncrypted } from './encrypted-store.ts';

/** Chunks that are being read and hashed at the same time: 8 MiB of memory. */
const CHUNKS_AHEAD = 4;

export type OwnHistory = { readonly clusterId: Uint8Array; readonly timeline: number };

/** What the store has of our history, newest first, and what is wrong with the rest. */
export type FoundCheckpoints = {
  readonly readable: readonly ReadManifest[];
  readonly notes: readonly string[];
};

/** Reads the manifests, no chunks. `history`: checkpoints of others cannot be used. */
export async function findCheckpoints(
  store: CheckpointStore,
  history?: OwnHistory,
): Promise<FoundCheckpoints> {
  const readable: ReadManifest[] = [];
  const notes: string[] = [];
  try {
    for (const position of await store.positions()) {
      try {
        readable.push(await readManifest(store, position, history));
      } catch (error) {
        notes.push(`The checkpoint of position ${position} cannot be used: ${reasonOf(error)}.`);
      }
    }
  } catch (error) {
    notes.push(`The checkpoints cannot be listed: ${reasonOf(error)}.`);
  }
  return { readable, notes };
}

/** Throws CHECKPOINT_CORRUPT. */
async function readManifest(
  store: CheckpointStore,
  position: number,
  history?: OwnHistory,
): Promise<ReadManifest> {
  const bytes = await store.readManifest(position);
  if (isEncrypted(bytes))
    throw corrupt('it is encrypted, and HOLDFAST_CHECKPOINT_KEY_FILE is not set');
  const read = decodeManifest(bytes);
  if (read.head.position !== position) {
    throw corrupt(`it is of position ${read.head.position}, not of the one that its name says`);
  }
  if (history === undefined) return read;
  if (!equalBytes(read.head.clusterId, history.clusterId)) {
    throw corrupt(`it is of the cluster ${toHex(read.head.clusterId)}`);
  }
  if (read.head.timeline !== history.timeline) {
    throw corrupt(`it is of the timeline ${read.head.timeline}`);
  }
  return read;
}

export function isOfHistory(
  { clusterId, timeline }: Pick<ReadManifest['head'], 'clusterId' | 'timeline'>,
  history: OwnHistory,
): boolean {
  return equalBytes(clusterId, history.clusterId) && timeline === history.timeline;
}

/** Builds the state. Throws CHECKPOINT_CORRUPT with the reason; whatever was built is dropped. */
export async function loadCheckpoint(
  store: CheckpointStore,
  { manifest }: ReadManifest,
  signal: AbortSignal,
): Promise<DomainState> {
  try {
    const restoration = new Restoration(manifest.stateHead);
    assertSameChunks(restoration, manifest.chunks);
    for await (const bytes of verifiedChunks(store, manifest.chunks)) {
      signal.throwIfAborted();
      restoration.put(bytes);
    }
    const state = restoration.finish();
    assertSameTotals(state, manifest);
    return state;
  } catch (error) {
    signal.throwIfAborted();
    throw isOperationalError(error, 'CHECKPOINT_CORRUPT') ? error : corrupt(reasonOf(error));
  }
}

function assertSameChunks(restoration: Restoration, chunks: readonly ManifestChunk[]): void {
  const wanted = restoration.chunks;
  assert(chunks.length === wanted.length, 'the manifest names every chunk of the state');
  for (const [index, { table, number, bytes }] of wanted.entries()) {
    const chunk = chunks[index];
    const isSame = chunk?.table === table && chunk.number === number && chunk.bytes === bytes;
    assert(isSame, 'the manifest names the chunks of the state in their order');
  }
}

/** In order; some are read and hashed ahead. */
async function* verifiedChunks(
  store: CheckpointStore,
  chunks: readonly ManifestChunk[],
): AsyncGenerator<Uint8Array> {
  const ahead: Promise<Uint8Array>[] = [];
  for (let next = 0; next < chunks.length || ahead.length > 0; ) {
    while (next < chunks.length && ahead.length < CHUNKS_AHEAD) {
      const reading = readVerified(store, chunks[next]!);
      // It is awaited in its turn; when an earlier one fails nobody waits for it any more.
      reading.catch(() => undefined);
      ahead.push(reading);
      next += 1;
    }
    yield await ahead.shift()!;
  }
}

async function readVerified(store: CheckpointStore, chunk: ManifestChunk): Promise<Uint8Array> {
  const bytes = await store.readChunk(chunk.sha256);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  if (toHex(digest) === chunk.sha256 && bytes.byteLength === chunk.bytes) return bytes;
  throw corrupt(`chunk ${chunk.table}/${chunk.number} is not what its digest says`);
}

function assertSameTotals(state: DomainState, manifest: ReadManifest['manifest']): void {
  const totals = ledgerTotals(state);
  assert(totals.length === manifest.books.length, 'the manifest has the books of every ledger');
  for (const [index, own] of totals.entries()) {
    const told = manifest.books[index]!;
    assert(own.ledger === told.ledger, 'the ledgers are those of the manifest');
    assert(own.debitsPosted === told.debitsPosted, 'posted debits are those of the manifest');
    assert(own.creditsPosted === told.creditsPosted, 'posted credits are those of the manifest');
    assert(own.debitsPending === told.debitsPending, 'held debits are those of the manifest');
    assert(own.creditsPending === told.creditsPending, 'held credits are those of the manifest');
  }
  const { transfersAccepted } = state.ledger;
  assert(transfersAccepted === manifest.transfersAccepted, 'no accepted transfer is missing');
}

/** A sentence without its full stop. */
export function reasonOf(error: unknown): string {
  if (isOperationalError(error)) return error.detail.replace(/\.$/, '');
  return error instanceof Error ? error.message : String(error);
}
