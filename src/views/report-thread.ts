// The thread that answers reports, with a connection of its own that only reads: neither payments
// nor the writing of the views wait for a long one.

import { parentPort, workerData } from 'node:worker_threads';
import type { FromReporter, StoreModule, ToReporter } from './messages.ts';
import { answerReport } from './reports.ts';
import { VIEWS_SCHEMA } from './schema.ts';
import type { StoreDriver } from './write-thread.ts';

const port = parentPort;
if (port !== null) {
  const module = workerData as StoreModule;
  const driver = (await import(module.url)) as StoreDriver;
  const store = driver.createViewStore(VIEWS_SCHEMA, { ...module.options, mode: 'read' });
  const opened = store.open();
  port.on('message', ({ id, question }: ToReporter) => {
    const say = (message: FromReporter): void => port.postMessage(message);
    if (opened.kind !== 'known') return say({ kind: 'none', id, why: 'They are being built.' });
    try {
      const answer = store.reading((reader) => answerReport(reader, question));
      if (answer === undefined) say({ kind: 'none', id, why: 'They are being built.' });
      else say({ kind: 'answer', id, answer });
    } catch (error) {
      say({ kind: 'none', id, why: error instanceof Error ? error.message : String(error) });
    }
  });
}
