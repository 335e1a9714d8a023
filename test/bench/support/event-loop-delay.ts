// Loaded into the node that is measured (`--import`), beside its own code: how long its event loop
// was held up. On SIGUSR2 it writes what it saw since the last time as JSON to the file named in
// BENCH_DELAY_FILE, and begins anew.

import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

export type EventLoopDelay = {
  /** How often it has been asked. */
  readonly asked: number;
  readonly msP50: number;
  readonly msP99: number;
  readonly msMax: number;
};

const RESOLUTION_MS = 1;
const NS_PER_MS = 1_000_000;

const file = process.env['BENCH_DELAY_FILE'];
if (file === undefined) throw new Error('BENCH_DELAY_FILE is not set');
const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delays.enable();
let asked = 0;

process.on('SIGUSR2', () => {
  const seen: EventLoopDelay = {
    asked: ++asked,
    msP50: delays.percentile(50) / NS_PER_MS,
    msP99: delays.percentile(99) / NS_PER_MS,
    msMax: delays.max / NS_PER_MS,
  };
  delays.reset();
  writeFileSync(`${file}.new`, JSON.stringify(seen));
  renameSync(`${file}.new`, file);
});
