// The history of a node that keeps none: it says so, and answers nothing.

import { OperationalError } from '../base/errors.ts';
import type { HistoryStatus, NodeHistory, Persisted, Records, TransferPage } from './contract.ts';

const NO_HISTORY = 'This node keeps no history.';

export class AbsentHistory implements NodeHistory {
  readonly hasRoom = true;

  find(): Promise<undefined> {
    return Promise.reject(new OperationalError('HISTORY_INCOMPLETE', { detail: NO_HISTORY }));
  }

  query(): Promise<TransferPage> {
    return Promise.reject(new OperationalError('HISTORY_INCOMPLETE', { detail: NO_HISTORY }));
  }

  recordsFrom(): Promise<Records> {
    return Promise.reject(new OperationalError('HISTORY_INCOMPLETE', { detail: NO_HISTORY }));
  }

  status(): HistoryStatus {
    const digest = '0'.repeat(64);
    const none = { transfers: 0, position: 0, runs: 0, bytes: 0, digestRuns: 0, digest };
    return { complete: false, reason: NO_HISTORY, ...none };
  }

  attach(): void {}

  feed(): void {}

  doubt(): void {}

  settle(): void {}

  takeAhead(): boolean {
    return false;
  }

  untilRoom(): Promise<void> {
    return Promise.resolve();
  }

  persist(): Promise<Persisted> {
    return Promise.resolve({ position: 0, number: 0 });
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
