// What the plan asks of an engine: to look at its members, and to carry out one act at one member.
// One file for each engine holds the statements. Every act is idempotent, and every one that
// changes a member is carried out under the term that is stored there: a member that knows a higher
// term refuses (TermRefused), so that of two operators one wins.

import type { Acknowledging, Head, MemberView } from './members.ts';

export type Act =
  /** Stores the term, durably; refused unless it is higher than the one that is stored. */
  | { readonly kind: 'claim'; readonly member: string }
  /** Old primary: from now on nobody acknowledges its appends; writers are sent away. */
  | { readonly kind: 'fence'; readonly member: string }
  /** Waits until the member has received all that the fenced primary has written. */
  | { readonly kind: 'catch-up'; readonly member: string; readonly primary: string }
  /** Standby: follows nobody any more; returns when its receiver is gone and all is applied. */
  | { readonly kind: 'seal'; readonly member: string }
  /** Before it takes writes: whose word they will wait for. */
  | { readonly kind: 'ready'; readonly member: string; readonly acknowledging: Acknowledging }
  /** It is the primary under this term; one that is a primary already is only noted as such. */
  | { readonly kind: 'promote'; readonly member: string }
  | { readonly kind: 'follow'; readonly member: string; readonly primary: string }
  /** An append of no content is acknowledged by others: the primary can do it. */
  | { readonly kind: 'prove'; readonly member: string };

export type ActKind = Act['kind'];

/** What a sealed member holds, all of it. */
export type Sounding = { readonly head: Head | undefined; readonly received: string };

export interface EngineHand {
  readonly engine: string;

  /** Asks every member, changes nothing. One that cannot be asked has a problem. */
  look(): Promise<readonly MemberView[]>;

  /**
   * Carries the act out under the term. Throws TermRefused when the member knows a higher one, and
   * ActFailed when it did not come about in time.
   */
  carryOut(act: Act, term: number): Promise<void>;

  /** The statements of `carryOut`, as they would be sent. */
  statements(act: Act, term: number): readonly string[];

  /** The statements that take the act back; empty = it cannot be, or there is nothing to take. */
  undoing(act: Act): readonly string[];

  /** Of a sealed member; throws ActFailed where it still receives. */
  sound(member: string): Promise<Sounding>;

  /** Above 0: `a` has received more than `b`; undefined = they cannot be compared. */
  compareReceived(a: string, b: string): number | undefined;

  close(): Promise<void>;
}

/** A member has stored a higher term: somebody else acts. */
export class TermRefused extends Error {
  override readonly name = 'TermRefused';
  readonly member: string;
  readonly stored: number;

  constructor(member: string, stored: number, own: number) {
    super(`${member} has stored term ${stored}; this run has ${own}.`);
    this.member = member;
    this.stored = stored;
  }
}

export class ActFailed extends Error {
  override readonly name = 'ActFailed';
  readonly act: ActKind;
  readonly member: string;

  constructor(act: ActKind, member: string, why: string, cause?: unknown) {
    super(why, { cause });
    this.act = act;
    this.member = member;
  }
}
