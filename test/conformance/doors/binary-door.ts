// Scenarios through the binary door and its client.

import assert from 'node:assert/strict';
import { createBinaryServer } from '../../../src/api/binary/server.ts';
import { type BinaryClient, createBinaryClient } from '../../../src/client/binary-client.ts';
import { ApiProblem } from '../../../src/client/problems.ts';
import { accountJson, transferJson } from '../../../src/client/wire.ts';
import { CommandKind } from '../../../src/domain/commands.ts';
import type { Act } from '../../scenarios/postings.ts';
import { KEY } from './http-door.ts';
import { StampedEngine, type Step } from './recorded-scenario.ts';
import {
  type Door,
  accountsOf,
  freezingOf,
  isBatchOfTransfers,
  isSayableAsJson,
  ledgersOf,
  linesOf,
  told,
} from './saying.ts';

export async function binaryDoor(): Promise<Door> {
  const engine = new StampedEngine();
  const server = createBinaryServer({
    engine,
    apiKey: KEY,
    logger: { error: (fields) => assert.fail(JSON.stringify(fields)) },
  });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const client = createBinaryClient({ url, key: KEY });
  return {
    engine,
    async send(step) {
      if (step.act !== undefined) return one(statusOfAct(client, step.act));
      if (isBatchOfTransfers(step)) {
        const { codes, refused } = await client.transfers.createBatch(step.command.payload);
        const names = new Map(refused.map(({ index, code }) => [index, code]));
        return [...codes].map((code, index) => names.get(index) ?? told(step, code));
      }
      return isSayableAsJson(step) ? sendJson(client, step) : undefined;
    },
    async listed() {
      const query = { order: 'oldest-first', limit: 5 } as const;
      const lines: string[] = [];
      // Records do not tell the currency, and no line does.
      const currency = '';
      for await (const account of client.listAccounts(query)) {
        const accounts = [accountJson({ ...account, currency })];
        lines.push(...linesOf({ accounts, next: null }));
      }
      for await (const { transfer, state, hold } of client.listTransfers(query)) {
        const transfers = [transferJson({ ...transfer, currency, state, hold })];
        lines.push(...linesOf({ transfers, next: null }));
      }
      return lines;
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await server.close();
    },
  };
}

async function sendJson(client: BinaryClient, step: Step): Promise<readonly string[]> {
  switch (step.command.kind) {
    case CommandKind.accounts: {
      const { results } = await client.accounts.createBatch(accountsOf(step));
      return results.map(({ status, code }) => (code === '' ? status : code));
    }
    case CommandKind.accountFlags: {
      const { id, frozen } = freezingOf(step);
      const { accounts } = client;
      return one((frozen ? accounts.freeze(id) : accounts.unfreeze(id)).then(() => 'done'));
    }
    default:
      return one(client.ledgers.define(ledgersOf(step)[0]!));
  }
}

async function statusOfAct({ postings, transfers }: BinaryClient, act: Act): Promise<string> {
  switch (act.kind) {
    case 'posting':
      return (await postings.create(act.posting)).status;
    case 'revert transfer':
      return (await transfers.revert(act.id)).status;
    case 'revert posting':
      return (await postings.revert(act.id)).status;
    default:
      return act satisfies never;
  }
}

async function one(status: Promise<string>): Promise<readonly string[]> {
  try {
    return [await status];
  } catch (error) {
    if (error instanceof ApiProblem) return [error.code];
    throw error;
  }
}
