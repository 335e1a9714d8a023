// The views of a data folder from outside of a node: looked at, exported, removed.

import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { OperationalError } from '../base/errors.ts';
import { createViewStore } from '../drivers/sqlite/driver.ts';
import { QueryFile, type QueryRows } from '../drivers/sqlite/rows-of-query.ts';
import type { Cell } from '../ports/view-store.ts';
import { VIEWS_SCHEMA } from '../views/schema.ts';
import { type ViewState, readState } from '../views/state-rows.ts';
import { numberAt } from '../views/statement.ts';
import { lockAlone, lockNamedNode } from './node-locks.ts';
import { VIEWS_FILE } from './views.ts';

export type ViewsSurvey = {
  readonly file: string;
  /** `absent` = there is no file. */
  readonly verdict: 'complete' | 'incomplete' | 'unusable' | 'absent';
  /** Why it cannot be used. */
  readonly reason: string | undefined;
  readonly state: ViewState | undefined;
  readonly bytes: number;
};

function fileOf(nodeFolder: string): string {
  return join(nodeFolder, 'views', VIEWS_FILE);
}

/** A node may be running. */
export function lookAtViews(nodeFolder: string): ViewsSurvey {
  const file = fileOf(nodeFolder);
  const bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const store = createViewStore(VIEWS_SCHEMA, { file, mode: 'read' });
  const told = { file, bytes, reason: undefined, state: undefined };
  try {
    const opened = store.open();
    if (opened.kind === 'absent') return { ...told, verdict: 'absent' };
    if (opened.kind === 'unusable') return { ...told, verdict: 'unusable', reason: opened.why };
    const state = store.reading((reader) => readState(reader));
    if (state === undefined) {
      return { ...told, verdict: 'unusable', reason: 'it does not say how far it is' };
    }
    return { ...told, verdict: state.standing.isComplete ? 'complete' : 'incomplete', state };
  } finally {
    store.close();
  }
}

export type ViewExport = {
  readonly table: 'movements' | 'balances' | 'entries';
  readonly ledger: number | undefined;
  /** Of movements and entries. */
  readonly fromNs: bigint | undefined;
  readonly throughNs: bigint | undefined;
};

export type ExportedRows = QueryRows & { readonly state: ViewState; close(): void };

const ORDER = {
  movements: ['number'],
  entries: ['number', 'side DESC'],
  balances: ['account_id'],
} as const;

/** Throws VIEWS_INCOMPLETE where the views are not the books at a position. */
export function openExport(nodeFolder: string, asked: ViewExport): ExportedRows {
  const file = fileOf(nodeFolder);
  const { verdict, reason, state } = lookAtViews(nodeFolder);
  if (verdict !== 'complete' || state === undefined) throw notNow(file, reason);
  const { ledger, fromNs, throughNs } = asked;
  const store = createViewStore(VIEWS_SCHEMA, { file, mode: 'read' });
  store.open();
  const number = (timeNs: bigint): Cell =>
    store.reading((reader) => BigInt(numberAt(reader, timeNs)));
  const from = fromNs === undefined ? {} : { number: number(fromNs) };
  // Nothing that comes from now on: the state that was looked at is what is exported.
  const last = BigInt(state.standing.transfers);
  const until = throughNs === undefined ? last : number(throughNs + 1n);
  const before = asked.table === 'balances' ? {} : { number: until };
  store.close();
  const query = new QueryFile(file);
  const equal: Record<string, Cell> = ledger === undefined ? {} : { ledger: BigInt(ledger) };
  const rows = query.rowsOf({
    name: asked.table,
    equal,
    from,
    before,
    orderBy: ORDER[asked.table],
  });
  return { ...rows, state, close: () => query.close() };
}

function notNow(file: string, reason: string | undefined): OperationalError {
  return new OperationalError('VIEWS_INCOMPLETE', {
    detail: `${file}: ${reason ?? 'there are no complete views'}.`,
    wayOut: 'Start the node with HOLDFAST_VIEWS=sqlite and wait until its views are complete.',
  });
}

/** Removes them, to be built again at the next start; the node must be stopped. */
export async function removeViews(dataFolder: string, nodeFolder: string): Promise<void> {
  const folder = { folder: dataFolder };
  const lock =
    nodeFolder === dataFolder
      ? await lockAlone(folder, 0)
      : await lockNamedNode(folder, basename(nodeFolder), 0);
  try {
    createViewStore(VIEWS_SCHEMA, { file: fileOf(nodeFolder), mode: 'write' }).remove();
  } finally {
    lock.release();
  }
}
