// The frames of the channel between nodes: the headers of the binary protocol (base/protocol.ts)
// with kinds of their own, all at or above 256, so that no door takes one for the other. Payloads:
//
//   hello, challenge, proof, refused   JSON
//   words      JSON: what of a state are words; sent before a state when it changed
//   state      56 bytes, below; what was last said in words goes with it
//   ping       empty;  pong   8 bytes: Unix nanoseconds
//   question   u32 kind, u32 bytes, the payload, zeros up to a multiple of 8
//   answer     u32 zero, u32 bytes, the payload, zeros up to a multiple of 8
//   failure    JSON: code, detail, way out
//   cancel     empty
//
//   state: 0 epoch, 8 position, 16 durable, 24 neededFrom, 32 checkpoint, 40 clock (nanoseconds),
//          48 role (u32, place in ROLES), 52 zero; all but the role have 8 bytes

import { crc32 } from 'node:zlib';
import { assert } from '../../base/assert.ts';
import { OPERATIONAL_ERRORS, type OperationalCode, OperationalError } from '../../base/errors.ts';
import {
  FRAME_HEADER_BYTES,
  frameHeaderOf,
  newFrame,
  paddedBytes,
  readCount,
  sealFrame,
  textFrame,
  writeCount,
} from '../../base/protocol.ts';
import type { NodeRole, PeerState } from '../contract.ts';

export const PEER_PROTOCOL_VERSION = 1;

/** Before somebody has shown the key: small. */
export const HANDSHAKE_BYTES_MAX = 4096;
/** A journal entry and what a question puts around it. */
export const QUESTION_BYTES_MAX = 1024 * 1024 + 64 * 1024;
export const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const PREFIX_BYTES = 8;
export const FRAME_BYTES_MAX = PREFIX_BYTES + ANSWER_BYTES_MAX;

export const PeerFrame = {
  hello: 256,
  challenge: 257,
  proof: 258,
  welcome: 259,
  refused: 260,
  words: 272,
  state: 273,
  ping: 274,
  pong: 275,
  question: 288,
  answer: 289,
  failure: 290,
  cancel: 291,
} as const;

type Bytes = Uint8Array<ArrayBuffer>;

export function jsonFrame(kind: number, request: number, value: unknown): Bytes {
  return seal(textFrame(JSON.stringify(value)), kind, request);
}

export function emptyFrame(kind: number, request: number): Bytes {
  return seal(newFrame(0), kind, request);
}

function seal(frame: Bytes, kind: number, request: number): Bytes {
  return sealFrame(frame, { kind, request, version: PEER_PROTOCOL_VERSION }, crc32);
}

/** The object in a JSON payload; undefined when it is none. */
export function readJson(payload: Uint8Array): { readonly [name: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(payload));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return value as { readonly [name: string]: unknown };
  } catch {
    return undefined;
  }
}

/** Below it a payload is copied into its frame; above it the kernel gathers the parts. */
const COPIED_BYTES_MAX = 8 * 1024;

const PADDING = new Uint8Array(8);

/** A question or an answer (`mark` = its kind, or 0), in as many parts as are not copied. */
export function framesOf(
  kind: number,
  request: number,
  mark: number,
  payload: Uint8Array,
): readonly Uint8Array[] {
  const { byteLength } = payload;
  if (byteLength <= COPIED_BYTES_MAX) {
    const frame = newFrame(PREFIX_BYTES + byteLength);
    writePrefix(frame, FRAME_HEADER_BYTES, mark, byteLength);
    frame.set(payload, FRAME_HEADER_BYTES + PREFIX_BYTES);
    return [seal(frame, kind, request)];
  }
  const prefix = new Uint8Array(PREFIX_BYTES);
  writePrefix(prefix, 0, mark, byteLength);
  const padding = PADDING.subarray(0, paddedBytes(byteLength) - byteLength);
  const parts = padding.byteLength === 0 ? [prefix, payload] : [prefix, payload, padding];
  const bytes = PREFIX_BYTES + byteLength + padding.byteLength;
  const checksum = parts.reduce((before, part) => crc32(part, before), 0);
  const address = { kind, request, version: PEER_PROTOCOL_VERSION };
  return [frameHeaderOf({ bytes, checksum }, address), ...parts];
}

function writePrefix(target: Uint8Array, offset: number, mark: number, bytes: number): void {
  const view = viewOf(target);
  view.setUint32(offset, mark, true);
  view.setUint32(offset + 4, bytes, true);
}

/** Undefined = not what such a frame looks like. */
export function readMarked(
  payload: Uint8Array,
): { readonly mark: number; readonly payload: Uint8Array } | undefined {
  if (payload.byteLength < PREFIX_BYTES) return undefined;
  const view = viewOf(payload);
  const bytes = view.getUint32(4, true);
  if (PREFIX_BYTES + paddedBytes(bytes) !== payload.byteLength) return undefined;
  const mark = view.getUint32(0, true);
  return { mark, payload: payload.subarray(PREFIX_BYTES, PREFIX_BYTES + bytes) };
}

/** A place, once given, is never given again. */
const ROLES: readonly NodeRole[] = [
  'starting',
  'recovering',
  'following',
  'leading',
  'draining',
  'halted',
  'stopped',
];
const STATE_BYTES = 56;

export type StateWords = Pick<
  PeerState,
  'reason' | 'configuration' | 'release' | 'pause' | 'impediment'
>;

export function wordsFrame(state: StateWords): Bytes {
  const { reason, configuration, release, pause, impediment } = state;
  return jsonFrame(PeerFrame.words, 0, { reason, configuration, release, pause, impediment });
}

export function haveSameWords(one: StateWords, other: StateWords): boolean {
  return (
    one.reason === other.reason &&
    one.configuration === other.configuration &&
    one.release === other.release &&
    one.impediment === other.impediment &&
    one.pause.isPaused === other.pause.isPaused &&
    one.pause.sinceMs === other.pause.sinceMs &&
    one.pause.why === other.pause.why
  );
}

export function readWords(payload: Uint8Array): StateWords | undefined {
  const words = readJson(payload);
  if (words === undefined) return undefined;
  const { reason, configuration, release, impediment } = words;
  const { isPaused, sinceMs, why } = (words['pause'] ?? {}) as Record<string, unknown>;
  if (typeof reason !== 'string' || typeof configuration !== 'string') return undefined;
  if (typeof release !== 'string' || typeof impediment !== 'string') return undefined;
  if (typeof isPaused !== 'boolean' || typeof why !== 'string') return undefined;
  if (typeof sinceMs !== 'number') return undefined;
  return { reason, configuration, release, impediment, pause: { isPaused, sinceMs, why } };
}

export function stateFrame(state: PeerState, clockNs: bigint): Bytes {
  const frame = newFrame(STATE_BYTES);
  const view = new DataView(frame.buffer, FRAME_HEADER_BYTES);
  writeCount(view, 0, state.epoch);
  writeCount(view, 8, state.position);
  writeCount(view, 16, state.durable);
  writeCount(view, 24, state.neededFrom);
  writeCount(view, 32, state.checkpoint);
  view.setBigUint64(40, clockNs, true);
  const role = ROLES.indexOf(state.role);
  assert(role !== -1, 'every role has its number');
  view.setUint32(48, role, true);
  return seal(frame, PeerFrame.state, 0);
}

export function readState(payload: Uint8Array, words: StateWords): PeerState | undefined {
  if (payload.byteLength !== STATE_BYTES) return undefined;
  const view = viewOf(payload);
  const role = ROLES[view.getUint32(48, true)];
  if (role === undefined) return undefined;
  const { reason, configuration, release, pause, impediment } = words;
  return {
    role,
    reason,
    epoch: readCount(view, 0),
    position: readCount(view, 8),
    durable: readCount(view, 16),
    neededFrom: readCount(view, 24),
    checkpoint: readCount(view, 32),
    configuration,
    clockNs: view.getBigUint64(40, true).toString(),
    release,
    pause,
    impediment,
  };
}

export function pongFrame(request: number, clockNs: bigint): Bytes {
  const frame = newFrame(8);
  new DataView(frame.buffer).setBigUint64(FRAME_HEADER_BYTES, clockNs, true);
  return seal(frame, PeerFrame.pong, request);
}

export function readPong(payload: Uint8Array): bigint | undefined {
  return payload.byteLength === 8 ? viewOf(payload).getBigUint64(0, true) : undefined;
}

export function failureFrame(request: number, error: OperationalError): Bytes {
  const { code, detail, wayOut } = error;
  return jsonFrame(PeerFrame.failure, request, { code, detail, wayOut });
}

/** Undefined = not a failure. A code that this release does not know decides nothing. */
export function readFailure(payload: Uint8Array): OperationalError | undefined {
  const { code, detail, wayOut } = readJson(payload) ?? {};
  if (typeof code !== 'string' || typeof detail !== 'string') return undefined;
  if (typeof wayOut !== 'string') return undefined;
  const isKnown = Object.hasOwn(OPERATIONAL_ERRORS, code);
  return new OperationalError(isKnown ? (code as OperationalCode) : 'OUTCOME_UNKNOWN', {
    detail: isKnown ? detail : `${code}: ${detail}`,
    wayOut,
  });
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
