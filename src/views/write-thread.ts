// The thread that writes the views. Whatever fails is told, and the payments' thread decides: to
// try again, or to begin with nothing.

import { parentPort, workerData } from 'node:worker_threads';
import { isOperationalError } from '../base/errors.ts';
import type { ViewSchema, ViewStore } from '../ports/view-store.ts';
import type { FromWriter, ThreadSetup, ToWriter } from './messages.ts';
import { VIEWS_SCHEMA } from './schema.ts';
import { ViewWriter } from './view-writer.ts';

export type StoreDriver = {
  readonly createViewStore: (schema: ViewSchema, options: unknown) => ViewStore;
};

const port = parentPort;
if (port !== null) {
  const { store: module, identity } = workerData as ThreadSetup;
  const driver = (await import(module.url)) as StoreDriver;
  const store = driver.createViewStore(VIEWS_SCHEMA, { ...module.options, mode: 'write' });
  const writer = new ViewWriter(store, identity);
  const say = (message: FromWriter): void => port.postMessage(message);
  const open = (): void => say({ kind: 'opened', ...writer.open() });
  const guarded = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      writer.forget();
      const isDamaged = !isOperationalError(error, 'VIEWS_INCOMPLETE');
      const why = error instanceof Error ? error.message : String(error);
      say({ kind: 'failed', why, isDamaged });
    }
  };
  guarded(open);
  port.on('message', (message: ToWriter) => guarded(() => carryOut(message)));
  function carryOut(message: ToWriter): void {
    if (message.kind === 'open') return open();
    if (message.kind === 'reset') return say({ kind: 'reset', standing: writer.reset() });
    const beganMs = performance.now();
    const written = writer.take(message.batch);
    say({ kind: 'written', ...written, durationMs: performance.now() - beganMs });
  }
}
