// What must hold from one entry of a file journal to the next. A writer compares before it appends,
// so in a file, unlike in a shared log, nothing else can stand there: a break is corruption (I2).

import { DIGEST_BYTES, type EntryHeader, EntryKind, equalBytes, toHex } from '../../base/entry.ts';

export type ChainedHeader = EntryHeader & { readonly digest: Uint8Array };

const NO_DIGEST = new Uint8Array(DIGEST_BYTES);

export class ChainCheck {
  #last: ChainedHeader | undefined;
  #position: number;
  #epoch: number;

  /** Starts at a segment's first entry. */
  constructor(position: number, epoch: number) {
    this.#position = position;
    this.#epoch = epoch;
  }

  /** Goes on in a file that starts with the entry behind the last one. */
  startSegment(epoch: number): void {
    this.#epoch = epoch;
  }

  get last(): ChainedHeader | undefined {
    return this.#last;
  }

  get nextPosition(): number {
    return this.#position;
  }

  /** A sentence when the header cannot be the next one. */
  faultOf(header: EntryHeader): string | undefined {
    if (header.position !== this.#position) {
      return `an entry of position ${header.position} stands where ${this.#position} must`;
    }
    if (header.epoch !== this.#epoch) {
      return `an entry of epoch ${header.epoch} stands in a segment of epoch ${this.#epoch}`;
    }
    const last = this.#last;
    if (last === undefined) return faultOfFirst(header);
    if (!equalBytes(header.clusterId, last.clusterId)) {
      return `an entry of cluster ${toHex(header.clusterId)} stands in the journal of cluster ${toHex(last.clusterId)}`;
    }
    if (header.timeline !== last.timeline) {
      return `an entry of timeline ${header.timeline} stands in timeline ${last.timeline}`;
    }
    if (!equalBytes(header.previousDigest, last.digest)) {
      return `the entry's previous digest is not the digest of position ${last.position}`;
    }
    if (header.epoch < last.epoch) return `the epoch falls from ${last.epoch} to ${header.epoch}`;
    const isOpening = header.kind === EntryKind.opening;
    if (header.epoch > last.epoch && !isOpening) {
      return `epoch ${header.epoch} begins without an opening`;
    }
    if (header.epoch === last.epoch && isOpening) {
      return `epoch ${header.epoch} is opened a second time`;
    }
    return undefined;
  }

  advance(entry: ChainedHeader): void {
    this.#last = entry;
    this.#position = entry.position + 1;
  }
}

function faultOfFirst(header: EntryHeader): string | undefined {
  if (header.position > 1) return undefined;
  if (header.kind !== EntryKind.opening) return 'the journal does not begin with an opening';
  return equalBytes(header.previousDigest, NO_DIGEST)
    ? undefined
    : 'the first entry names a previous one';
}
