// The reader rule: what every reader of a journal believes (DESIGN section 7). It stands between a
// driver's `read` and whoever applies entries, and is what makes an engine without
// compare-and-append safe: a deposed leader's late record can neither wedge the chain nor be
// half-believed (I1, I2, I6).
//
//   accept   position = head + 1, previous digest = head digest, epoch = current, same history
//   void     everything else: it never happened, and every other reader says so too
//   stop     what shows that this node's history is not the cluster's: JOURNAL_DIVERGED; it never
//            skips on
//
// The epoch rises only by an opening entry in its place. A roll entry is accepted and ends the log.

import { DIGEST_BYTES, type Entry, EntryKind, equalBytes, toHex } from '../base/entry.ts';
import { OperationalError } from '../base/errors.ts';
import type { StoredEntry } from '../ports/journal.ts';

/** The last accepted entry: what the next one must follow. A checkpoint stores it. */
export type ReaderHead = {
  readonly position: number;
  readonly epoch: number;
  /** 32 bytes. */
  readonly digest: Uint8Array;
  /** The head entry's `timeNs`. */
  readonly timeNs: bigint;
  /** 16 bytes. */
  readonly clusterId: Uint8Array;
  readonly timeline: number;
};

export type ReaderStart =
  /** From the first entry of the first log; what is not given is learnt from it. */
  | { readonly kind: 'genesis'; readonly clusterId?: Uint8Array; readonly timeline?: number }
  /** At the offset stored with the head: the first record read must be the head itself. */
  | { readonly kind: 'at-head'; readonly head: ReaderHead }
  /** Behind the head, which the caller has verified. */
  | { readonly kind: 'after-head'; readonly head: ReaderHead };

export type VoidReason =
  /** Another cluster's or timeline's record. */
  | 'foreign'
  /** Of an epoch that is not current: a deposed leader's late record, or a lost candidacy. */
  | 'epoch'
  /** An opening that was overtaken: another entry already stands in its place. */
  | 'overtaken'
  /** Of the current epoch, but not the next position. */
  | 'position'
  /** The next position, but over another entry than the head. */
  | 'chain'
  /** Nothing has been opened yet. */
  | 'unopened'
  /** Behind the roll that ended this log. */
  | 'rolled';

export type ReaderVerdict =
  | { readonly kind: 'accept' }
  /** The head itself, found in its place (`at-head` only); it has been applied already. */
  | { readonly kind: 'head' }
  | { readonly kind: 'void'; readonly reason: VoidReason };

const ACCEPT: ReaderVerdict = { kind: 'accept' };
const HEAD: ReaderVerdict = { kind: 'head' };
const NO_DIGEST = new Uint8Array(DIGEST_BYTES);

/** Digests remembered to tell an overtaken opening from one over another history. */
const DIGESTS_REMEMBERED_MAX = 4096;

const WAY_OUT =
  "Nothing was applied. Rebuild this node from a checkpoint of the cluster, or, if it is the cluster's only one, run `holdfast journal verify`.";

export class ReaderRule {
  #head: ReaderHead | undefined;
  #clusterId: Uint8Array | undefined;
  #timeline: number | undefined;
  #headToConfirm: boolean;
  #durable = 0;
  #rolled = false;
  readonly #digests = new Map<number, Uint8Array>();

  constructor(start: ReaderStart) {
    this.#headToConfirm = start.kind === 'at-head';
    if (start.kind === 'genesis') {
      this.#clusterId = start.clusterId;
      this.#timeline = start.timeline;
      return;
    }
    this.#setHead(start.head);
  }

  /** The last accepted entry; undefined before genesis. */
  get head(): ReaderHead | undefined {
    return this.#head;
  }

  /** Highest `durable` that an accepted entry has carried. */
  get durable(): number {
    return this.#durable;
  }

  /** A roll entry was accepted: this log takes no more, its successor goes on. */
  get rolled(): boolean {
    return this.#rolled;
  }

  /** Judges the next record of the log. Throws JOURNAL_DIVERGED where a reader must stop. */
  decide(stored: StoredEntry): ReaderVerdict {
    const entry = stored.entry;
    if (this.#headToConfirm) return this.#confirmHead(stored);
    if (this.#rolled) return refuse('rolled');
    if (this.#isForeign(entry)) return refuse('foreign');
    const head = this.#head;
    if (head === undefined) return this.#decideGenesis(stored);
    if (entry.kind === EntryKind.opening && entry.epoch > head.epoch) {
      return this.#decideOpening(stored, head);
    }
    // An opening of the current epoch is a candidacy that was lost, wherever it stands.
    if (entry.epoch !== head.epoch || entry.kind === EntryKind.opening) return refuse('epoch');
    if (entry.position !== head.position + 1) return refuse('position');
    if (!equalBytes(entry.previousDigest, head.digest)) return refuse('chain');
    return this.#accept(stored);
  }

  #confirmHead(stored: StoredEntry): ReaderVerdict {
    const head = this.#head;
    const { entry } = stored;
    const found = head !== undefined && equalBytes(entry.digest, head.digest);
    if (!found || entry.position !== head.position || entry.epoch !== head.epoch) {
      throw diverged(
        stored,
        `where this node's head (position ${head?.position}, digest ${head === undefined ? '' : short(head.digest)}) should stand`,
      );
    }
    this.#headToConfirm = false;
    this.#durable = entry.durable;
    this.#rolled = entry.kind === EntryKind.roll;
    return HEAD;
  }

  #isForeign(entry: Entry): boolean {
    const clusterDiffers =
      this.#clusterId !== undefined && !equalBytes(entry.clusterId, this.#clusterId);
    return clusterDiffers || (this.#timeline !== undefined && entry.timeline !== this.#timeline);
  }

  #decideGenesis(stored: StoredEntry): ReaderVerdict {
    const { entry } = stored;
    if (entry.position > 1) throw diverged(stored, 'but the journal must start at position 1');
    if (entry.kind !== EntryKind.opening) return refuse('unopened');
    if (entry.epoch !== 1 || !equalBytes(entry.previousDigest, NO_DIGEST)) {
      throw diverged(stored, 'but the first entry must open epoch 1 over nothing');
    }
    return this.#accept(stored);
  }

  #decideOpening(stored: StoredEntry, head: ReaderHead): ReaderVerdict {
    const { entry } = stored;
    if (entry.position > head.position + 1) {
      throw diverged(stored, `but this node's history ends at position ${head.position}`);
    }
    if (entry.position === head.position + 1) {
      if (equalBytes(entry.previousDigest, head.digest)) return this.#accept(stored);
      throw diverged(stored, `over a digest other than this node's ${short(head.digest)}`);
    }
    // A candidate that read less than we have. It opens nothing, since its place is taken; over a
    // digest that we know to be another it proves a fork. Beyond our memory it is void as well: no
    // reader can have accepted it.
    const known = this.#digests.get(entry.position - 1);
    if (known !== undefined && !equalBytes(known, entry.previousDigest)) {
      throw diverged(stored, `over a digest other than this node's ${short(known)}`);
    }
    return refuse('overtaken');
  }

  /**
   * In its place and chained. What is then still wrong is no late record: it is another history.
   */
  #accept(stored: StoredEntry): ReaderVerdict {
    const { entry } = stored;
    const head = this.#head;
    if (head !== undefined && entry.timeNs <= head.timeNs) {
      throw diverged(stored, `whose time ${entry.timeNs} does not rise above ${head.timeNs}`);
    }
    if (entry.durable < this.#durable || entry.durable >= entry.position) {
      throw diverged(stored, `whose durable position ${entry.durable} fell from ${this.#durable}`);
    }
    this.#clusterId ??= entry.clusterId;
    this.#timeline ??= entry.timeline;
    this.#durable = entry.durable;
    this.#rolled = entry.kind === EntryKind.roll;
    this.#setHead({
      position: entry.position,
      epoch: entry.epoch,
      digest: entry.digest.slice(),
      timeNs: entry.timeNs,
      clusterId: this.#clusterId,
      timeline: this.#timeline,
    });
    return ACCEPT;
  }

  #setHead(head: ReaderHead): void {
    this.#head = head;
    this.#clusterId = head.clusterId;
    this.#timeline = head.timeline;
    this.#digests.set(head.position, head.digest);
    this.#digests.delete(head.position - DIGESTS_REMEMBERED_MAX);
  }
}

function refuse(reason: VoidReason): ReaderVerdict {
  return { kind: 'void', reason };
}

function diverged(stored: StoredEntry, why: string): OperationalError {
  const { entry, offset } = stored;
  const what = `position ${entry.position}, epoch ${entry.epoch}, digest ${short(entry.digest)}`;
  const chained = `${what}, previous digest ${short(entry.previousDigest)}`;
  const detail = `The journal holds at offset ${offset} the entry of ${chained}, ${why}.`;
  return new OperationalError('JOURNAL_DIVERGED', { detail, wayOut: WAY_OUT });
}

function short(digest: Uint8Array): string {
  return toHex(digest.subarray(0, 8));
}
