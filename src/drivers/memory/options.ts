// Options of the memory driver: the log that the driver attaches to.

import type { MemoryLog } from './memory-log.ts';
import type { Outage } from './outage.ts';

export type MemoryJournalOptions = {
  /** Shared by all drivers of one simulated cluster; without it the driver has a log of its own. */
  readonly log?: MemoryLog;
  /** This driver's own way to the engine; that of all is the log's. */
  readonly outage?: Outage;
};
