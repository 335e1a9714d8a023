// The setting that says where the journal is. `file` is the embedded default, `postgres` is the
// PostgreSQL that comes with Holdfast; everything else names an engine, its members and the place
// in it:
//
//   postgres://holdfast@db-1:5432,db-2:5432,db-3:5432/payments?sslmode=verify-full
//
// A password never stands in it: settings are shown, and processes show their environment.

export const JOURNAL_ENGINES = ['postgres', 'mysql', 'kafka', 'rabbitmq'] as const;
export type JournalEngineName = (typeof JOURNAL_ENGINES)[number];

export type EnginePlace = {
  readonly driver: JournalEngineName;
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  /** Empty = the engine's or the driver's own default. */
  readonly user: string;
  /** Database, topic or prefix of streams. */
  readonly name: string;
  readonly parameters: Readonly<Record<string, string>>;
};

export type JournalPlace =
  | { readonly driver: 'file' }
  /** One that the supervisor of several nodes runs itself, and names to them as an engine. */
  | { readonly driver: 'embedded' }
  | EnginePlace;

/** What asks for the embedded engine. */
export const EMBEDDED_POSTGRES = 'postgres';

const PLACE =
  /^(?<driver>[a-z]+):\/\/(?:(?<user>[^@/?:,]+)@)?(?<hosts>[^/?@]+)\/(?<name>[A-Za-z0-9_.-]{1,60})(?:\?(?<query>.*))?$/;
const HOST = /^(?<host>[^:\s[\]]+|\[[0-9a-fA-F:]+\]):(?<port>[0-9]{1,5})$/;

/** Throws RangeError, with what it wants. */
export function journalPlaceOf(text: string): JournalPlace {
  if (text === 'file') return { driver: 'file' };
  if (text === EMBEDDED_POSTGRES) return { driver: 'embedded' };
  if (/^[a-z]+:\/\/[^/@]*:[^/@]*@/.test(text)) {
    throw new RangeError('must not hold a password: HOLDFAST_JOURNAL_PASSWORD_FILE names its file');
  }
  const { driver, user = '', hosts = '', name = '', query = '' } = PLACE.exec(text)?.groups ?? {};
  const engine = JOURNAL_ENGINES.find((known) => known === driver);
  if (engine === undefined) {
    const engines = JOURNAL_ENGINES.join(', ');
    throw new RangeError(
      `wants file, postgres, or engine://user@host:port,host:port/name with one of ${engines}`,
    );
  }
  return {
    driver: engine,
    hosts: hosts.split(',').map(hostOf),
    user: decodeURIComponent(user),
    name,
    parameters: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** For messages: what stands where a password would, and must not, is not repeated. */
export function shownPlace(text: string): string {
  return text.replace(/^([a-z]+:\/\/[^/@:]*):[^/@]*@/, '$1:...@');
}

function hostOf(text: string): { readonly host: string; readonly port: number } {
  const { host = '', port = '' } = HOST.exec(text)?.groups ?? {};
  const number = Number(port);
  if (host === '' || number < 1 || number > 65_535) {
    throw new RangeError(`wants host:port where it has ${text === '' ? 'nothing' : text}`);
  }
  return { host: host.replaceAll(/[[\]]/g, ''), port: number };
}
