// Ids. Every id is 128 bits and stands in records as 16 bytes in big-endian order, which is the
// order of a UUID's own bytes: sorting the bytes sorts the numbers.
//   transfer id   top 48 bits = Unix milliseconds (UUIDv7 and ULID are such numbers); the rest is
//                 the client's: random, or derived from what he imports
//   posting id    a transfer id: the ids of its transfers have the same time
//   account id    any number but 0 and 2^128 - 1
// In JSON an id is a prefix and 32 lower-case hex digits: tr_0190..., acc_....

export const ID_BYTES = 16;
export const ID_MAX = (1n << 128n) - 1n;

export const ID_PREFIX = { account: 'acc_', transfer: 'tr_', posting: 'po_' } as const;
export type IdKind = keyof typeof ID_PREFIX;

const HEX_DIGITS = 32;
const HEX_PATTERN = /^[0-9a-f]{32}$/;

export function formatId(kind: IdKind, id: bigint): string {
  return ID_PREFIX[kind] + id.toString(16).padStart(HEX_DIGITS, '0');
}

/** The number behind `tr_...`, `acc_...` or `po_...`; undefined when the text is not such an id. */
export function parseId(kind: IdKind, text: string): bigint | undefined {
  const prefix = ID_PREFIX[kind];
  if (text.length !== prefix.length + HEX_DIGITS || !text.startsWith(prefix)) return undefined;
  const hex = text.slice(prefix.length);
  return HEX_PATTERN.test(hex) ? BigInt(`0x${hex}`) : undefined;
}

/** A transfer id from milliseconds since 1970 (0 .. 2^48 - 1) and the low 80 bits of `rest`. */
export function transferIdFrom(unixMs: number, rest: bigint): bigint {
  return (BigInt(unixMs) << 80n) | (rest & ((1n << 80n) - 1n));
}

/** The Unix milliseconds in the top 48 bits of a transfer id. */
export function transferIdUnixMs(id: bigint): number {
  return Number(id >> 80n);
}

export function writeId(target: DataView, offset: number, id: bigint): void {
  target.setBigUint64(offset, id >> 64n, false);
  target.setBigUint64(offset + 8, id & 0xffff_ffff_ffff_ffffn, false);
}

export function readId(source: DataView, offset: number): bigint {
  return (source.getBigUint64(offset, false) << 64n) | source.getBigUint64(offset + 8, false);
}

function swap32(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}

/**
 * The Unix milliseconds of the transfer id whose 16 bytes begin at word `i` of a little-endian
 * Uint32Array view: the hot path's way, without a BigInt.
 */
export function idWordsUnixMs(words: Uint32Array, i: number): number {
  const next = words[i + 1]!;
  return swap32(words[i]!) * 0x1_0000 + (((next & 0xff) << 8) | ((next >>> 8) & 0xff));
}

/** Writes an id into a little-endian Uint32Array view, as the bytes of a record stand in it. */
export function writeIdWords(words: Uint32Array, i: number, id: bigint): void {
  words[i] = swap32(Number((id >> 96n) & 0xffff_ffffn));
  words[i + 1] = swap32(Number((id >> 64n) & 0xffff_ffffn));
  words[i + 2] = swap32(Number((id >> 32n) & 0xffff_ffffn));
  words[i + 3] = swap32(Number(id & 0xffff_ffffn));
}

export function readIdWords(words: Uint32Array, i: number): bigint {
  return (
    (BigInt(swap32(words[i]!)) << 96n) |
    (BigInt(swap32(words[i + 1]!)) << 64n) |
    (BigInt(swap32(words[i + 2]!)) << 32n) |
    BigInt(swap32(words[i + 3]!))
  );
}
