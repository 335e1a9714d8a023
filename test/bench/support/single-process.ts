// The process around single-load.ts: one task in, one result out, and the end.

import { type SingleTask, runSingleTask } from './single-load.ts';

process.once('message', (task: SingleTask) => {
  runSingleTask(task)
    .then((result) => process.send?.(result, () => process.disconnect()))
    .catch((error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    });
});
