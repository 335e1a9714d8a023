// What drivers and the history have to say, as lines of the log.

import type { Logger } from '../telemetry/log.ts';

export type DriverLog = (level: 'info' | 'warning', text: string) => void;

export function driverLog(logger: Logger, event: string): DriverLog {
  return (level, text) => logger[level === 'warning' ? 'warn' : 'info']({ event }, text);
}
