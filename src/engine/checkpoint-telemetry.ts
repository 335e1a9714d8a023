// Checkpoints in the log and in the metrics. A failure is an alarm for people; it is no impediment,
// since payments go on without.

import type { OperationalError } from '../base/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { CheckpointTaken } from '../recovery/checkpointer.ts';
import type { Logger } from '../telemetry/log.ts';
import type { GaugeReading } from '../telemetry/metrics.ts';
import type { CheckpointObserver } from './checkpointing.ts';

export class CheckpointTelemetry implements CheckpointObserver {
  readonly #logger: Logger;
  readonly #clock: Clock;
  #position = 0;
  #createdMs = 0;
  #durationMs = 0;
  #longestSliceMs = 0;
  #bytes = 0;
  #bytesWritten = 0;
  #taken = 0;
  #failures = 0;
  #isFailing = false;
  #entriesReplayed = 0;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  taken(taken: CheckpointTaken): void {
    this.#position = taken.position;
    this.#createdMs = taken.createdMs;
    this.#durationMs = taken.durationMs;
    this.#longestSliceMs = Math.max(this.#longestSliceMs, taken.longestSliceMs);
    this.#bytes = taken.bytes;
    this.#bytesWritten += taken.bytesWritten;
    this.#taken += 1;
    this.#isFailing = false;
    const fields = { event: 'checkpoint_taken', ...taken };
    this.#logger.info(fields, `checkpoint of position ${taken.position} taken`);
  }

  failed(error: OperationalError): void {
    this.#failures += 1;
    this.#isFailing = true;
    const fields = { event: 'checkpoint_failed', code: error.code };
    this.#logger.error(fields, `no checkpoint could be taken: ${error.detail}`);
  }

  noted(text: string): void {
    this.#logger.warn({ event: 'checkpoint_note' }, text);
  }

  restored(position: number, createdMs: number, entriesReplayed: number): void {
    this.#position = position;
    this.#createdMs = createdMs;
    this.#entriesReplayed = entriesReplayed;
    const fields = { event: 'restored', checkpoint: position, entries_replayed: entriesReplayed };
    const from = position === 0 ? "the journal's beginning" : `the checkpoint of ${position}`;
    this.#logger.info(fields, `restored from ${from}, ${entriesReplayed} entries replayed`);
  }

  gauges(): GaugeReading[] {
    const gauge = (name: string, help: string, read: () => number): GaugeReading => {
      return { name: `holdfast_${name}`, help, read };
    };
    return [
      gauge('checkpoint_position', 'Position of the newest checkpoint; 0 = none.', () => {
        return this.#position;
      }),
      gauge('checkpoint_age_seconds', 'Since the newest checkpoint was taken.', () => {
        return this.#createdMs === 0 ? 0 : this.#nowMs() / 1000 - this.#createdMs / 1000;
      }),
      gauge('checkpoint_duration_seconds', 'How long the last one took.', () => {
        return this.#durationMs / 1000;
      }),
      gauge(
        'checkpoint_longest_slice_seconds',
        'The longest time since start for which taking one kept the node from all else.',
        () => this.#longestSliceMs / 1000,
      ),
      gauge('checkpoint_size_bytes', 'The newest one, unchanged chunks included.', () => {
        return this.#bytes;
      }),
      gauge('checkpoint_written_bytes_total', 'Written for checkpoints since start.', () => {
        return this.#bytesWritten;
      }),
      gauge('checkpoints_taken_total', 'Checkpoints taken since start.', () => this.#taken),
      gauge(
        'checkpoint_failures_total',
        'Checkpoints that failed since start.',
        () => this.#failures,
      ),
      gauge('checkpoint_failing', '1 while the last attempt failed: look at the log.', () => {
        return this.#isFailing ? 1 : 0;
      }),
      gauge('restore_replayed_entries', 'Entries that this start replayed.', () => {
        return this.#entriesReplayed;
      }),
    ];
  }

  #nowMs(): number {
    return Number(this.#clock.nowNs() / 1_000_000n);
  }
}
