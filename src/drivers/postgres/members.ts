// The members of the cluster: which of them is the primary, and how each is. All are asked at once.
//
// Two that take themselves for the primary: the one on the higher timeline was promoted later, and
// the other is an old one that has not been told. It is left alone: what it commits now no sealed
// standby confirms. On one timeline nobody can say which is right, and nothing is written.

import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { OperationalError } from '../../base/errors.ts';
import type { EngineHost } from '../engine-options.ts';
import type { PostgresSettings } from './options.ts';
import { Session, nameOf } from './session.ts';
import { SERVER_WORD, type ServerWord, serverWordOf } from './settings-check.ts';

/** When the primary is known the others get this long to be heard, too. */
const OTHERS_MS = 250;
/** And the last few this long, when more than half have been. */
const REST_MS = 50;

const NO_DATABASE = '3D000';

export type MemberSeen = {
  readonly host: EngineHost;
  readonly name: string;
} & (
  | { readonly kind: 'heard'; readonly word: ServerWord; readonly session: Session }
  /** It answers, but has no such database. */
  | { readonly kind: 'no-database' }
  | { readonly kind: 'silent'; readonly reason: string }
);

type Heard = Extract<MemberSeen, { kind: 'heard' }>;

export type Primary = {
  readonly session: Session;
  readonly word: ServerWord;
  readonly name: string;
  /** Every member that answered in time, the primary among them. */
  readonly heard: readonly { readonly name: string; readonly word: ServerWord }[];
};

export type PrimarySearch =
  | { readonly kind: 'primary'; readonly primary: Primary }
  /** All that answer say so. */
  | { readonly kind: 'no-database' };

export type Search = {
  readonly settings: PostgresSettings;
  readonly withinMs: number;
  /** The highest timeline that has been seen: no primary of a lower one is believed. */
  readonly timelineSeen: number;
  readonly database?: string;
};

/** The primary, connected to; JOURNAL_UNAVAILABLE with what was heard of each member. */
export async function findPrimary(search: Search): Promise<PrimarySearch> {
  const seen = await lookAtAll(search);
  const heard = seen.filter((member): member is Heard => member.kind === 'heard');
  const primary = choosePrimary(heard, search.timelineSeen);
  for (const member of heard) {
    if (member !== primary) void member.session.end(search.settings.bounds.closeMs);
  }
  if (primary !== undefined) {
    const { session, word, name } = primary;
    return { kind: 'primary', primary: { session, word, name, heard } };
  }
  if (heard.length === 0 && seen.some(({ kind }) => kind === 'no-database')) {
    return { kind: 'no-database' };
  }
  throw new OperationalError('JOURNAL_UNAVAILABLE', {
    detail: `No PostgreSQL server can be used as the primary: ${seen.map(tell).join('; ')}.`,
    wayOut: 'It is tried again. Where the primary is gone for good, promote a standby.',
  });
}

/** Every member's state, without waiting long for the silent once the primary has been heard. */
async function lookAtAll(search: Search): Promise<readonly MemberSeen[]> {
  const { hosts } = search.settings;
  const seen: (MemberSeen | undefined)[] = hosts.map(() => undefined);
  let isOver = false;
  const found = Promise.withResolvers<void>();
  const most = Promise.withResolvers<void>();
  const looks = hosts.map(async (host, index) => {
    const member = await lookAt(host, search);
    if (isOver && member.kind === 'heard') return await member.session.end(search.withinMs);
    seen[index] = member;
    if (member.kind === 'heard' && !member.word.isStandby) found.resolve();
    const heardCount = seen.filter((one) => one?.kind === 'heard').length;
    if (2 * heardCount > hosts.length) most.resolve();
  });
  const all = Promise.all(looks);
  await Promise.race([all, found.promise]);
  await Promise.race([all, most.promise, pause(OTHERS_MS)]);
  await Promise.race([all, pause(REST_MS)]);
  isOver = true;
  return hosts.map(
    (host, index) =>
      seen[index] ?? { host, name: nameOf(host), kind: 'silent', reason: 'no answer yet' },
  );
}

export async function lookAt(host: EngineHost, search: Search): Promise<MemberSeen> {
  const name = nameOf(host);
  let session: Session | undefined;
  try {
    session = await Session.connect({ ...search, host });
    const [row] = await session.ask(SERVER_WORD, search.withinMs);
    return { host, name, kind: 'heard', word: serverWordOf(row ?? {}), session };
  } catch (error) {
    session?.destroy('it was of no use');
    if (error instanceof pg.DatabaseError && error.code === NO_DATABASE) {
      return { host, name, kind: 'no-database' };
    }
    return {
      host,
      name,
      kind: 'silent',
      reason: error instanceof Error ? error.message : String(error),
    };
  }
}

function choosePrimary(heard: readonly Heard[], timelineSeen: number): Heard | undefined {
  const timeline = Math.max(timelineSeen, ...heard.map(({ word }) => word.timeline));
  const primaries = heard.filter(({ word }) => !word.isStandby && word.timeline === timeline);
  return primaries.length === 1 ? primaries[0] : undefined;
}

function tell(member: MemberSeen): string {
  if (member.kind === 'no-database') return `${member.name} has no such database`;
  if (member.kind === 'silent') return `${member.name}: ${member.reason}`;
  const { isStandby, timeline } = member.word;
  return `${member.name} is a ${isStandby ? 'standby' : 'primary'} on timeline ${timeline}`;
}
