// What a driver of the coordinator knows, as its callers see it: members, the leader's note and its
// own health, and whoever listens. The drivers differ in how they learn it; what is believed, and
// when it is told, is the same for all.

import { assert } from '../base/assert.ts';
import { OperationalError } from '../base/errors.ts';
import {
  type CoordinatorHealth,
  DETAIL_BYTES_MAX,
  type LeaderNote,
  type Member,
} from './coordinator.ts';

export class CoordinatorView {
  members: readonly Member[] = [];
  leader: LeaderNote | undefined;
  health: CoordinatorHealth = { connected: false, sinceMs: Date.now(), reason: 'Not opened.' };
  readonly #listeners = new Set<() => void>();

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** An older note than the known one is not believed: it comes from a place that lags behind. */
  learn(members: readonly Member[], note: LeaderNote | undefined): void {
    const before = JSON.stringify([this.members, this.leader]);
    this.members = members;
    if (note !== undefined && note.epoch >= (this.leader?.epoch ?? 0)) this.leader = note;
    if (JSON.stringify([this.members, this.leader]) !== before) this.#tell();
  }

  /** `reason`: a sentence. That the connection is still there is no news, whatever the reason. */
  feel(connected: boolean, reason: string): void {
    const { health } = this;
    const isSame = connected === health.connected;
    if (isSame && (connected || reason === health.reason)) return;
    this.health = { connected, sinceMs: isSame ? health.sinceMs : Date.now(), reason };
    this.#tell();
  }

  /** Nobody is known any more. */
  close(): void {
    this.members = [];
    this.feel(false, 'It was closed.');
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** Asserts what every driver asks of who joins. */
export function checkSelf({ id, detail }: Pick<Member, 'id' | 'detail'>): void {
  assert(id !== '' && id.length <= 128, 'a member id has 1 to 128 characters');
  checkDetail(detail);
}

export function checkDetail(detail: string): void {
  const { byteLength } = new TextEncoder().encode(detail);
  assert(byteLength <= DETAIL_BYTES_MAX, 'a detail has at most 4,096 bytes');
}

/** What is asked of a coordinator after its end. */
export function wasClosed(): OperationalError {
  return new OperationalError('SHUTTING_DOWN', { detail: 'The coordinator was closed.' });
}
