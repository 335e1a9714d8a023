// The thread behind chunk-hasher.ts: it hashes what it is given and gives it back.

import { hash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { HashQuestion } from './chunk-hasher.ts';

const port = parentPort;

port?.on('message', ({ memory, bytes }: HashQuestion) => {
  const digest = hash('sha256', new Uint8Array(memory, 0, bytes));
  port.postMessage({ digest, memory }, [memory]);
});
