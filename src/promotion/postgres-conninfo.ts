// libpq's connection strings, as they stand in primary_conninfo: `host=db-1 port=5432 user=...`,
// values in quotes where they need them, or a URI. A standby that is sealed keeps its string,
// without the password, so that it can follow somebody again.

const PAIR = /\s*([a-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))/gy;

/** In their order. Throws RangeError where it is no connection string. */
export function parseConninfo(text: string): Map<string, string> {
  if (/^postgres(?:ql)?:\/\//.test(text)) return fromUri(text);
  const pairs = new Map<string, string>();
  const rest = text.trimEnd();
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < rest.length) {
    const match = PAIR.exec(rest);
    if (match === null) throw new RangeError('It is no connection string of PostgreSQL.');
    pairs.set(match[1]!, (match[2] ?? match[3] ?? '').replaceAll(/\\(.)/g, '$1'));
  }
  return pairs;
}

function fromUri(text: string): Map<string, string> {
  const { username, password, hostname, port, pathname, searchParams } = new URL(text);
  const pairs = [
    ['host', hostname.replaceAll(/[[\]]/g, '')],
    ['port', port],
    ['user', decodeURIComponent(username)],
    ['password', decodeURIComponent(password)],
    ['dbname', decodeURIComponent(pathname.slice(1))],
    ...searchParams,
  ] as const;
  return new Map(pairs.filter(([, value]) => value !== ''));
}

export function formatConninfo(pairs: ReadonlyMap<string, string>): string {
  return [...pairs].map(([key, value]) => `${key}=${quoted(value)}`).join(' ');
}

function quoted(value: string): string {
  if (/^[\w.:/@-]+$/.test(value)) return value;
  return `'${value.replaceAll(/['\\]/g, '\\$&')}'`;
}

/** What may be kept where everybody can read it; an empty password says that there was one. */
export function withoutPassword(text: string): string {
  const pairs = parseConninfo(text);
  if (pairs.has('password')) pairs.set('password', '');
  return formatConninfo(pairs);
}

export function lacksPassword(pairs: ReadonlyMap<string, string>): boolean {
  return pairs.get('password') === '';
}

/** For people: the same with stars. */
export function shownConninfo(text: string): string {
  const pairs = parseConninfo(text);
  if (pairs.has('password')) pairs.set('password', '***');
  return formatConninfo(pairs);
}

/** `host:port` of the first server that it names; '' where it names none. */
export function sourceOf(text: string): string {
  if (text === '') return '';
  const pairs = parseConninfo(text);
  const host = (pairs.get('host') ?? pairs.get('hostaddr') ?? '').split(',')[0]!;
  const port = (pairs.get('port') ?? '5432').split(',')[0]!;
  return host === '' ? '' : `${host}:${port}`;
}

/** `template` with another server and another name for who connects. */
export function pointedAt(
  template: string,
  server: { readonly host: string; readonly port: number },
  label: string,
): Map<string, string> {
  const { host, port } = server;
  const pairs = new Map([
    ['host', host],
    ['port', String(port)],
  ]);
  for (const [key, value] of parseConninfo(template)) {
    if (!['host', 'port', 'hostaddr', 'application_name', 'dbname'].includes(key)) {
      pairs.set(key, value);
    }
  }
  pairs.set('application_name', label);
  return pairs;
}
