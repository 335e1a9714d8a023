// The thread behind chunk-hasher.ts: it hashes what it is shown.

import { hash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { HashQuestion } from './chunk-hasher.ts';

const port = parentPort;

port?.on('message', ({ memory, bytes }: HashQuestion) => {
  port.postMessage(hash('sha256', new Uint8Array(memory, 0, bytes)));
});
