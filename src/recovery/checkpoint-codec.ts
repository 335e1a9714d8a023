// The manifest of a checkpoint, as bytes and back. One line that proves the rest, and the rest as
// canonical JSON, so that it can be read with other tools (docs/reference/checkpoints.md):
//
//   holdfast-checkpoint 1 <SHA-256 of what follows the line, 64 hex digits> <its bytes>\n
//   {"books":[...],"chunks":[...],...}
//
// Every byte counts: the first line is compared as text with the one that its contents would have.

import { hash } from 'node:crypto';
import { type Json, canonicalBytes } from '../base/canonical-json.ts';
import { DIGEST_BYTES, type EntryHeader, readEntryHeader, toHex } from '../base/entry.ts';
import { OperationalError } from '../base/errors.ts';
import { ENTRY_HEADER_BYTES } from '../base/limits.ts';
import { type CapturedChunk, TABLES, type TableName } from '../domain/capture.ts';
import type { LedgerTotals } from '../domain/queries.ts';
import type { EngineOffset } from '../ports/journal.ts';
import type { ReaderHead } from './reader-rule.ts';
import { DIGESTS_KEPT, type ReplicaPlace, sha256 } from './replica.ts';

const MAGIC = 'holdfast-checkpoint';
const FORMAT = 1;
const LINE_FEED = 0x0a;
/** Magic, number, digest, size: a longer first line is none of ours. */
const FIRST_LINE_BYTES_MAX = 120;

export type ManifestChunk = CapturedChunk & {
  /** 64 hex digits: of the chunk's bytes as they are stored. */
  readonly sha256: string;
};

export type Manifest = {
  /** The header (256 bytes) of the last entry that went into the state. */
  readonly headBytes: Uint8Array;
  /** Where that entry stands in the journal's engine. */
  readonly offset: EngineOffset;
  readonly place: ReplicaPlace;
  /** Head of the capture (domain/capture.ts). */
  readonly stateHead: Uint8Array;
  /** In the order in which they are put into the state. */
  readonly chunks: readonly ManifestChunk[];
  /** Position of the checkpoint before; 0 = there was none. */
  readonly previous: number;
  readonly books: readonly LedgerTotals[];
  readonly transfersAccepted: number;
  /** Unix milliseconds. */
  readonly createdMs: number;
  readonly release: string;
};

export type ReadManifest = {
  readonly manifest: Manifest;
  readonly header: EntryHeader;
  readonly head: ReaderHead;
  readonly bytes: number;
};

export function encodeManifest(manifest: Manifest): Uint8Array {
  const { place } = manifest;
  const body = canonicalBytes({
    books: manifest.books.map((totals) => ({
      ledger: totals.ledger,
      debits_posted: String(totals.debitsPosted),
      credits_posted: String(totals.creditsPosted),
      debits_pending: String(totals.debitsPending),
      credits_pending: String(totals.creditsPending),
    })),
    chunks: manifest.chunks.map(({ table, number, bytes, sha256: digest }) => {
      return { table, number, bytes, sha256: digest };
    }),
    created_ms: manifest.createdMs,
    head: toHex(manifest.headBytes),
    offset: manifest.offset,
    outcome_digests: [...place.outcomeDigests].map(([position, digest]) => {
      return { position, digest: toHex(digest) };
    }),
    position: place.position,
    previous: manifest.previous,
    release: manifest.release,
    state: toHex(manifest.stateHead),
    transfers_accepted: manifest.transfersAccepted,
  });
  const first = new TextEncoder().encode(firstLine(body));
  const bytes = new Uint8Array(first.byteLength + body.byteLength);
  bytes.set(first);
  bytes.set(body, first.byteLength);
  return bytes;
}

function firstLine(body: Uint8Array): string {
  return `${MAGIC} ${FORMAT} ${hash('sha256', body)} ${body.byteLength}\n`;
}

/** Throws CHECKPOINT_CORRUPT, which says what is wrong, for all that was not written here. */
export function decodeManifest(bytes: Uint8Array): ReadManifest {
  const end = bytes.subarray(0, FIRST_LINE_BYTES_MAX).indexOf(LINE_FEED) + 1;
  if (end === 0) throw corrupt('the manifest has no first line');
  const line = Buffer.from(bytes.subarray(0, end)).toString('latin1');
  const version = /^holdfast-checkpoint ([0-9]+) /.exec(line)?.[1];
  if (version !== undefined && version !== String(FORMAT)) {
    throw corrupt(`the manifest is of format ${version}, which this release does not know`);
  }
  const body = bytes.subarray(end);
  if (line !== firstLine(body)) throw corrupt('the manifest is not what its digest says');
  const fields = new Fields(JSON.parse(new TextDecoder().decode(body)));
  const manifest = manifestOf(fields);
  const reading = readEntryHeader(manifest.headBytes, sha256);
  if (reading.kind === 'fault') throw corrupt(`the head's header is wrong: ${reading.fault}`);
  const { header } = reading;
  if (header.position !== manifest.place.position) throw corrupt('the head is of another position');
  const { position, epoch, timeNs, clusterId, timeline } = header;
  const digest = manifest.headBytes.slice(0, DIGEST_BYTES);
  const head = { position, epoch, timeNs, clusterId, timeline, digest };
  return { manifest, header, head, bytes: bytes.byteLength };
}

function manifestOf(fields: Fields): Manifest {
  const outcomeDigests = new Map<number, Uint8Array>();
  for (const item of fields.list('outcome_digests')) {
    outcomeDigests.set(item.number('position'), item.bytes('digest', DIGEST_BYTES));
  }
  const position = fields.number('position');
  if (outcomeDigests.size > DIGESTS_KEPT || !outcomeDigests.has(position)) {
    throw corrupt('its outcome digests do not belong to its position');
  }
  return {
    headBytes: fields.bytes('head', ENTRY_HEADER_BYTES),
    offset: fields.text('offset'),
    place: { position, outcomeDigests },
    stateHead: fields.bytes('state'),
    chunks: fields.list('chunks').map((item) => ({
      table: item.table('table'),
      number: item.number('number'),
      bytes: item.number('bytes'),
      sha256: item.text('sha256'),
    })),
    previous: fields.number('previous'),
    books: fields.list('books').map((item) => ({
      ledger: item.number('ledger'),
      debitsPosted: item.amount('debits_posted'),
      creditsPosted: item.amount('credits_posted'),
      debitsPending: item.amount('debits_pending'),
      creditsPending: item.amount('credits_pending'),
    })),
    transfersAccepted: fields.number('transfers_accepted'),
    createdMs: fields.number('created_ms'),
    release: fields.text('release'),
  };
}

/**
 * Members of an object whose digest has been proved: what is wrong here was written by another
 * release, or by somebody who computes digests.
 */
class Fields {
  readonly #object: { readonly [name: string]: Json };

  constructor(value: Json) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw corrupt('the manifest has another shape');
    }
    this.#object = value as { readonly [name: string]: Json };
  }

  value(name: string): Json | undefined {
    return Object.hasOwn(this.#object, name) ? this.#object[name] : undefined;
  }

  number(name: string): number {
    const value = this.value(name);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw wrong(name);
    return value;
  }

  text(name: string): string {
    const value = this.value(name);
    if (typeof value !== 'string') throw wrong(name);
    return value;
  }

  amount(name: string): bigint {
    const text = this.text(name);
    if (!/^[0-9]{1,60}$/.test(text)) throw wrong(name);
    return BigInt(text);
  }

  bytes(name: string, size?: number): Uint8Array {
    const text = this.text(name);
    if (!/^(?:[0-9a-f]{2})*$/.test(text)) throw wrong(name);
    const bytes = new Uint8Array(Buffer.from(text, 'hex'));
    if (size !== undefined && bytes.byteLength !== size) throw wrong(name);
    return bytes;
  }

  table(name: string): TableName {
    const text = this.text(name);
    const table = TABLES.find((known) => known === text);
    if (table === undefined) throw wrong(name);
    return table;
  }

  list(name: string): Fields[] {
    const value = this.value(name);
    if (!Array.isArray(value)) throw wrong(name);
    return (value as Json[]).map((item) => new Fields(item));
  }
}

function wrong(name: string): OperationalError {
  return corrupt(`its member ${name} is missing or has another type`);
}

export function corrupt(detail: string): OperationalError {
  return new OperationalError('CHECKPOINT_CORRUPT', { detail });
}
