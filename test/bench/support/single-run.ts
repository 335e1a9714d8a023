// Runs a task of single-load.ts in a process of its own, so that client and orchestration share no
// thread and every measurement begins with a client that is equally cold.

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SingleResult, SingleTask } from './single-load.ts';

const PROGRAM = fileURLToPath(new URL('single-process.ts', import.meta.url));

export async function runSingles(task: SingleTask): Promise<SingleResult> {
  const child = fork(PROGRAM, { execArgv: [] });
  const onExit = (): void => void child.kill('SIGKILL');
  process.prependOnceListener('exit', onExit);
  const { promise, resolve, reject } = Promise.withResolvers<SingleResult>();
  let result: SingleResult | undefined;
  child.once('message', (message) => (result = message as SingleResult));
  child.once('error', reject);
  child.once('close', (exitCode) => {
    if (result !== undefined) resolve(result);
    else reject(new Error(`the load of ${task.road} ended with status ${exitCode}`));
  });
  child.send(task);
  try {
    return await promise;
  } finally {
    process.removeListener('exit', onExit);
  }
}
