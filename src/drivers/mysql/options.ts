// Settings of the MySQL/MariaDB driver: what the journal's place says, and the driver's own bounds.

import { readFileSync } from 'node:fs';
import { ENTRY_BYTES_MAX } from '../../base/limits.ts';
import { OperationalError } from '../../base/errors.ts';
import type { EngineHost, EngineJournalOptions } from '../engine-options.ts';

export type MySqlTls = {
  /** PEM; empty = whom the system trusts. */
  readonly authority: string;
  /** Whether the server's certificate is checked, its name included. */
  readonly isVerified: boolean;
};

export type MySqlSettings = {
  readonly hosts: readonly EngineHost[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly tls: MySqlTls | undefined;
  readonly waived: ReadonlySet<string>;
  readonly log: EngineJournalOptions['log'];
};

/** From the sending of an append until a replica is known to have it; then it is unknown. */
export const APPEND_MS_MAX = 5000;

/** What `open` takes at most. */
export const OPEN_MS_MAX = 3000;

/** A question to a server that has nothing to wait for. */
export const ASK_MS_MAX = 1500;

/** What is in flight when the journal is closed may still be answered for so long. */
export const CLOSE_MS_MAX = 1000;

/** A reader that lost its server looks for the primary for so long. */
export const RECONNECT_MS_MAX = 2000;

/** Entries of one statement: what may be under way, and room for callers that send more. */
export const STATEMENT_ENTRIES_MAX = 16;
/**
 * More would only keep the first of them waiting: with eight entries of 1 MiB under way an append
 * took 0.4 to 0.5 s at 2 MiB and 0.6 to 0.9 s at 8 MiB, at no lower rate.
 */
export const STATEMENT_BYTES_MAX = 2 * ENTRY_BYTES_MAX;

/** Below this an entry of 1 MiB and its statement would not fit. */
export const PACKET_BYTES_MIN = 2 * ENTRY_BYTES_MAX;

const PARAMETERS = new Set(['ssl', 'ca']);

/** Throws CONFIGURATION_INVALID for whatever cannot be used. */
export function settingsOf(options: EngineJournalOptions): MySqlSettings {
  const { hosts, user, password, name, parameters, waived, log } = options;
  if (hosts.length === 0) throw invalid('No server is named.');
  for (const parameter of Object.keys(parameters)) {
    if (!PARAMETERS.has(parameter)) throw invalid(`There is no parameter ${parameter}.`);
  }
  return {
    hosts,
    user: user === '' ? 'holdfast' : user,
    password,
    database: name === '' ? 'holdfast' : name,
    tls: tlsOf(parameters),
    waived: new Set(waived),
    log,
  };
}

function tlsOf(parameters: EngineJournalOptions['parameters']): MySqlTls | undefined {
  const { ssl, ca } = parameters;
  if (ssl === undefined) {
    if (ca !== undefined) throw invalid('ca without ssl=verify is of no use.');
    return undefined;
  }
  if (ssl !== 'required' && ssl !== 'verify') throw invalid(`ssl=${ssl} is not known.`);
  if (ca !== undefined && ssl === 'required') {
    throw invalid('With ssl=required nothing is verified; with a ca it is ssl=verify.');
  }
  return { authority: ca === undefined ? '' : readAuthority(ca), isVerified: ssl === 'verify' };
}

function readAuthority(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw invalid(`The ca file ${path} cannot be read.`, cause);
  }
}

function invalid(detail: string, cause?: unknown): OperationalError {
  return new OperationalError('CONFIGURATION_INVALID', {
    detail: `The journal's place: ${detail}`,
    wayOut:
      'mysql://user@host:port,host:port,host:port/database, and ?ssl=required or ' +
      '?ssl=verify&ca=FILE for TLS.',
    cause,
  });
}
