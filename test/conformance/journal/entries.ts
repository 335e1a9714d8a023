// Sealed entries for journal tests: a writer's view of the chain, without an engine.

import { hash } from 'node:crypto';
import {
  DIGEST_BYTES,
  type Entry,
  EntryKind,
  entryBody,
  sealEntry,
} from '../../../src/base/entry.ts';
import { ENTRY_HEADER_BYTES } from '../../../src/base/limits.ts';
import { Prng } from '../../../src/base/prng.ts';

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

export const CLUSTER_ID = new Uint8Array(16).fill(7);
const START_NS = 1_700_000_000_000_000_000n;
const NO_DIGEST = new Uint8Array(DIGEST_BYTES);

export type EntryOverrides = {
  readonly kind?: number;
  readonly position?: number;
  readonly epoch?: number;
  readonly durable?: number;
  readonly timeNs?: bigint;
  readonly timeline?: number;
  readonly clusterId?: Uint8Array;
  readonly previousDigest?: Uint8Array;
  readonly body?: Uint8Array;
};

/** One sealed entry behind `previous`; every field may be given otherwise. */
export function entryAfter(previous: Entry | undefined, overrides: EntryOverrides = {}): Entry {
  const position = overrides.position ?? (previous?.position ?? 0) + 1;
  const body = overrides.body ?? textBody(`entry ${position}`);
  const bytes = new Uint8Array(ENTRY_HEADER_BYTES + body.byteLength);
  bytes.set(body, ENTRY_HEADER_BYTES);
  const header = {
    kind: overrides.kind ?? EntryKind.commands,
    commandCount: 1,
    clusterId: overrides.clusterId ?? previous?.clusterId ?? CLUSTER_ID,
    timeline: overrides.timeline ?? previous?.timeline ?? 1,
    position,
    epoch: overrides.epoch ?? previous?.epoch ?? 1,
    durable: overrides.durable ?? previous?.durable ?? 0,
    timeNs: overrides.timeNs ?? (previous?.timeNs ?? START_NS) + 1000n,
    rulesVersion: 1,
    eventCount: 1,
    bodyBytes: body.byteLength,
    outcomePosition: 0,
    outcomeDigest: NO_DIGEST,
    previousDigest: overrides.previousDigest ?? previous?.digest ?? NO_DIGEST,
  };
  return sealEntry(header, bytes, sha256);
}

/** An opening of the next epoch behind `previous`; its nonce makes it unlike any other. */
export function openingAfter(
  previous: Entry | undefined,
  nonce: string,
  overrides: EntryOverrides = {},
): Entry {
  return entryAfter(previous, {
    kind: EntryKind.opening,
    epoch: (previous?.epoch ?? 0) + 1,
    body: textBody(JSON.stringify({ nonce })),
    ...overrides,
  });
}

/** Entries behind `previous`, each acknowledged before the next was sealed. */
export function chainAfter(previous: Entry | undefined, count: number, bodyBytes = 64): Entry[] {
  const entries: Entry[] = [];
  let last = previous;
  for (let index = 0; index < count; index++) {
    const position = (last?.position ?? 0) + 1;
    const body = randomBody(position, bodyBytes);
    last = entryAfter(last, { durable: position - 1, body });
    entries.push(last);
  }
  return entries;
}

/** Bytes that look like records: no long run of zeros. */
export function randomBody(seed: number, bodyBytes: number): Uint8Array {
  const prng = new Prng(seed);
  const body = new Uint8Array(bodyBytes);
  for (let index = 0; index < bodyBytes; index++) body[index] = prng.below(255) + 1;
  return body;
}

export function textBody(text: string): Uint8Array {
  const encoded = new TextEncoder().encode(text);
  const body = new Uint8Array(Math.ceil(encoded.byteLength / 8) * 8);
  body.set(encoded);
  return body;
}

export function textOf(entry: Entry): string {
  return new TextDecoder().decode(entryBody(entry)).replaceAll('\0', '');
}
