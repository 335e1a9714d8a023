// The leader's answer to forwarded commands: a part for each, in the order of the question.
//
//   offset bytes field         (little-endian)
//        0     2 version       1
//        2     2 zero
//        4     4 count         of parts
//        8     . the parts, each a multiple of 8:
//
//        0     2 form          0 = every event was created, 1 = a code for each event,
//                              2 = an error, 3 = an error that is the leader's last word
//        2     2 kind          of the outcome
//        4     4 count         of codes, or bytes of the error
//        8     8 position
//       16     8 time          nanoseconds, of the first event
//       24     4 expired
//       28     4 zero
//       32     . codes, 2 bytes each; or the error: {"code","detail","way_out"} in canonical JSON;
//                then zeros up to a multiple of 8

import { canonicalBytes } from '../../base/canonical-json.ts';
import {
  OPERATIONAL_ERRORS,
  type OperationalCode,
  OperationalError,
  isOperationalError,
} from '../../base/errors.ts';
import { TRANSFERS_PER_REQUEST_MAX } from '../../base/limits.ts';
import type { SubmitResult } from '../contract.ts';
import { FORWARD_VERSION } from './forwarded-commands.ts';

const HEAD_BYTES = 8;
const PART_BYTES = 32;
const Form = { created: 0, codes: 1, error: 2, lastWord: 3 } as const;

/** What the leader says instead of an outcome. */
export class ForwardedFailure {
  readonly error: OperationalError;
  /** Another attempt would hear the same: it is for the caller, however unknown the outcome. */
  readonly isLastWord: boolean;

  constructor(error: OperationalError, isLastWord: boolean) {
    this.error = error;
    this.isLastWord = isLastWord;
  }
}

export type ForwardedPart = SubmitResult | ForwardedFailure;

export function encodeAnswers(parts: readonly ForwardedPart[]): Uint8Array {
  const tails = parts.map(tailOf);
  let bytes = HEAD_BYTES;
  for (const tail of tails) bytes += PART_BYTES + padded(tail?.byteLength ?? 0);
  const answer = new Uint8Array(bytes);
  const view = new DataView(answer.buffer);
  view.setUint32(0, FORWARD_VERSION, true);
  view.setUint32(4, parts.length, true);
  let offset = HEAD_BYTES;
  for (let index = 0; index < parts.length; index++) {
    const tail = tails[index];
    writePart(view, offset, parts[index]!, tail);
    if (tail !== undefined) answer.set(tail, offset + PART_BYTES);
    offset += PART_BYTES + padded(tail?.byteLength ?? 0);
  }
  return answer;
}

function writePart(
  view: DataView,
  offset: number,
  part: ForwardedPart,
  tail: Uint8Array | undefined,
): void {
  if (part instanceof ForwardedFailure) {
    view.setUint16(offset, part.isLastWord ? Form.lastWord : Form.error, true);
    view.setUint32(offset + 4, tail?.byteLength ?? 0, true);
    return;
  }
  const { outcome, position } = part;
  view.setUint16(offset, tail === undefined ? Form.created : Form.codes, true);
  view.setUint16(offset + 2, outcome.kind, true);
  view.setUint32(offset + 4, outcome.codes.length, true);
  view.setBigUint64(offset + 8, BigInt(position), true);
  view.setBigUint64(offset + 16, outcome.timeNs, true);
  view.setUint32(offset + 24, outcome.expired, true);
}

/** What follows a part: undefined where all of its events were created. */
function tailOf(part: ForwardedPart): Uint8Array | undefined {
  if (part instanceof ForwardedFailure) {
    const { code, detail, wayOut } = part.error;
    return canonicalBytes({ code, detail, way_out: wayOut });
  }
  const { codes } = part.outcome;
  if (isAllZero(codes)) return undefined;
  const bytes = new Uint8Array(2 * codes.length);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < codes.length; index++) view.setUint16(2 * index, codes[index]!, true);
  return bytes;
}

function isAllZero(codes: Uint16Array): boolean {
  for (let index = 0; index < codes.length; index++) if (codes[index] !== 0) return false;
  return true;
}

function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** The parts, exactly `count`; undefined where the bytes do not add up. */
export function decodeAnswers(answer: Uint8Array, count: number): ForwardedPart[] | undefined {
  if (answer.byteLength < HEAD_BYTES) return undefined;
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
  if (view.getUint32(0, true) !== FORWARD_VERSION) return undefined;
  if (view.getUint32(4, true) !== count) return undefined;
  const parts: ForwardedPart[] = [];
  let offset = HEAD_BYTES;
  for (let index = 0; index < count; index++) {
    if (offset + PART_BYTES > answer.byteLength) return undefined;
    const tailBytes = tailBytesAt(view, offset);
    if (tailBytes > answer.byteLength - offset - PART_BYTES) return undefined;
    const part = readPart(answer, view, offset);
    if (part === undefined) return undefined;
    parts.push(part);
    offset += PART_BYTES + padded(tailBytes);
  }
  return offset === answer.byteLength ? parts : undefined;
}

function tailBytesAt(view: DataView, offset: number): number {
  const form = view.getUint16(offset, true);
  const count = view.getUint32(offset + 4, true);
  if (form === Form.created) return 0;
  return form === Form.codes ? 2 * count : count;
}

function readPart(answer: Uint8Array, view: DataView, offset: number): ForwardedPart | undefined {
  const form = view.getUint16(offset, true);
  const count = view.getUint32(offset + 4, true);
  if (form === Form.error || form === Form.lastWord) {
    const text = answer.subarray(offset + PART_BYTES, offset + PART_BYTES + count);
    const error = readError(text);
    return error && new ForwardedFailure(error, form === Form.lastWord);
  }
  if (form !== Form.created && form !== Form.codes) return undefined;
  if (count > TRANSFERS_PER_REQUEST_MAX) return undefined;
  const high = view.getUint32(offset + 12, true);
  if (high > 0x1f_ffff) return undefined;
  const codes = new Uint16Array(count);
  if (form === Form.codes) {
    for (let index = 0; index < count; index++) {
      codes[index] = view.getUint16(offset + PART_BYTES + 2 * index, true);
    }
  }
  const kind = view.getUint16(offset + 2, true);
  const timeNs = view.getBigUint64(offset + 16, true);
  const expired = view.getUint32(offset + 24, true);
  const position = high * 0x1_0000_0000 + view.getUint32(offset + 8, true);
  return { outcome: { kind, timeNs, codes, expired }, position };
}

function readError(text: Uint8Array): OperationalError | undefined {
  try {
    const { code, detail, way_out: wayOut } = JSON.parse(new TextDecoder().decode(text));
    if (typeof detail !== 'string' || typeof wayOut !== 'string') return undefined;
    return isKnown(code) ? new OperationalError(code, { detail, wayOut }) : undefined;
  } catch {
    // Not JSON, or not an object: the answer does not add up.
    return undefined;
  }
}

function isKnown(code: unknown): code is OperationalCode {
  return typeof code === 'string' && Object.hasOwn(OPERATIONAL_ERRORS, code);
}

/**
 * The history's word on ids that the ledger has forgotten is unknown while it is incomplete: the
 * next leader would be asked in vain as well, and perhaps for ever.
 */
export function failureOf(error: OperationalError): ForwardedFailure {
  return new ForwardedFailure(error, isOperationalError(error.cause, 'HISTORY_INCOMPLETE'));
}
