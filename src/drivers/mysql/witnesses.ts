// The replicas' own word that they have what was appended. The primary's answer alone is not
// enough: a statement that waits for the replicas answers as if they had it when it is killed, when
// the server is shut down, and when semi-synchronous replication is switched off meanwhile, and no
// counter of the server tells the cases apart. So an append counts when a replica says that it has
// received that GTID, or a later one of the same server, into its (synced) relay log.

import { setTimeout as pause } from 'node:timers/promises';
import type { EngineHost } from '../engine-options.ts';
import { LinkLost, messageOf, nameOf } from './errors.ts';
import { Link } from './link.ts';
import { ASK_MS_MAX, type MySqlSettings } from './options.ts';

const LOOK_MS_MIN = 1;
const LOOK_MS_MAX = 5;
const RECONNECT_MS = 100;

export type Gtid = {
  readonly domain: number;
  readonly server: number;
  readonly sequence: number;
};

export function parseGtids(text: string): Gtid[] {
  return [...text.matchAll(/(\d+)-(\d+)-(\d+)/g)].map(([, domain, server, sequence]) => ({
    domain: Number(domain),
    server: Number(server),
    sequence: Number(sequence),
  }));
}

/**
 * Under `gtid_strict_mode` a server's own sequence rises, and a replica receives it in order. A
 * later number of another server proves nothing: a history that left this one also has it.
 */
export function covers(received: readonly Gtid[], wanted: Gtid): boolean {
  return received.some(({ domain, server, sequence }) => {
    return domain === wanted.domain && server === wanted.server && sequence >= wanted.sequence;
  });
}

type Waiting = { readonly gtid: Gtid; readonly confirmed: () => void };

export type WitnessView = {
  readonly name: string;
  readonly isActive: boolean;
  readonly detail: string;
};

/** All replicas; whichever has it first confirms it. */
export class Witnesses {
  readonly #waiting = new Set<Waiting>();
  readonly #witnesses: readonly Witness[];

  /** The links that are given are theirs from now on. */
  constructor(
    replicas: readonly { readonly host: EngineHost; readonly link: Link | undefined }[],
    settings: MySqlSettings,
  ) {
    this.#witnesses = replicas.map(
      ({ host, link }) => new Witness(host, settings, { link, waiting: this.#waiting }),
    );
  }

  /** Resolves when a replica has it; LinkLost after `withinMs`, or when this is closed. */
  async confirm(gtid: Gtid, withinMs: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { gtid, confirmed: resolve };
    const fail = (why: string): void => reject(new LinkLost(why));
    const timer = setTimeout(
      () => fail('the primary answered, but no replica says that it has it'),
      Math.max(1, withinMs),
    );
    const abort = (): void => fail('the journal was closed');
    signal.addEventListener('abort', abort);
    this.#waiting.add(waiting);
    for (const witness of this.#witnesses) witness.wake();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      this.#waiting.delete(waiting);
    }
  }

  views(): WitnessView[] {
    return this.#witnesses.map((witness) => witness.view);
  }

  async close(): Promise<void> {
    await Promise.all(this.#witnesses.map((witness) => witness.close()));
  }
}

type WitnessStart = { readonly link: Link | undefined; readonly waiting: ReadonlySet<Waiting> };

/** One replica; it is asked only while somebody waits. */
class Witness {
  readonly #host: EngineHost;
  readonly #settings: MySqlSettings;
  readonly #waiting: ReadonlySet<Waiting>;
  readonly #ending = new AbortController();
  #link: Link | undefined;
  #running: Promise<void> | undefined;
  #fault = '';

  constructor(host: EngineHost, settings: MySqlSettings, { link, waiting }: WitnessStart) {
    this.#host = host;
    this.#settings = settings;
    this.#link = link;
    this.#waiting = waiting;
    if (link === undefined) this.#failed(new Error('it was not reached'));
  }

  get view(): WitnessView {
    return { name: nameOf(this.#host), isActive: this.#fault === '', detail: this.#fault };
  }

  wake(): void {
    this.#running ??= this.#askWhileWaited().finally(() => {
      this.#running = undefined;
      // Somebody may have come between the last look and this.
      if (this.#waiting.size > 0 && !this.#ending.signal.aborted) this.wake();
    });
  }

  async close(): Promise<void> {
    this.#ending.abort();
    this.#link?.destroy();
    await this.#running;
    this.#link?.destroy();
  }

  async #askWhileWaited(): Promise<void> {
    const { signal } = this.#ending;
    let lookMs = LOOK_MS_MIN;
    while (this.#waiting.size > 0 && !signal.aborted) {
      try {
        const received = await this.#received();
        this.#fault = '';
        const covered = [...this.#waiting].filter(({ gtid }) => covers(received, gtid));
        for (const { confirmed } of covered) confirmed();
        lookMs = covered.length > 0 ? LOOK_MS_MIN : Math.min(LOOK_MS_MAX, lookMs + 1);
        await pause(lookMs, undefined, { signal });
      } catch (error) {
        if (signal.aborted) return;
        this.#failed(error);
        await pause(RECONNECT_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #received(): Promise<readonly Gtid[]> {
    if (this.#link === undefined || this.#link.isLost) {
      this.#link = await Link.open(this.#host, this.#settings, ASK_MS_MAX);
    }
    const rows = await this.#link.ask('show all slaves status');
    if (rows.length === 0) throw new LinkLost(`${nameOf(this.#host)} is no replica`);
    return rows.flatMap((row) => parseGtids(String(row['Gtid_IO_Pos'] ?? '')));
  }

  #failed(error: unknown): void {
    if (this.#fault !== '') return;
    const since = new Date().toISOString();
    this.#fault = `since ${since}: ${messageOf(error)}`;
    this.#settings.log('warning', `mysql: a replica cannot be asked ${this.#fault}`);
  }
}
