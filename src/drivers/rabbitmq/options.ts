// What the driver is told, checked, with its own defaults.

import { OperationalError } from '../../base/errors.ts';
import { ENTRY_BYTES_MAX } from '../../base/limits.ts';
import type { EngineHost, EngineJournalOptions } from '../engine-options.ts';

/**
 * A stream is what is discarded as a whole, and what is looked through when its end is sought; each
 * costs every broker some processes and open files.
 */
const SEGMENT_BYTES_DEFAULT = 512 * 1024 * 1024;
const SEGMENT_BYTES_MIN = 8 * 1024;

/** Checks of the engine that `waived` may name. */
export const CHECKS = ['stream', 'retention', 'replicas', 'message-size'] as const;
export type CheckName = (typeof CHECKS)[number];

/** Times in milliseconds; tests of bounds make them short. */
export type RabbitTimes = {
  /** Until a broker has let us in; the next one is tried beside it after a third. */
  readonly connectMs: number;
  /** `open` gives up when nothing has come for so long. */
  readonly openMs: number;
  /** An append without confirmation or without having been read back is unknown. */
  readonly appendMs: number;
  /** A reader that lost its broker looks for another one for so long. */
  readonly reconnectMs: number;
  /** A quiet broker is asked whether it lives. */
  readonly pingMs: number;
  /** A quiet reader begins anew at its last record, which is checked again. */
  readonly verifyMs: number;
  /**
   * A stream that was just made is not used for so long: the brokers beside the one that made it
   * write down that it exists only after 2 s, and all of them might end before.
   */
  readonly settleMs: number;
  /** A segment that was made while a broker was down is replaced when that is back. */
  readonly replicasMs: number;
};

const TIMES: RabbitTimes = {
  connectMs: 1500,
  openMs: 3000,
  appendMs: 5000,
  reconnectMs: 2000,
  pingMs: 1000,
  verifyMs: 5000,
  settleMs: 3000,
  replicasMs: 5000,
};

export type RabbitSettings = {
  readonly hosts: readonly EngineHost[];
  readonly user: string;
  readonly password: string;
  readonly vhost: string;
  /** Name of the root stream, and the beginning of the segments' names. */
  readonly name: string;
  readonly segmentBytes: number;
  readonly waived: ReadonlySet<string>;
  readonly times: RabbitTimes;
  readonly log: EngineJournalOptions['log'];
};

const PARAMETERS = new Set(['vhost', 'segment-bytes']);

/** Throws CONFIGURATION_INVALID. */
export function settingsOf(
  options: EngineJournalOptions,
  times: Partial<RabbitTimes> = {},
): RabbitSettings {
  const { parameters } = options;
  const unknown = Object.keys(parameters).filter((name) => !PARAMETERS.has(name));
  if (unknown.length > 0) {
    throw invalid(
      `RabbitMQ's journal knows no parameter ${unknown.join(', ')}.`,
      `It knows ${[...PARAMETERS].join(', ')}.`,
    );
  }
  const strange = options.waived.filter((name) => !CHECKS.some((check) => check === name));
  if (strange.length > 0) {
    throw invalid(
      `RabbitMQ's journal has no check ${strange.join(', ')}.`,
      `Its checks: ${CHECKS.join(', ')}.`,
    );
  }
  if (options.hosts.length === 0) throw invalid('No broker is named.', 'Name host:port of each.');
  return {
    hosts: options.hosts,
    user: options.user === '' ? 'guest' : options.user,
    password: options.password === '' ? 'guest' : options.password,
    vhost: parameters['vhost'] ?? '/',
    name: options.name,
    segmentBytes: segmentBytesOf(parameters['segment-bytes']),
    waived: new Set(options.waived),
    times: { ...TIMES, ...times },
    log: options.log,
  };
}

function segmentBytesOf(text: string | undefined): number {
  if (text === undefined) return SEGMENT_BYTES_DEFAULT;
  const bytes = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (bytes >= SEGMENT_BYTES_MIN) return bytes;
  throw invalid(
    `segment-bytes is ${text}.`,
    `It wants a number of bytes, at least ${SEGMENT_BYTES_MIN}; entries have up to ${ENTRY_BYTES_MAX}.`,
  );
}

function invalid(detail: string, wayOut: string): OperationalError {
  return new OperationalError('CONFIGURATION_INVALID', { detail, wayOut });
}
