// The life of a node that runs alone: recovering, leading, and to the end of it draining. It leads
// or waits for the journal; there is nobody to follow.

import { OperationalError, isOperationalError } from '../../base/errors.ts';
import type { StoredEntry } from '../../ports/journal.ts';
import { ClockGuard } from '../clock-guard.ts';
import type { ReadWish } from '../contract.ts';
import type { NodeLife } from '../node-life.ts';
import type { Stations } from '../stations.ts';
import { type CandidateOptions, openEpoch } from './candidate.ts';

/** How often a node that found no room to open its epoch looks again. */
export const ROOM_LOOK_MS = 250;

export class Alone implements NodeLife {
  readonly #stations: Stations;
  readonly cluster = undefined;
  #starting: Promise<void> | undefined;

  constructor(stations: Stations) {
    this.#stations = stations;
  }

  start(): Promise<void> {
    this.#starting = this.#recoverAndLead();
    return this.#starting;
  }

  wake(): void {
    this.#stations.leading?.wake();
  }

  /** A lone leader has everything that was acknowledged. */
  async catchUp({ position }: ReadWish): Promise<void> {
    const { replica } = this.#stations;
    if (position <= replica.position) return;
    throw new OperationalError('CATCH_UP_TIMEOUT', {
      detail: `Position ${position} was asked for; the journal ends at ${replica.position}.`,
    });
  }

  async drain(drainMs: number): Promise<void> {
    const stations = this.#stations;
    const { ending, options, intake } = stations;
    if (stations.role !== 'leading') {
      // A start that is under way ends first: nobody closes a journal that is being opened.
      ending.abort();
      await this.#starting?.catch(() => undefined);
    }
    const { leading } = stations;
    if (leading === undefined || stations.role !== 'leading') return;
    const { clock } = options;
    const untilMs = clock.monotonicMs() + drainMs;
    stations.become('draining', 'The node was asked to stop.');
    intake.close(new OperationalError('SHUTTING_DOWN'));
    await Promise.race([leading.drain(), clock.sleep(drainMs, ending.signal)]);
    leading.abandon(new OperationalError('SHUTTING_DOWN'));
    // A drain can end by a halt; nobody takes a checkpoint of what has halted.
    if (stations.isHalted()) return;
    await stations.checkpointing?.finish(Math.max(0, untilMs - clock.monotonicMs()));
  }

  async close(): Promise<void> {
    await this.#stations.close();
  }

  async #recoverAndLead(): Promise<void> {
    const stations = this.#stations;
    const { journal, options, ending } = stations;
    const { clock, clusterId, timeline, entropy, release } = options;
    stations.become('recovering', 'The journal is being read.');
    const { rule, recovered, manifest, replica } = await stations.restore({ mode: 'write' });
    const clockGuard = new ClockGuard(clock);
    const opened = await this.#openEpoch({
      journal,
      rule,
      replica,
      clusterId,
      timeline,
      last: recovered.last,
      offset: recovered.offset,
      clockGuard,
      entropy,
      release,
      signal: ending.signal,
    });
    const { bytesApplied } = recovered;
    stations.epoch = opened.entry.epoch;
    stations.beginCheckpoints(opened, { restored: manifest, bytesApplied });
    const reason = `It opened epoch ${opened.entry.epoch}.`;
    const onFatal = (error: unknown): void => stations.halt(error);
    stations.lead({ rule, opened, clockGuard, reason, onFatal });
  }

  /** A full disk keeps a node from opening its epoch, not from being read. */
  async #openEpoch(options: CandidateOptions): Promise<StoredEntry> {
    const stations = this.#stations;
    for (;;) {
      try {
        return await openEpoch(options);
      } catch (error) {
        if (!isOperationalError(error, 'JOURNAL_FULL')) throw error;
        if (stations.impediment === undefined) {
          stations.become('following', 'There is no room in the journal to open an epoch.');
          stations.impede(error);
        }
      }
      await stations.options.clock.sleep(ROOM_LOOK_MS, options.signal);
      options.signal.throwIfAborted();
    }
  }
}
