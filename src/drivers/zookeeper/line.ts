// This member's place in ZooKeeper's line: what is wanted there (to stand in it, to be out of it),
// and the step of the driver's loop that brings it about. Whoever has the lowest number is first.

import { randomUUID } from 'node:crypto';
import { assert } from '../../base/assert.ts';
import type { Candidacy } from '../../ports/coordinator.ts';
import { noneThere } from './errors.ts';
import type { ZooKeeperSession } from './session.ts';

const EPHEMERAL_NUMBERED = 3;
const NUMBER_DIGITS = 10;

type Place = {
  /** In front of the name of its node; another one in each session. */
  guid: string;
  readonly granted: PromiseWithResolvers<Candidacy>;
  readonly lost: PromiseWithResolvers<string>;
  isGranted: boolean;
  /** Whether anything may stand in line for it in the present session. */
  isSent: boolean;
};

export class Line {
  readonly #folder: string;
  readonly #want: () => void;
  /** The present one; the places are under it. */
  session: ZooKeeperSession | undefined;
  #place: Place | undefined;
  /** Guids of the present session that must not stand in line any more, and who waits for that. */
  readonly #leaving = new Map<string, PromiseWithResolvers<void>>();

  constructor(folder: string, want: () => void) {
    this.#folder = folder;
    this.#want = want;
  }

  async stand(signal: AbortSignal): Promise<Candidacy> {
    assert(this.#place === undefined, 'one campaign or candidacy at a time');
    const place: Place = {
      guid: randomUUID(),
      granted: Promise.withResolvers(),
      lost: Promise.withResolvers(),
      isGranted: false,
      isSent: false,
    };
    this.#place = place;
    const abort = (): void => {
      if (place.isGranted) return;
      void this.#leave(place, 'It gave up.').then(() => place.granted.reject(signal.reason));
    };
    signal.addEventListener('abort', abort, { once: true });
    this.#want();
    try {
      return await place.granted.promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** The session is over, and every place with it. A campaign goes on in the next. */
  lose(reason: string): void {
    const place = this.#place;
    if (place?.isGranted === true) {
      this.#place = undefined;
      place.lost.resolve(reason);
    } else if (place !== undefined) {
      place.guid = randomUUID();
      place.isSent = false;
    }
    this.#allLeft();
  }

  close(reason: Error): void {
    const place = this.#place;
    this.#place = undefined;
    place?.lost.resolve('The coordinator was closed.');
    place?.granted.reject(reason);
    this.#allLeft();
  }

  async reconcile(session: ZooKeeperSession, memberId: string): Promise<void> {
    const place = this.#place;
    if (place === undefined && this.#leaving.size === 0) return;
    let names = await session.children(this.#folder);
    for (const [guid, left] of this.#leaving) {
      await this.#remove(session, ofGuid(names, guid));
      this.#leaving.delete(guid);
      left.resolve();
    }
    if (place === undefined || place !== this.#place) return;
    if (ofGuid(names, place.guid).length === 0) {
      if (place.isGranted) {
        this.#place = undefined;
        place.lost.resolve('Its place in line was removed.');
        return;
      }
      place.isSent = true;
      const path = `${this.#folder}/${place.guid}_`;
      await session.create(path, Buffer.from(memberId), EPHEMERAL_NUMBERED);
      names = await session.children(this.#folder);
    }
    const [own, ...more] = ofGuid(names, place.guid);
    await this.#remove(session, more);
    if (own !== undefined && own === inOrder(names)[0]) this.#grant(place, session);
  }

  #grant(place: Place, session: ZooKeeperSession): void {
    if (place.isGranted || place !== this.#place || session !== this.session) return;
    place.isGranted = true;
    place.granted.resolve({
      lost: place.lost.promise,
      heldUntilMs: () => (place === this.#place ? session.aliveUntilMs : 0),
      resign: () => this.#leave(place, 'It resigned.'),
    });
  }

  /** Resolves when the place is free for others, or its session is over. */
  async #leave(place: Place, reason: string): Promise<void> {
    if (place !== this.#place) return await this.#leaving.get(place.guid)?.promise;
    this.#place = undefined;
    place.lost.resolve(reason);
    if (!place.isSent) return;
    const left = Promise.withResolvers<void>();
    this.#leaving.set(place.guid, left);
    this.#want();
    await left.promise;
  }

  #allLeft(): void {
    for (const left of this.#leaving.values()) left.resolve();
    this.#leaving.clear();
  }

  async #remove(session: ZooKeeperSession, names: readonly string[]): Promise<void> {
    for (const name of names) await session.delete(`${this.#folder}/${name}`).catch(noneThere);
  }
}

function ofGuid(names: readonly string[], guid: string): string[] {
  return inOrder(names.filter((name) => name.startsWith(guid)));
}

function inOrder(names: readonly string[]): string[] {
  return [...names].sort((a, b) => (numberOf(a) < numberOf(b) ? -1 : 1));
}

function numberOf(name: string): string {
  return name.slice(-NUMBER_DIGITS);
}
