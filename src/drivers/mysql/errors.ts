// What can go wrong between this driver and its servers, as its callers must tell it apart.

import type { Entry } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import type { EngineHost } from '../engine-options.ts';

/** Numbers of the servers' errors that this driver decides by. */
export const ServerErrno = {
  /** A value that must not be null: here, no row was found to append behind. */
  badNull: 1048,
  unknownDatabase: 1049,
  duplicateKey: 1062,
  unknownTable: 1146,
  lockWait: 1205,
  deadlock: 1213,
  accessDenied: 1227,
  readOnly: 1290,
} as const;

/** The server answered with an error. */
export class ServerRefusal extends Error {
  readonly errno: number;

  constructor(errno: number, message: string, cause: unknown) {
    super(message, { cause });
    this.errno = errno;
  }
}

/** The connection broke or was too slow: what was asked may have happened or not. */
export class LinkLost extends Error {}

export function isRefusal(error: unknown, ...errnos: readonly number[]): error is ServerRefusal {
  return error instanceof ServerRefusal && errnos.includes(error.errno);
}

export function nameOf({ host, port }: EngineHost): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function unavailable(detail: string, cause?: unknown): OperationalError {
  return new OperationalError('JOURNAL_UNAVAILABLE', {
    detail,
    wayOut: 'It is tried again; see src/drivers/mysql/README.md for how a replica is promoted.',
    cause,
  });
}

export function noEntryAt(offset: string): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail: `The journal has no entry at offset ${offset} (any more).`,
    wayOut: 'Start from another checkpoint.',
  });
}

export function rewritten(detail: string): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail,
    wayOut: 'What was read before was never acknowledged and is gone: read again behind it.',
  });
}

export function unknownOutcome(entry: Entry, cause: unknown): OperationalError {
  return new OperationalError('JOURNAL_UNKNOWN_OUTCOME', {
    detail: `The append of position ${entry.position} may or may not have happened: ${messageOf(cause)}`,
    wayOut: 'Open the journal anew, append an opening and read back.',
    cause,
  });
}

export function fenced(entry: Entry): OperationalError {
  return new OperationalError('JOURNAL_FENCED', {
    detail: `Position ${entry.position} of epoch ${entry.epoch} does not follow what stands in the journal.`,
    wayOut: 'Another writer has gone on: read what stands there.',
  });
}

export function closed(detail: string, cause?: unknown): OperationalError {
  return new OperationalError('JOURNAL_CLOSED', {
    detail,
    wayOut: 'Open the journal anew and read its tail.',
    cause,
  });
}
