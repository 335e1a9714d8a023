// What the PostgreSQL driver is told: the common options of engines, and three parameters of the
// place that libpq knows by the same names.

import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { OperationalError } from '../../base/errors.ts';
import type { EngineHost, EngineJournalOptions } from '../engine-options.ts';

export type PostgresSettings = {
  readonly hosts: readonly EngineHost[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** What each connection is called in `pg_stat_activity`. */
  readonly applicationName: string;
  /** TLS as `sslmode` wants it; false = none. */
  readonly tls: false | ConnectionOptions;
  readonly waived: ReadonlySet<string>;
  readonly log: (level: 'info' | 'warning', text: string) => void;
  readonly bounds: PostgresBounds;
};

export type PostgresBounds = {
  /** For `open`, all of it. */
  readonly openMs: number;
  /** For the answer to an append that was sent. Then its outcome is unknown. */
  readonly appendMs: number;
  /** For what is under way when the journal is closed. */
  readonly closeMs: number;
  /** For one question of a reader, and for one step of a discard. */
  readonly questionMs: number;
  /** How long a reader that lost its connection tries to go on by itself. */
  readonly reconnectMs: number;
  /** Between two looks of a reader that nobody wakes. */
  readonly pollMs: number;
  /** Between two looks at all members while the journal is open. */
  readonly watchMs: number;
};

export const BOUNDS: PostgresBounds = {
  openMs: 3000,
  appendMs: 5000,
  closeMs: 1000,
  questionMs: 5000,
  reconnectMs: 2000,
  pollMs: 200,
  watchMs: 1000,
};

const USER_DEFAULT = 'holdfast';
const APPLICATION_NAME_DEFAULT = 'holdfast';
const PARAMETERS = ['sslmode', 'sslrootcert', 'application_name'];
/** PostgreSQL cuts longer names without an error. */
const NAME_BYTES_MAX = 63;

/** Throws CONFIGURATION_INVALID for whatever cannot be used. */
export function settingsOf(options: EngineJournalOptions): PostgresSettings {
  const { hosts, user, password, name, parameters, waived, log } = options;
  if (hosts.length === 0) throw invalid('No PostgreSQL server is named.');
  const strange = Object.keys(parameters).filter((key) => !PARAMETERS.includes(key));
  if (strange.length > 0) throw invalid(`It does not know the parameter ${strange.join(', ')}.`);
  const applicationName = parameters['application_name'] ?? APPLICATION_NAME_DEFAULT;
  if (!/^[\x21-\x7e]+$/.test(applicationName) || applicationName.length > NAME_BYTES_MAX) {
    throw invalid(`"${applicationName}" is no application name: up to 63 visible characters.`);
  }
  return {
    hosts,
    user: user === '' ? USER_DEFAULT : user,
    password,
    database: name,
    applicationName,
    tls: tlsOf(parameters),
    waived: new Set(waived),
    log,
    bounds: BOUNDS,
  };
}

function tlsOf(parameters: Readonly<Record<string, string>>): false | ConnectionOptions {
  const { sslmode = 'disable', sslrootcert } = parameters;
  if (sslmode === 'disable') {
    if (sslrootcert === undefined) return false;
    throw invalid('sslrootcert is of no use without an sslmode.');
  }
  const ca = sslrootcert === undefined ? {} : { ca: readCertificate(sslrootcert) };
  switch (sslmode) {
    case 'require':
      // As libpq: with a root certificate at hand it is looked at, without one nothing is.
      return { rejectUnauthorized: sslrootcert !== undefined, ...ca, ...anyName };
    case 'verify-ca':
      return { rejectUnauthorized: true, ...ca, ...anyName };
    case 'verify-full':
      return { rejectUnauthorized: true, ...ca };
    default:
      throw invalid(`sslmode=${sslmode} is none of disable, require, verify-ca, verify-full.`);
  }
}

/** The certificate is checked, the name in it is not. */
const anyName: ConnectionOptions = { checkServerIdentity: () => undefined };

function readCertificate(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const detail = `The root certificate ${path} cannot be read.`;
    throw new OperationalError('CONFIGURATION_INVALID', { detail, cause: error });
  }
}

function invalid(detail: string): OperationalError {
  return new OperationalError('CONFIGURATION_INVALID', {
    detail,
    wayOut: `Name every server of the PostgreSQL cluster; parameters: ${PARAMETERS.join(', ')}.`,
  });
}
