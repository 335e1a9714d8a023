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
import type { EngineOffset, Journal, StoredEntry } from '../../ports/journal.ts';
import type { ReaderRule } from '../../recovery/reader-rule.ts';
import { type Replica, sha256 } from '../../recovery/replica.ts';
import type { ClockGuard } from '../clock-guard.ts';
import { earliestNextNs } from '../sequencer.ts';

const REASON_CHARACTERS_MAX = 400;

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

async function readBack(options: CandidateOptions, opening: Entry): Promise<StoredEntry> {
  const { journal, rule, last, offset, signal } = options;
  for await (const batch of journal.read({ from: offset, follow: false, signal })) {
    for (const stored of batch) {
      if (last !== undefined && stored.offset === offset) {
        assert(equalBytes(stored.entry.digest, last.digest), 'the head is what was applied');
        continue;
      }
      if (rule.decide(stored).kind === 'void') continue;
      if (equalBytes(stored.entry.digest, opening.digest)) return stored;
      throw new OperationalError('JOURNAL_FENCED', {
        detail: `Another candidate has opened epoch ${stored.entry.epoch} at position ${stored.entry.position}.`,
        wayOut: 'This node does not lead; start it again and it will follow or try anew.',
      });
    }
  }
  throw new OperationalError('JOURNAL_UNKNOWN_OUTCOME', {
    detail: `The opening of epoch ${opening.epoch} was acknowledged but cannot be read back.`,
    wayOut: 'Nothing was answered. Start the node again.',
  });
}
