// Reports over HTTP, at a node that keeps views (docs/reference/views.md). Answers are in the
// node's own words: amounts are strings of minor units.

import { formatId } from '../base/ids.ts';
import type { ReadOptions, Transport } from './transport.ts';
import type { JsonObject } from './wire.ts';

/** Days (`2026-01-05`) or moments, both included; left out = everything. */
export type ReportPeriod = {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** Elements of an answer, 1 to 10,000; 1,000. */
  readonly limit?: number | undefined;
  /** `next` of the answer before. */
  readonly cursor?: string | undefined;
};

export type ReportsApi = {
  trialBalance(options?: ReadOptions): Promise<JsonObject>;
  statement(account: bigint, period?: ReportPeriod, options?: ReadOptions): Promise<JsonObject>;
  dailyTotals(
    period?: ReportPeriod & { readonly ledger?: number | undefined },
    options?: ReadOptions,
  ): Promise<JsonObject>;
};

export function reportsApi(transport: Transport): ReportsApi {
  const read = async (
    name: string,
    parameters: object,
    call: ReadOptions | undefined,
  ): Promise<JsonObject> => {
    const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
    const text = new URLSearchParams(
      given.map(([key, value]): [string, string] => [key, String(value)]),
    ).toString();
    const path = `/v1/reports/${name}${text === '' ? '' : `?${text}`}`;
    const answer = await transport.send({ ...call, method: 'GET', kind: 'read', path });
    return answer.body as JsonObject;
  };
  return {
    trialBalance: (call) => read('trial-balance', {}, call),
    statement: (account, period = {}, call) =>
      read(`accounts/${formatId('account', account)}/statement`, period, call),
    dailyTotals: (period = {}, call) => read('daily-totals', period, call),
  };
}
