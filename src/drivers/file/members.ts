// The member record: which directories make up the journal, which were dropped, since when and why.
// It stands in `members.json` of each directory as soon as there is more than one, and names the
// directory that it stands in. It has a rising number; at start the newest one counts (DESIGN 7).
//
//   line     {"digest":"<SHA-256 of the content, as it is written>","content":<content>}
//   content  {"history":[...],"members":[...],"number":n,"self":"<id of this directory>"}
//
// The file holds the same line twice, so that damage to one leaves the other. It is replaced as a
// whole: written aside, synced, renamed, the directory synced.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { toHex } from '../../base/entry.ts';
import { type FileSystem, syncData, syncNames, withFile } from './file-system.ts';
import { sha256 } from './sha256.ts';

export const MEMBERS_FILE = 'members.json';
const MEMBERS_PARTIAL = 'members.json.partial';
const MEMBERS_BYTES_MAX = 1024 * 1024;

export type Member = {
  /** 32 hex digits, drawn when the directory first joins; the path may change. */
  readonly id: string;
  readonly path: string;
  /** `joining`: being filled, not needed by anybody. `dropped`: not believed, whatever it holds. */
  readonly state: 'active' | 'joining' | 'dropped';
  /** Of a dropped one: the record that said so, the last position that it surely has, and why. */
  readonly dropped: {
    readonly record: number;
    readonly position: number;
    readonly why: string;
  } | null;
};

export type MemberRecord = {
  readonly number: number;
  readonly members: readonly Member[];
  /**
   * The records before it, by the start of their digests: one that is not among them was written by
   * somebody who went on without this one.
   */
  readonly history: readonly string[];
};

const HISTORY_MAX = 256;

/** What stands in a directory's `members.json`. */
export type OwnRecord = { readonly self: string; readonly record: MemberRecord };

export function newMemberId(): string {
  return randomBytes(16).toString('hex');
}

/** The record that comes after `before`. */
export function recordAfter(
  before: MemberRecord | undefined,
  members: readonly Member[],
): MemberRecord {
  if (before === undefined) return { number: 1, members, history: [] };
  const history = [...before.history, markOf(before)].slice(-HISTORY_MAX);
  return { number: before.number + 1, members, history };
}

/** How a later record's history names this one. */
export function markOf({ number, members }: MemberRecord): string {
  return digestOf({ members, number }).slice(0, 16);
}

export function encodeMembers({ self, record }: OwnRecord): string {
  const { history, members, number } = record;
  const content = { history, members, number, self };
  const line = `${JSON.stringify({ digest: digestOf(content), content })}\n`;
  return line + line;
}

/** Undefined when no line of it is whole. */
export function decodeMembers(text: string): OwnRecord | undefined {
  for (const line of text.split('\n')) {
    const own = decodeLine(line);
    if (own !== undefined) return own;
  }
  return undefined;
}

function decodeLine(line: string): OwnRecord | undefined {
  try {
    const { digest, content } = JSON.parse(line) as {
      readonly digest: string;
      readonly content: MemberRecord & { readonly self: string };
    };
    // A right digest is proof of the content's shape: nobody else writes it.
    if (digest !== digestOf(content)) return undefined;
    const { self, number, members, history } = content;
    return { self, record: { number, members, history } };
  } catch {
    return undefined;
  }
}

function digestOf(content: object): string {
  return toHex(sha256(new TextEncoder().encode(JSON.stringify(content))));
}

/** Of a directory whose names list a member record. `isIntact`: both lines of it are whole. */
export async function readMembers(
  fileSystem: FileSystem,
  directory: string,
): Promise<{ readonly own: OwnRecord | undefined; readonly isIntact: boolean }> {
  const text = await withFile(
    fileSystem.open(join(directory, MEMBERS_FILE), 'read'),
    async (file) => {
      const bytes = new Uint8Array(Math.min(await file.sizeBytes(), MEMBERS_BYTES_MAX));
      const count = await file.read(bytes, 0);
      return new TextDecoder().decode(bytes.subarray(0, count));
    },
  );
  const own = decodeMembers(text);
  return { own, isIntact: own !== undefined && encodeMembers(own) === text };
}

export async function writeMembers(
  fileSystem: FileSystem,
  directory: string,
  own: OwnRecord,
): Promise<void> {
  const partial = join(directory, MEMBERS_PARTIAL);
  await withFile(fileSystem.open(partial, 'create'), async (file) => {
    await file.write([new TextEncoder().encode(encodeMembers(own))], 0);
    await syncData(file);
  });
  await fileSystem.rename(partial, join(directory, MEMBERS_FILE));
  await syncNames(fileSystem, directory);
}
