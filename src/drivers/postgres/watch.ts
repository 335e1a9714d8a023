// Looks at all members while the journal is open: for people who ask how the engine is, and for a
// promotion that the connections to the old primary know nothing of. An old primary that is cut off
// from its standbys goes on answering its readers, and never again with anything new.

import type { EngineHost } from '../engine-options.ts';
import type { JournalHealth } from '../../ports/journal.ts';
import { lookAt } from './members.ts';
import type { PostgresSettings } from './options.ts';
import { type Session, nameOf } from './session.ts';
import { SERVER_WORD, serverWordOf } from './settings-check.ts';

export type WatchOptions = {
  readonly settings: PostgresSettings;
  /** The highest timeline that was seen. */
  readonly timeline: number;
  /** A member is on a higher timeline. */
  readonly onOvertaken: (timeline: number, name: string) => void;
};

type Place = JournalHealth['places'][number];

export class Watch {
  readonly #options: WatchOptions;
  readonly #places = new Map<EngineHost, Place>();
  readonly #sessions = new Map<EngineHost, Session>();
  readonly #timer: NodeJS.Timeout;
  #timeline: number;
  #looking: Promise<unknown> | undefined;
  #isClosed = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#timeline = options.timeline;
    const { hosts, bounds } = options.settings;
    for (const host of hosts) {
      this.#places.set(host, { name: nameOf(host), state: 'active', detail: '' });
    }
    this.#timer = setInterval(() => this.#lookAtAll(), bounds.watchMs);
  }

  places(): readonly Place[] {
    return [...this.#places.values()];
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const session of this.#sessions.values()) session.destroy('the journal was closed');
    await this.#looking;
  }

  #lookAtAll(): void {
    const { hosts } = this.#options.settings;
    this.#looking ??= Promise.all(hosts.map((host) => this.#lookAt(host))).finally(() => {
      this.#looking = undefined;
    });
  }

  /** Never rejects. */
  async #lookAt(host: EngineHost): Promise<void> {
    try {
      const timeline = await this.#timelineOf(host);
      if (this.#isClosed) return;
      this.#places.set(host, { name: nameOf(host), state: 'active', detail: '' });
      if (timeline <= this.#timeline) return;
      this.#timeline = timeline;
      this.#options.onOvertaken(timeline, nameOf(host));
    } catch (error) {
      // A question that was late has ended its connection.
      this.#sessions.delete(host);
      const known = this.#places.get(host);
      if (this.#isClosed || known?.state === 'dropped') return;
      const reason = error instanceof Error ? error.message : String(error);
      const detail = `It does not answer since ${new Date().toISOString()}: ${reason}`;
      this.#places.set(host, { name: nameOf(host), state: 'dropped', detail });
    }
  }

  async #timelineOf(host: EngineHost): Promise<number> {
    const { settings } = this.#options;
    const withinMs = settings.bounds.watchMs;
    const session = this.#sessions.get(host);
    if (session?.isLost === false) {
      const [row] = await session.ask(SERVER_WORD, withinMs);
      return serverWordOf(row ?? {}).timeline;
    }
    const seen = await lookAt(host, { settings, withinMs, timelineSeen: 0 });
    if (seen.kind === 'silent') throw new Error(seen.reason);
    if (seen.kind === 'no-database') return 0;
    if (this.#isClosed) seen.session.destroy('the journal was closed');
    this.#sessions.set(host, seen.session);
    return seen.word.timeline;
  }
}
