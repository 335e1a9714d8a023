// The file of a run, from its end: what a reader must know before it reads pages. The drawing is in
// docs/reference/history.md.
//
//   pages (16 KiB) | index (words) | trailer (JSON) | end block (64 bytes)
//
// Nothing in it depends on when or where it was written: one journal gives one file, byte for byte.

import { hash } from 'node:crypto';
import { canonicalBytes } from '../base/canonical-json.ts';
import { PAGE_WORDS } from './layout.ts';

export const SECTIONS = ['sides', 'accounts', 'ids', 'numbers', 'terms', 'resolutions'] as const;
export type SectionName = (typeof SECTIONS)[number];

/** First page, and words used in all its pages (the rest of the last one is zero). */
export type Section = { readonly page: number; readonly entries: number };

/** Milliseconds from and until, both inclusive, between which ids lie. */
export type IdRange = readonly [number, number];

/** Ids of a run are told in at most so many ranges: a few old ones do not widen it for all. */
export const ID_RANGES_MAX = 16;

export type RunMeta = {
  readonly run: number;
  /** Transfers in it: as many as every run has. */
  readonly transfers: number;
  readonly firstNs: string;
  readonly lastNs: string;
  /** Id of its last transfer, 32 hex digits: tells one history from another. */
  readonly lastId: string;
  readonly idRanges: readonly IdRange[];
  readonly resolutionRanges: readonly IdRange[];
  readonly sections: { readonly [Name in SectionName]: Section };
};

/** What the catalog holds of a run. */
export type RunEntry = RunMeta & {
  readonly bytes: number;
  /** SHA-256 of index and trailer, and so, by the checksums in the index, of every page. */
  readonly indexDigest: string;
  /** SHA-256 of the whole file. */
  readonly digest: string;
};

export const END_BLOCK_BYTES = 64;
const MAGIC = 0x3152_5448_5344_4c48n; // "HLDSHTR1"

/** Words of an entry in each section; `sides` has entries of many lengths. */
export const ENTRY_WORDS = { accounts: 4, ids: 5, numbers: 1, terms: 2, resolutions: 5 } as const;
/** Words of an entry's key, by which pages are found. */
export const KEY_WORDS = { accounts: 1, ids: 4, numbers: 0, terms: 1, resolutions: 4 } as const;
export type FixedSection = keyof typeof ENTRY_WORDS;

export function entriesPerPage(section: FixedSection): number {
  return Math.floor(PAGE_WORDS / ENTRY_WORDS[section]);
}

export function fixedPages(section: FixedSection, entries: number): number {
  return Math.ceil(entries / entriesPerPage(section));
}

export function runName(run: number): string {
  return `run-${String(run).padStart(8, '0')}.history`;
}

export function encodeTrailer(meta: RunMeta): Uint8Array {
  const json = canonicalBytes(meta);
  const padded = new Uint8Array((json.byteLength + 7) & ~7).fill(0x20);
  padded.set(json);
  return padded;
}

export function encodeEnd(indexWords: number, trailer: Uint8Array, digest: Uint8Array): Uint8Array {
  const end = new Uint8Array(END_BLOCK_BYTES);
  const view = new DataView(end.buffer);
  view.setBigUint64(0, MAGIC, true);
  view.setUint32(8, indexWords, true);
  view.setUint32(12, trailer.byteLength, true);
  end.set(digest, 16);
  end.set(hash('sha256', end.subarray(0, 48), 'buffer').subarray(0, 16), 48);
  return end;
}

export type End = {
  readonly indexBytes: number;
  readonly trailerBytes: number;
  readonly digest: Uint8Array;
};

/** Undefined = these are not the last bytes of a run, or not as they were written. */
export function decodeEnd(end: Uint8Array): End | undefined {
  const view = new DataView(end.buffer, end.byteOffset, end.byteLength);
  if (end.byteLength !== END_BLOCK_BYTES || view.getBigUint64(0, true) !== MAGIC) return undefined;
  const own = hash('sha256', end.subarray(0, 48), 'buffer');
  for (let byte = 0; byte < 16; byte++) if (own[byte] !== end[48 + byte]) return undefined;
  return {
    indexBytes: view.getUint32(8, true) * 4,
    trailerBytes: view.getUint32(12, true),
    digest: end.subarray(16, 48),
  };
}

/** Where the parts of the index begin, in words; checksums of all pages stand first. */
export type IndexLayout = {
  readonly pages: number;
  readonly sidePages: number;
  readonly sideFirst: number;
  readonly sideNumber: number;
  readonly keys: { readonly [Name in FixedSection]: number };
  readonly words: number;
};

export function indexLayout(pages: number, sections: RunMeta['sections']): IndexLayout {
  const sidePages = sections.accounts.page;
  let at = pages + 2 * sidePages;
  const place = (section: FixedSection): number => {
    const here = at;
    at += fixedPages(section, sections[section].entries) * KEY_WORDS[section];
    return here;
  };
  const keys = {
    accounts: place('accounts'),
    ids: place('ids'),
    numbers: place('numbers'),
    terms: place('terms'),
    resolutions: place('resolutions'),
  };
  return { pages, sidePages, sideFirst: pages, sideNumber: pages + sidePages, keys, words: at };
}

/** Covers ascending milliseconds by few ranges: they part where the gaps are largest. */
export function rangesOf(ascendingMs: Float64Array): IdRange[] {
  if (ascendingMs.length === 0) return [];
  const cuts: number[] = [];
  let least = 0;
  for (let index = 1; index < ascendingMs.length; index++) {
    const gap = ascendingMs[index]! - ascendingMs[index - 1]!;
    if (gap <= Math.max(least, 1)) continue;
    cuts.push(index);
    if (cuts.length < ID_RANGES_MAX) continue;
    const gapAt = (cut: number): number => ascendingMs[cut]! - ascendingMs[cut - 1]!;
    let smallest = 0;
    for (let cut = 1; cut < cuts.length; cut++) {
      if (gapAt(cuts[cut]!) < gapAt(cuts[smallest]!)) smallest = cut;
    }
    least = gapAt(cuts[smallest]!);
    cuts.splice(smallest, 1);
  }
  const starts = [0, ...cuts];
  return starts.map((start, place) => {
    const end = starts[place + 1] ?? ascendingMs.length;
    return [ascendingMs[start]!, ascendingMs[end - 1]!] as const;
  });
}

export function isInRanges(ranges: readonly IdRange[], unixMs: number): boolean {
  return ranges.some(([from, until]) => unixMs >= from && unixMs <= until);
}
