// Scenarios through the HTTP door.

import assert from 'node:assert/strict';
import { type HttpServer, createHttpServer } from '../../../src/api/server.ts';
import { formatId } from '../../../src/base/ids.ts';
import { newAccountJson, newPostingJson, newTransferJson } from '../../../src/client/wire.ts';
import { CommandKind } from '../../../src/domain/commands.ts';
import type { Act } from '../../scenarios/postings.ts';
import { StampedEngine, type Step } from './recorded-scenario.ts';
import {
  type Door,
  type ListPage,
  accountsOf,
  freezingOf,
  isBatchOfTransfers,
  isSayableAsJson,
  ledgersOf,
  linesOf,
  transfersOf,
} from './saying.ts';

export const KEY = 'hk_conformance_key';

export function serve(engine: StampedEngine): HttpServer {
  return createHttpServer({
    engine,
    apiKey: KEY,
    metricsText: () => Promise.resolve(''),
    logger: { error: (fields) => assert.fail(JSON.stringify(fields)), info: () => undefined },
  });
}

type Request = {
  readonly method: 'POST' | 'PUT';
  readonly url: string;
  readonly payload: object;
};

export function httpDoor(): Door {
  const engine = new StampedEngine();
  const server = serve(engine);
  return {
    engine,
    async send(step) {
      if (step.act === undefined && !isSayableAsJson(step)) return undefined;
      const request = step.act === undefined ? requestOf(step) : requestOfAct(step.act);
      const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
      const answer = await server.app.inject({ ...request, headers });
      const body = JSON.parse(answer.body) as {
        readonly code?: string;
        readonly results?: readonly { readonly status: string; readonly code?: string }[];
      };
      if (body.results !== undefined) return body.results.map(({ status, code }) => code ?? status);
      if (answer.statusCode >= 400) return [String(body.code)];
      if (step.command.kind === CommandKind.accountFlags) return ['done'];
      return [answer.statusCode === 201 ? 'created' : 'exists'];
    },
    async listed() {
      const lines: string[] = [];
      for (const list of ['accounts', 'transfers']) {
        let next: string | null = null;
        do {
          const cursor: string = next === null ? '' : `&cursor=${next}`;
          const answer: { statusCode: number; body: string } = await server.app.inject({
            url: `/v1/${list}?order=oldest&limit=7${cursor}`,
            headers: { authorization: `Bearer ${KEY}` },
          });
          assert.equal(answer.statusCode, 200, answer.body);
          const page = JSON.parse(answer.body) as ListPage;
          lines.push(...linesOf(page));
          next = page.next;
        } while (next !== null);
      }
      return lines;
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

function requestOf(step: Step): Request {
  const method = 'POST';
  if (isBatchOfTransfers(step)) {
    const transfers = transfersOf(step).map(newTransferJson);
    return { method, url: '/v1/transfers/batch', payload: { transfers } };
  }
  switch (step.command.kind) {
    case CommandKind.accounts: {
      const accounts = accountsOf(step).map(newAccountJson);
      return { method, url: '/v1/accounts/batch', payload: { accounts } };
    }
    case CommandKind.accountFlags: {
      const { id, frozen } = freezingOf(step);
      const verb = frozen ? 'freeze' : 'unfreeze';
      return { method, url: `/v1/accounts/${formatId('account', id)}/${verb}`, payload: {} };
    }
    default: {
      const { ledger, currency, exponent } = ledgersOf(step)[0]!;
      return { method: 'PUT', url: `/v1/ledgers/${ledger}`, payload: { currency, exponent } };
    }
  }
}

function requestOfAct(act: Act): Request {
  const method = 'POST';
  switch (act.kind) {
    case 'posting':
      return { method, url: '/v1/postings', payload: newPostingJson(act.posting) };
    case 'revert transfer': {
      const url = `/v1/transfers/${formatId('transfer', act.id)}/revert`;
      return { method, url, payload: {} };
    }
    case 'revert posting':
      return { method, url: `/v1/postings/${formatId('posting', act.id)}/revert`, payload: {} };
    default:
      return act satisfies never;
  }
}
