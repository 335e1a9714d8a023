// Logs: JSON lines on standard error, each with an event code that stays the same over releases.
// Never bodies, never keys. Requests are not logged one by one: metrics count them.

import { type Logger, destination, pino } from 'pino';

export type { Logger } from 'pino';

export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination({ fd: 2, sync: true }),
  );
}
