// How far a view has come, as rows of the table `_state`: names and values for people as well.

import { assert } from '../base/assert.ts';
import type { Row, ViewReader } from '../ports/view-store.ts';
import { textCell } from './cells.ts';
import type { Identity, Last, Standing } from './messages.ts';
import { instantText } from './times.ts';

export function stateRows(standing: Standing, identity: Identity, version: number): Row[] {
  const { position, timeNs, isComplete, transfers, accounts, ledgers } = standing;
  const values = {
    schema_version: version,
    cluster_id: identity.clusterId,
    timeline: identity.timeline,
    complete: isComplete ? 1 : 0,
    position,
    time: instantText(timeNs),
    timestamp_ns: timeNs,
    transfers,
    accounts,
    ledgers,
    last_transfer_id: standing.lastTransfer.id,
    last_transfer_timestamp_ns: standing.lastTransfer.timestampNs,
    last_account_id: standing.lastAccount.id,
    last_account_timestamp_ns: standing.lastAccount.timestampNs,
  };
  return Object.entries(values).map(([name, value]) => [name, String(value)]);
}

export type ViewState = Identity & { readonly standing: Standing };

/** Undefined = not all of it is there. */
export function readState(reader: ViewReader): ViewState | undefined {
  const rows = reader.scan({ table: '_state', by: 'name' });
  const values = new Map(rows.map(([name, value]) => [textCell(name), textCell(value)]));
  if (values.size === 0) return undefined;
  const text = (name: string): string => {
    const value = values.get(name);
    assert(value !== undefined, 'the state was written as a whole');
    return value;
  };
  const number = (name: string): number => Number(text(name));
  const last = (name: string): Last => {
    return { id: text(`${name}_id`), timestampNs: BigInt(text(`${name}_timestamp_ns`)) };
  };
  return {
    clusterId: text('cluster_id'),
    timeline: number('timeline'),
    standing: {
      transfers: number('transfers'),
      accounts: number('accounts'),
      ledgers: number('ledgers'),
      position: number('position'),
      timeNs: BigInt(text('timestamp_ns')),
      isComplete: text('complete') === '1',
      lastTransfer: last('last_transfer'),
      lastAccount: last('last_account'),
    },
  };
}
