// Faults for a node of its own, loaded before everything else: from SIGUSR2 on a sync hangs until
// the process is told to stop, and then fails. So a node halts while it drains.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const FAILS_AFTER_MS = 100;

/** On standard error, when the first sync hangs. */
const STUCK = 'a sync hangs';

const sync = fs.fdatasync;
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

fs.fdatasync = stuckSync as typeof fs.fdatasync;
syncBuiltinESMExports();
