// Who belongs to the journal at start. Every directory that is active by the newest record is
// needed: each holds all that was acknowledged while it was active, but one that is missing may
// have gone on alone and dropped the others. So a missing one stops the start, unless it is left
// out by name, which is recorded.

import { OperationalError } from '../../base/errors.ts';
import {
  type Member,
  type MemberRecord,
  type OwnRecord,
  markOf,
  newMemberId,
  recordAfter,
} from './members.ts';

/** A directory of the settings, as it was found. */
export type FoundDirectory = {
  readonly path: string;
  readonly own: OwnRecord | undefined;
  /** There is a member record, and it cannot be read. */
  readonly isDamaged: boolean;
  readonly hasSegments: boolean;
  /** Why it could not be looked at. */
  readonly problem: unknown;
};

export type Decision = {
  /** As it holds from this start on; undefined while there has only been one directory. */
  readonly record: MemberRecord | undefined;
  readonly active: readonly { readonly path: string; readonly id: string }[];
  /** To be filled before the opening is over. */
  readonly joining: readonly string[];
  /** Known as dropped: not looked at. */
  readonly ignored: readonly { readonly path: string; readonly why: string }[];
};

/** `without`: what is left out by name, as far as it can be looked at. */
export function decideMembers(
  found: readonly FoundDirectory[],
  without: readonly FoundDirectory[],
): Decision {
  const newest = newestOf(found);
  refuseOlder(without, newest);
  if (newest === undefined) return firstDecision(found);
  for (const directory of found) checkHistory(directory, newest);
  const byId = new Map<string, FoundDirectory>();
  const joining: string[] = [];
  for (const directory of found) {
    const id = memberIdOf(directory, newest);
    if (id === undefined) {
      joining.push(directory.path);
      continue;
    }
    const twin = byId.get(id);
    if (twin !== undefined) throw copiedDirectory(twin.path, directory.path);
    byId.set(id, directory);
  }
  return completed({ newest, byId, joining, without });
}

/** One that can be seen to be newer is not left out by mistake: it may have dropped the others. */
function refuseOlder(without: readonly FoundDirectory[], newest: MemberRecord | undefined): void {
  for (const { path, own } of without) {
    if (own === undefined || own.record.number <= (newest?.number ?? 0)) continue;
    throw halted(
      `${path} is to be left out, but its member record is newer than that of the others: it has payments that they do not have.`,
      'Start with it. Only if it is damaged beyond use: take it away (unmount or rename it) first.',
    );
  }
}

/** For who only reads: the active directories by the newest record, all when there is none. */
export function believedAmong(found: readonly FoundDirectory[]): readonly string[] {
  const newest = newestOf(found);
  const paths = found.map(({ path }) => path);
  if (newest === undefined) return paths;
  const active = new Set(
    newest.members.filter(({ state }) => state === 'active').map(({ id }) => id),
  );
  const believed = found.filter(({ own }) => own !== undefined && active.has(own.self));
  if (believed.length === 0) throw nothingLeft();
  return believed.map(({ path }) => path);
}

function newestOf(found: readonly FoundDirectory[]): MemberRecord | undefined {
  let newest: MemberRecord | undefined;
  for (const { own } of found) {
    if (own !== undefined && own.record.number > (newest?.number ?? 0)) newest = own.record;
  }
  return newest;
}

/** Nobody has a record yet: at most one of them has been a journal. */
function firstDecision(found: readonly FoundDirectory[]): Decision {
  for (const { path, isDamaged, problem } of found) {
    if (problem !== undefined) throw unusable(path, problem);
    if (isDamaged) throw damagedRecord(path);
  }
  const holding = found.filter(({ hasSegments }) => hasSegments);
  const founder = holding[0] ?? found[0];
  if (founder === undefined) throw nothingLeft();
  if (holding.length > 1) {
    const paths = holding.map(({ path }) => path).join(' and ');
    throw halted(
      `There is a journal in each of ${paths}, and no member record says that they belong together.`,
      'See what each holds with `holdfast journal directories`; keep the one that is right and empty the others: they are filled from it.',
    );
  }
  const joining = found.filter((other) => other !== founder).map(({ path }) => path);
  return {
    record: undefined,
    active: [{ path: founder.path, id: newMemberId() }],
    joining,
    ignored: [],
  };
}

/** A record that the newest does not come from: somebody went on without the others. */
function checkHistory({ own, path }: FoundDirectory, newest: MemberRecord): void {
  if (own === undefined) return;
  const mark = markOf(own.record);
  if (mark !== markOf(newest) && !newest.history.includes(mark)) throw wentApart(path);
}

/** Undefined for a new one. */
function memberIdOf(directory: FoundDirectory, newest: MemberRecord): string | undefined {
  const { path, own, isDamaged, hasSegments, problem } = directory;
  const known = newest.members.find((member) =>
    own === undefined ? member.path === path : member.id === own.self,
  );
  if (known?.state === 'dropped' && (own !== undefined || problem !== undefined || isDamaged)) {
    return known.id;
  }
  if (problem !== undefined) throw unusable(path, problem);
  if (isDamaged) throw damagedRecord(path);
  if (own !== undefined && known !== undefined) {
    return known.state === 'joining' ? undefined : known.id;
  }
  // Without a record of its own it is new, or the place of an active one that is not there; that
  // one is then missing.
  if (!hasSegments || known?.state === 'joining') return undefined;
  if (known?.state === 'dropped') return known.id;
  throw halted(
    `${path} holds a journal that the member record of the others does not know.`,
    'If it is an old copy, empty it: it is filled from the others. If not, name the right directories.',
  );
}

type Completing = {
  readonly newest: MemberRecord;
  readonly byId: ReadonlyMap<string, FoundDirectory>;
  readonly joining: readonly string[];
  readonly without: readonly FoundDirectory[];
};

function completed(parts: Completing): Decision {
  const { newest, byId, joining, without } = parts;
  const active: { readonly path: string; readonly id: string }[] = [];
  const ignored: { readonly path: string; readonly why: string }[] = [];
  const members: Member[] = [];
  for (const member of newest.members) {
    const directory = byId.get(member.id);
    const path = directory?.path ?? member.path;
    // One that was being filled is not needed; the record keeps it, so that it is known again.
    if (member.state === 'joining') members.push(member);
    else if (member.state === 'dropped') {
      if (directory !== undefined) ignored.push({ path, why: member.dropped?.why ?? '' });
      members.push({ ...member, path });
    } else if (directory !== undefined) {
      active.push({ path, id: member.id });
      members.push({ ...member, path });
    } else if (without.some((left) => left.path === member.path || left.own?.self === member.id)) {
      const why = 'left out at a start, by name';
      const dropped = { record: newest.number + 1, position: 0, why };
      members.push({ ...member, state: 'dropped', dropped });
    } else {
      throw missing(member, active[0]?.path ?? [...byId.values()][0]?.path ?? '');
    }
  }
  if (active.length === 0) throw nothingLeft();
  const isSame = JSON.stringify(members) === JSON.stringify(newest.members);
  const record = isSame ? newest : recordAfter(newest, members);
  return { record, active, joining, ignored };
}

function halted(detail: string, wayOut: string, cause?: unknown): OperationalError {
  return new OperationalError('DATA_FOLDER_UNUSABLE', {
    detail: `${detail} Nothing was started or changed.`,
    wayOut,
    cause,
  });
}

function missing(member: Member, found: string): OperationalError {
  return halted(
    `The journal's directory ${member.path} is missing or empty, but it is active by the member record in ${found}: it may hold payments that the others do not have.`,
    `Mount it or put it back, and see what each holds with \`holdfast journal directories\`. Only if it is lost: start once with HOLDFAST_JOURNAL_WITHOUT=${member.path}; that is recorded, and an empty directory in its place is filled at the next start without it.`,
  );
}

function wentApart(paths: string): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail: `The member records do not agree: ${paths} has one that the newest does not come from, so that it, or another, went on by itself. Both may hold acknowledged payments. Nothing was started or changed.`,
    wayOut:
      'Compare them with `holdfast journal verify --data` on copies. Start with the one that is right alone, named as the only directory, and keep the other.',
  });
}

function damagedRecord(path: string): OperationalError {
  return halted(
    `members.json in ${path} is damaged: which directories are needed is not known.`,
    `Put the file back from a copy. If the other directories are whole: start once with HOLDFAST_JOURNAL_WITHOUT=${path}, empty it, and start again: it is filled anew.`,
  );
}

function copiedDirectory(first: string, second: string): OperationalError {
  return halted(
    `${first} and ${second} say that they are the same directory of the journal: one is a copy.`,
    'Empty the copy: it is filled from the other one.',
  );
}

function unusable(path: string, cause: unknown): OperationalError {
  return halted(
    `The journal in ${path} cannot be opened: ${String(cause)}.`,
    `Check that the folder exists, is writable by this user and its disk is well. To start without it, where there are others: HOLDFAST_JOURNAL_WITHOUT=${path}.`,
    cause,
  );
}

function nothingLeft(): OperationalError {
  return halted('No directory of the journal is left to start with.', 'Name one that is active.');
}
