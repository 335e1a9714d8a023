// Who is who among the servers. The primary is the one that takes writes and replicates from
// nobody; all are asked at once, each time, since a failover makes another one of them the primary.

import type { EngineHost } from '../engine-options.ts';
import { ServerErrno, isRefusal, messageOf, nameOf, unavailable } from './errors.ts';
import { Link, type Row } from './link.ts';
import type { MySqlSettings } from './options.ts';

/** When one has said that it is the primary, the others have so long to contradict. */
const CONTRADICTION_MS = 400;

export type Member = {
  readonly host: EngineHost;
  /** Open while the member is known to be there. */
  readonly link: Link | undefined;
  readonly kind: 'primary' | 'replica' | 'standing-alone' | 'unreachable';
  /** Its replication as it says itself; empty where it replicates from nobody, or may not tell. */
  readonly replication: Row | undefined;
  /** Why it is unreachable, or that its replication may not be asked for. */
  readonly detail: string;
  readonly mayAskReplication: boolean;
};

/** Asks one; never rejects. */
async function lookAt(
  host: EngineHost,
  settings: MySqlSettings,
  withinMs: number,
): Promise<Member> {
  const deadlineMs = performance.now() + withinMs;
  let link: Link | undefined;
  try {
    link = await Link.open(host, settings, withinMs);
    const leftMs = (): number => deadlineMs - performance.now();
    const [own] = await link.ask('select @@global.read_only as is_read_only', [], leftMs());
    const { rows, mayAsk } = await replicationOf(link, leftMs());
    const takesWrites = Number(own?.['is_read_only']) === 0;
    const kind = rows.length > 0 ? 'replica' : takesWrites ? 'primary' : 'standing-alone';
    return { host, link, kind, replication: rows[0], detail: '', mayAskReplication: mayAsk };
  } catch (error) {
    link?.destroy();
    return {
      host,
      link: undefined,
      kind: 'unreachable',
      replication: undefined,
      detail: messageOf(error),
      mayAskReplication: false,
    };
  }
}

async function replicationOf(
  link: Link,
  withinMs: number,
): Promise<{ readonly rows: readonly Row[]; readonly mayAsk: boolean }> {
  try {
    return { rows: await link.ask('show all slaves status', [], withinMs), mayAsk: true };
  } catch (error) {
    if (isRefusal(error, ServerErrno.accessDenied)) return { rows: [], mayAsk: false };
    throw error;
  }
}

/**
 * All members; whoever has not answered in time is unreachable. Their links are the caller's to
 * close (`closeAll`).
 */
export async function lookAtAll(settings: MySqlSettings, withinMs: number): Promise<Member[]> {
  const found: (Member | undefined)[] = settings.hosts.map(() => undefined);
  const enough = Promise.withResolvers<void>();
  let isOver = false;
  let timer = setTimeout(enough.resolve, withinMs);
  const looking = settings.hosts.map(async (host, index) => {
    const member = await lookAt(host, settings, withinMs);
    if (isOver) {
      member.link?.destroy();
      return;
    }
    found[index] = member;
    if (member.kind === 'primary') {
      clearTimeout(timer);
      timer = setTimeout(enough.resolve, CONTRADICTION_MS);
    }
  });
  void Promise.all(looking).then(() => enough.resolve());
  await enough.promise;
  clearTimeout(timer);
  isOver = true;
  return found.map((member, index) => member ?? silent(settings.hosts[index]!));
}

function silent(host: EngineHost): Member {
  return {
    host,
    link: undefined,
    kind: 'unreachable',
    replication: undefined,
    detail: `${nameOf(host)} did not answer in time`,
    mayAskReplication: false,
  };
}

export function closeAll(members: readonly Member[]): void {
  for (const { link } of members) link?.destroy();
}

export type PrimaryMember = Member & { readonly link: Link };

/** The one that takes writes; JOURNAL_UNAVAILABLE where there is none or more than one. */
export function primaryOf(members: readonly Member[]): PrimaryMember {
  const claiming = members.filter(
    (member): member is PrimaryMember => member.kind === 'primary' && member.link !== undefined,
  );
  const [primary] = claiming;
  if (claiming.length > 1) {
    const names = claiming.map(({ host }) => nameOf(host)).join(' and ');
    throw unavailable(`${names} each take writes and replicate from nobody: one is not to.`);
  }
  if (primary !== undefined) return primary;
  const words = members.map(({ host, kind, detail }) =>
    kind === 'unreachable' ? detail : `${nameOf(host)} is ${WORDS[kind]}`,
  );
  throw unavailable(`No server takes writes: ${words.join('; ')}.`);
}

const WORDS: Readonly<Record<Exclude<Member['kind'], 'unreachable'>, string>> = {
  primary: 'the primary',
  replica: 'a replica',
  'standing-alone': 'read-only and replicates from nobody',
};
