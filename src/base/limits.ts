// Every bound of the system that is not configuration, with its reason. Relations between them are
// asserted by `assertLimits`, which main.ts calls before anything is opened.

import { assert } from './assert.ts';

/** Entry header (base/entry.ts): four 64-byte cache lines. */
export const ENTRY_HEADER_BYTES = 256;

/** An entry fits the default message size of the engines that may carry it (1 MiB). */
export const ENTRY_BYTES_MAX = 1024 * 1024;

/** Frame in front of each command of an entry's body (domain/commands.ts). */
export const COMMAND_FRAME_BYTES = 32;

/** Transfers in one request: what fits one entry of 1 MiB, and what TigerBeetle's users know. */
export const TRANSFERS_PER_REQUEST_MAX = 8189;

/** Accounts in one request: 8,189 as canonical JSON at up to 128 bytes each would not fit. */
export const ACCOUNTS_PER_REQUEST_MAX = 1024;

/** Legs of one posting: they become at most one transfer less, one chain of one entry. */
export const POSTING_LEGS_MAX = 1000;

/** Ids in one lookup request. */
export const LOOKUP_IDS_MAX = 8189;

/** 8,189 transfers as JSON are about 3.3 MB; the rest is white space and user data. */
export const HTTP_BODY_BYTES_MAX = 8 * 1024 * 1024;

/** Admitted but not yet sequenced. Beyond either bound intake answers 429. */
export const QUEUE_COMMANDS_MAX = 16_384;
export const QUEUE_BYTES_MAX = 64 * 1024 * 1024;

/** Entries appended but not yet acknowledged: enough to overlap hashing, writing and syncing. */
export const APPENDS_IN_FLIGHT_MAX = 8;

/** A transfer id may be this far ahead of the journal's time (clients' clocks). */
export const ID_AHEAD_MS_MAX = 5 * 60 * 1000;

/** How long ids are remembered at most, by default: a week of retries. */
export const DEDUPE_WINDOW_SECONDS_DEFAULT = 7 * 24 * 3600;
export const DEDUPE_WINDOW_SECONDS_MIN = 60;

/** Ring of one-second buckets: the window, plus ids ahead of time, must fit. */
export const DEDUPE_RING_SECONDS = 2 ** 20;

/** Memory for remembered transfers, by default: 1 GiB. */
export const DEDUPE_BYTES_DEFAULT = 1024 * 1024 * 1024;

/**
 * What one remembered transfer costs, record, links and index together: capacity = bytes / this.
 */
export const DEDUPE_BYTES_PER_ID = 160;
export const DEDUPE_BYTES_MIN = 16 * DEDUPE_BYTES_PER_ID;
export const DEDUPE_BYTES_MAX = 256 * 1024 * 1024 * 1024;
export const DEDUPE_WINDOW_SECONDS_MAX = 1_000_000;

/** A tick expires at most so many holds, so that no entry takes long to apply. */
export const HOLDS_EXPIRED_PER_TICK_MAX = 8189;

/** Currency exponents of ISO 4217 go to 4; assets with up to 18 decimals exist elsewhere. */
export const CURRENCY_EXPONENT_MAX = 18;

export function assertLimits(): void {
  assert(
    ENTRY_HEADER_BYTES + COMMAND_FRAME_BYTES + TRANSFERS_PER_REQUEST_MAX * 128 <= ENTRY_BYTES_MAX,
    'a full batch fits one entry',
  );
  assert(
    DEDUPE_WINDOW_SECONDS_MAX + ID_AHEAD_MS_MAX / 1000 + 2 < DEDUPE_RING_SECONDS,
    'the dedupe window fits its ring',
  );
  assert(POSTING_LEGS_MAX - 1 <= TRANSFERS_PER_REQUEST_MAX, 'a posting is one command');
  assert(QUEUE_BYTES_MAX >= 2 * ENTRY_BYTES_MAX, 'the queue holds more than one entry');
}
