// The role before "leading": opens an epoch and believes it only after reading it back. The opening
// carries a random nonce; two candidates for one epoch write different bytes, and only the one
// whose bytes stand in the place has won (DESIGN 7, epoch opening).

import { assert } from '../../base/assert.ts';
import { canonicalBytes } from '../../base/canonical-json.ts';
import {
  DIGEST_BYTES,
  type Entry,
  EntryKind,
  equalBytes,
  sealEntry,
  toHex,
} from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import { ENTRY_HEADER_BYTES } from '../../base/limits.ts';
import type { Entropy } from '../../ports/entropy.ts';
import type { EngineOffset, Journal, ReadOptions, StoredEntry } from '../../ports/journal.ts';
import type { ReaderRule } from '../../recovery/reader-rule.ts';
import { type Replica, sha256 } from '../../recovery/replica.ts';
import type { ClockGuard } from '../clock-guard.ts';
import { earliestNextNs } from '../sequencer.ts';

const REASON_CHARACTERS_MAX = 400;

/** An acknowledged entry that cannot be read for longer has not become part of the log. */
const READ_BACK_MS_MAX = 3000;

export type CandidateOptions = {
  readonly journal: Journal;
  readonly rule: ReaderRule;
  readonly replica: Replica;
  readonly clusterId: Uint8Array;
  readonly timeline: number;
  /** The last accepted entry, and where a re-read must start; both empty on a new journal. */
  readonly last: Omit<Entry, 'bytes'> | undefined;
  readonly offset: EngineOffset | null;
  readonly clockGuard: ClockGuard;
  readonly entropy: Entropy;
  readonly release: string;
  /** Who opens and why, for people; a node that runs alone says neither. */
  readonly node?: string;
  readonly reason?: string;
  readonly signal: AbortSignal;
};

/** Opens the next epoch; resolves with its opening entry, read back in its place and applied. */
export async function openEpoch(options: CandidateOptions): Promise<StoredEntry> {
  const opening = sealOpening(options);
  await options.journal.append(opening);
  const stored = await readBack(options, opening);
  options.replica.apply(stored.entry);
  return stored;
}

function sealOpening(options: CandidateOptions): Entry {
  const { last, replica } = options;
  const { node, reason, release } = options;
  const body = paddedJson({
    nonce: toHex(options.entropy.bytes(16)),
    release,
    ...(node !== undefined && { node }),
    ...(reason !== undefined && { reason: reason.slice(0, REASON_CHARACTERS_MAX) }),
  });
  const nowNs = options.clockGuard.nowNs();
  const earliestNs = last === undefined ? 1n : earliestNextNs(last);
  const bytes = new Uint8Array(ENTRY_HEADER_BYTES + body.byteLength);
  bytes.set(body, ENTRY_HEADER_BYTES);
  return sealEntry(
    {
      kind: EntryKind.opening,
      commandCount: 0,
      clusterId: options.clusterId,
      timeline: options.timeline,
      position: (last?.position ?? 0) + 1,
      epoch: (last?.epoch ?? 0) + 1,
      durable: last?.position ?? 0,
      timeNs: nowNs > earliestNs ? nowNs : earliestNs,
      rulesVersion: replica.state.configuration.rulesVersion,
      eventCount: 1,
      bodyBytes: body.byteLength,
      outcomePosition: replica.position,
      outcomeDigest: replica.outcomeDigest,
      previousDigest: last?.digest ?? new Uint8Array(DIGEST_BYTES),
    },
    bytes,
    sha256,
  );
}

/** JSON padded with spaces to a multiple of 8, so that it stays legible and parses as it is. */
function paddedJson(value: { readonly [name: string]: string }): Uint8Array {
  const json = canonicalBytes(value);
  const padded = new Uint8Array((json.byteLength + 7) & ~7).fill(0x20);
  padded.set(json);
  return padded;
}

/**
 * An engine may let an entry be read a moment after it has acknowledged it: who comes to the end
 * without having met the opening, or another one in its place, waits there for one of them.
 */
async function readBack(options: CandidateOptions, opening: Entry): Promise<StoredEntry> {
  const { signal } = options;
  const now = await findOpening(options, opening, { follow: false, signal });
  if (now !== undefined) return now;
  const patience = AbortSignal.any([signal, AbortSignal.timeout(READ_BACK_MS_MAX)]);
  const soon = await findOpening(options, opening, { follow: true, signal: patience });
  if (soon !== undefined) return soon;
  signal.throwIfAborted();
  throw new OperationalError('JOURNAL_UNKNOWN_OUTCOME', {
    detail: `The opening of epoch ${opening.epoch} was acknowledged but cannot be read back.`,
    wayOut: 'Nothing was answered. Start the node again.',
  });
}

/** Undefined = the reading ended before: nothing has been accepted behind the own head. */
async function findOpening(
  { journal, rule, last, offset }: CandidateOptions,
  opening: Entry,
  how: Pick<ReadOptions, 'follow' | 'signal'>,
): Promise<StoredEntry | undefined> {
  for await (const batch of journal.read({ from: offset, ...how })) {
    for (const stored of batch) {
      if (last !== undefined && stored.offset === offset) {
        assert(equalBytes(stored.entry.digest, last.digest), 'the head is what was applied');
        continue;
      }
      // What is void now was void when it was read before: nothing has been accepted since.
      if (rule.decide(stored).kind === 'void') continue;
      if (equalBytes(stored.entry.digest, opening.digest)) return stored;
      throw new OperationalError('JOURNAL_FENCED', {
        detail: `Position ${stored.entry.position} was taken by another writer, of epoch ${stored.entry.epoch}.`,
        wayOut: 'This node does not lead; start it again and it will follow or try anew.',
      });
    }
  }
  return undefined;
}
