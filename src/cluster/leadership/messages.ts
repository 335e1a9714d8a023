// What nodes say to each other about leading: JSON, read with care, since the other side may be of
// another release.

import { OperationalError } from '../../base/errors.ts';
import type { NodeAddresses, SwitchoverDone } from '../contract.ts';

/** Who should lead rather than another: first in line, furthest, smallest id. */
export type Claim = { readonly id: string; readonly isFirst: boolean; readonly position: number };

export type ChallengeQuestion = {
  readonly claim: Claim;
  /** The highest epoch that the asker knows of. */
  readonly epoch: number;
  /** Who has agreed to the asker already: they are bound to nobody else any more. */
  readonly agreed: readonly string[];
};

/** `hears`: a leader is alive; `leads`: it is the one asked; `tries`: somebody is about to lead. */
export type ChallengeVerdict = 'yes' | 'hears' | 'leads' | 'tries' | 'better' | 'paused';
export type ChallengeAnswer = { readonly verdict: ChallengeVerdict; readonly who: string };

export type TakeOver = {
  readonly position: number;
  readonly epoch: number;
  readonly reason: string;
};

type Fields = { readonly [name: string]: unknown };

export function encodeMessage(message: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(message));
}

export function decodeQuestion(bytes: Uint8Array): ChallengeQuestion {
  const { claim, epoch, agreed } = fieldsOf(bytes);
  const { id, isFirst, position } = isFields(claim) ? claim : {};
  return {
    claim: { id: text(id), isFirst: isFirst === true, position: count(position) },
    epoch: count(epoch),
    agreed: Array.isArray(agreed) ? agreed.filter((one) => typeof one === 'string') : [],
  };
}

const VERDICTS: readonly ChallengeVerdict[] = [
  'yes',
  'hears',
  'leads',
  'tries',
  'better',
  'paused',
];

/** An unknown verdict is no agreement. */
export function decodeAnswer(bytes: Uint8Array): ChallengeAnswer {
  const { verdict, who } = fieldsOf(bytes);
  const known = VERDICTS.find((one) => one === verdict);
  return { verdict: known ?? 'better', who: text(who) };
}

export function decodeTakeOver(bytes: Uint8Array): TakeOver {
  const { position, epoch, reason } = fieldsOf(bytes);
  return { position: count(position), epoch: count(epoch), reason: text(reason) };
}

/** Of the answer to `takeOver`: the epoch that was opened. */
export function decodeEpoch(bytes: Uint8Array): number {
  return count(fieldsOf(bytes)['epoch']);
}

/** Of the question `switchover`: to whom; undefined = whoever is furthest. */
export function decodeTarget(bytes: Uint8Array): string | undefined {
  const { target } = fieldsOf(bytes);
  return target === undefined ? undefined : text(target);
}

export function decodeDone(bytes: Uint8Array): SwitchoverDone {
  const { from, to, epoch, tookMs } = fieldsOf(bytes);
  return { from: text(from), to: text(to), epoch: count(epoch), tookMs: count(tookMs) };
}

export type MemberDetail = { readonly addresses: NodeAddresses; readonly release: string };

export function encodeDetail({ addresses, release }: MemberDetail): string {
  return JSON.stringify({ ...addresses, release });
}

/** Undefined: somebody else's text, or a release that speaks otherwise. */
export function decodeDetail(detail: string): MemberDetail | undefined {
  const fields = parsed(detail);
  const { url, binaryUrl, peer, release } = fields ?? {};
  if (typeof url !== 'string' || typeof binaryUrl !== 'string') return undefined;
  if (typeof peer !== 'string') return undefined;
  return {
    addresses: { url, binaryUrl, peer },
    release: typeof release === 'string' ? release : '',
  };
}

function fieldsOf(bytes: Uint8Array): Fields {
  return parsed(new TextDecoder().decode(bytes)) ?? refuse();
}

function parsed(json: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : refuse();
}

function count(value: unknown): number {
  return typeof value === 'number' && value >= 0 ? value : refuse();
}

function refuse(): never {
  throw new OperationalError('NOT_READY', {
    detail: 'A message between nodes about who leads could not be read.',
    wayOut: 'Look whether all nodes have releases that may run together.',
  });
}
