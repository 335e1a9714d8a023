// Faults for a node of its own, loaded before everything else: from SIGUSR2 on a sync hangs until
// the process is told to stop, and then fails. So a node halts while it drains.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const FAILS_AFTER_MS = 100;

/** On standard error, when the first sync hangs. */
const STUCK = 'a sync hangs';

const sync = fs.fdatasync;
const write = fs.writev;
const told = Promise.withResolvers<void>();
let isStuck = false;
process.on('SIGUSR2', () => {
  isStuck = true;
});
process.once('SIGTERM', () => setTimeout(told.resolve, FAILS_AFTER_MS));

function stuckSync(descriptor: number, done: fs.NoParamCallback): void {
  if (!isStuck) {
    sync(descriptor, done);
    return;
  }
  process.stderr.write(`${STUCK}\n`);
  const error = Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
  void told.promise.then(() => done(error));
}

/** The journal's segment is written through: its write is the sync. */
function stuckWrite(...parameters: Parameters<typeof fs.writev>): void {
  const [descriptor, , , done] = parameters;
  if (!isStuck) return write(...parameters);
  stuckSync(descriptor, (error) => done?.(error, 0, []));
}

fs.fdatasync = stuckSync as typeof fs.fdatasync;
fs.writev = stuckWrite as typeof fs.writev;
syncBuiltinESMExports();
