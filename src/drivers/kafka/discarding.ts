// Gives the broker's disks back what nobody needs: by DeleteRecords, up to the offset of an entry
// of the history, so that the log always begins with one. The last entry stays whatever is asked:
// a log that was emptied forgets, with the next start of its broker, who was deposed.

import { deleteRecordsV2 } from '@platformatic/kafka';
import type { Chain, PlaceInLog } from './chain.ts';
import { type Cluster, unavailable } from './cluster.ts';

const DELETE_MS_MAX = 5000;
const DELETE_GRACE_MS = 1000;

export class Discarding {
  readonly #cluster: Cluster;
  readonly #chain: Chain;
  readonly #signal: AbortSignal;

  constructor(cluster: Cluster, chain: Chain, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#chain = chain;
    this.#signal = signal;
  }

  /** The chain has seen the log to its end. */
  async through(position: number): Promise<void> {
    const { head, first } = this.#chain;
    if (head === undefined || first === undefined) return;
    const place = this.#chain.placeOf(Math.min(position + 1, head.position));
    if (place === undefined || place.offset <= first.offset) return;
    await this.#deleteBefore(place);
    this.#chain.discarded(place);
  }

  async #deleteBefore({ offset }: PlaceInLog): Promise<void> {
    const { settings } = this.#cluster;
    const leader = await this.#cluster.untilLeader(settings.times.openMs, this.#signal);
    const link = this.#cluster.leaderLink(leader, DELETE_MS_MAX + DELETE_GRACE_MS, 1);
    const stop = (): void => link.end();
    this.#signal.addEventListener('abort', stop, { once: true });
    try {
      const partition = { partitionIndex: 0, offset: BigInt(offset) };
      const topics = [{ name: settings.topic, partitions: [partition] }];
      await link.call(deleteRecordsV2.api, topics, DELETE_MS_MAX);
    } catch (error) {
      // A follower that is away keeps the answer back, not the deletion.
      const { start } = await this.#cluster.logBounds(leader).catch(() => ({ start: -1 }));
      if (start < offset) throw unavailable(`entries cannot be discarded: ${String(error)}`, error);
    } finally {
      this.#signal.removeEventListener('abort', stop);
      link.end();
    }
  }
}
