// A stream that is made while a broker is down has no replica there, also when the broker is back:
// it outlives one broker less. So the segment is ended early as soon as every broker answers again;
// its successor is made on all of them.

import type { Brokers } from './connection.ts';
import { presenceAt } from './settings-check.ts';
import type { Writer } from './writer.ts';

export class ReplicaKeeper {
  readonly #brokers: Brokers;
  readonly #writer: Writer;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** It lacked a replica when it was looked at before: replicas need a moment to start. */
  #lacking: string | undefined;
  /** One roll mends it, or none does. */
  #hasRolled = false;

  constructor(brokers: Brokers, writer: Writer) {
    this.#brokers = brokers;
    this.#writer = writer;
    writer.onRolled = () => this.#lookLater(0);
    this.#lookLater(0);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #lookLater(afterMs: number): void {
    clearTimeout(this.#timer);
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#look(), afterMs);
  }

  async #look(): Promise<void> {
    const { hosts, times, log } = this.#brokers.settings;
    const { stream } = this.#writer.segment;
    const found = await Promise.all(hosts.map((host) => presenceAt(this.#brokers, host, stream)));
    if (this.#isClosed || this.#writer.isBroken || this.#writer.segment.stream !== stream) return;
    if (found.every((presence) => presence === 'replica')) {
      this.#hasRolled = false;
      return;
    }
    const isLacking = !found.includes('unreachable');
    if (isLacking && this.#lacking === stream && !this.#hasRolled) {
      this.#hasRolled = true;
      log('info', `${stream} lacks a replica: the journal goes on in a new segment.`);
      this.#writer.rollSoon();
      return;
    }
    this.#lacking = isLacking ? stream : undefined;
    this.#lookLater(times.replicasMs);
  }
}
