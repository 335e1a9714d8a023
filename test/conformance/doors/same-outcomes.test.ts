// The same requests through the HTTP door and through the binary door: the same outcomes, the same
// codes, and books that are equal bit by bit. The requests are those of the scenarios, which reach
// every refusal that there is.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createBinaryServer } from '../../../src/api/binary/server.ts';
import { createHttpServer } from '../../../src/api/server.ts';
import { ACCOUNT_FLAGS_KNOWN, AccountFlag } from '../../../src/base/account.ts';
import { CURRENCY_EXPONENT_MAX } from '../../../src/base/limits.ts';
import { TRANSFER_FLAGS_KNOWN, decodeTransfers } from '../../../src/base/transfer-record.ts';
import { type BinaryClient, createBinaryClient } from '../../../src/client/binary-client.ts';
import { ApiProblem } from '../../../src/client/problems.ts';
import {
  type Ledger,
  type NewAccount,
  newAccountJson,
  newTransferJson,
} from '../../../src/client/wire.ts';
import { type AccountInput, CommandKind, ledgersCommand } from '../../../src/domain/commands.ts';
import { CREATED, REFUSAL, REFUSALS, refusalByNumber } from '../../../src/domain/refusals.ts';
import { StampedEngine, type Step, recordScenario } from './recorded-scenario.ts';

const KEY = 'hk_conformance_key';
const FOLDER = join(import.meta.dirname, '../../scenarios');
const SCENARIOS = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.txt'))
  .sort();

type Door = AsyncDisposable & {
  readonly engine: StampedEngine;
  /** The codes' names, or undefined where this door cannot say what the step says. */
  send(step: Step): Promise<readonly string[] | undefined>;
};

function nameOf(code: number): string {
  return code === CREATED ? 'created' : refusalByNumber(code).name;
}

/** `exists` has a name of its own for each kind of thing; doors just say `exists`. */
function told(name: string): string {
  return name.replace(/^(account_|ledger_)exists$/, 'exists');
}

function jsonOf(step: Step): unknown {
  return JSON.parse(Buffer.from(step.command.payload).toString('utf8'));
}

function ledgersOf(step: Step): readonly Ledger[] {
  return (jsonOf(step) as { readonly ledgers: readonly Ledger[] }).ledgers;
}

function accountsOf(step: Step): readonly NewAccount[] {
  const { accounts } = jsonOf(step) as { readonly accounts: readonly AccountInput[] };
  return accounts.map((input) => ({
    id: BigInt(`0x${input.id}`),
    ledger: input.ledger,
    code: input.code,
    flags: input.flags,
    userData128: BigInt(`0x${input.user_data_128}`),
    userData64: BigInt(input.user_data_64),
    userData32: input.user_data_32,
    ...(input.timestamp_ns === undefined ? {} : { timestampNs: BigInt(input.timestamp_ns) }),
  }));
}

/** Flags that an account can be opened with; closed and frozen come later. */
const OPENING_FLAGS = ACCOUNT_FLAGS_KNOWN & ~(AccountFlag.closed | AccountFlag.frozen);

/** Whether JSON has words for it: flags are names there. */
function isSayable(step: Step): boolean {
  const { kind, payload } = step.command;
  if (kind === CommandKind.transfers && payload.byteLength % 128 === 0) {
    return decodeTransfers(payload.slice()).every(
      ({ flags }) => (flags & ~TRANSFER_FLAGS_KNOWN) === 0,
    );
  }
  return isSayableAsJson(step);
}

function isSayableAsJson(step: Step): boolean {
  try {
    if (step.command.kind === CommandKind.accounts) {
      return accountsOf(step).every(({ flags = 0 }) => (flags & ~OPENING_FLAGS) === 0);
    }
    if (step.command.kind !== CommandKind.ledgers) return false;
    const [ledger, ...others] = ledgersOf(step);
    return others.length === 0 && ledger !== undefined && ledger.exponent <= CURRENCY_EXPONENT_MAX;
  } catch {
    return false;
  }
}

function httpDoor(): Door {
  const engine = new StampedEngine();
  const server = createHttpServer({
    engine,
    apiKey: KEY,
    metricsText: () => Promise.resolve(''),
    logger: { error: (fields) => assert.fail(JSON.stringify(fields)) },
  });
  const call = async (method: 'POST' | 'PUT', url: string, payload: object): Promise<string[]> => {
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
    const answer = await server.app.inject({ method, url, headers, payload });
    const body = JSON.parse(answer.body) as {
      readonly code?: string;
      readonly results?: readonly { readonly status: string; readonly code?: string }[];
    };
    if (body.results !== undefined) return body.results.map(({ status, code }) => code ?? status);
    if (answer.statusCode >= 400) return [String(body.code)];
    return [answer.statusCode === 201 ? 'created' : 'exists'];
  };
  return {
    engine,
    async send(step) {
      if (!isSayable(step)) return undefined;
      switch (step.command.kind) {
        case CommandKind.transfers: {
          const transfers = decodeTransfers(step.command.payload.slice());
          return call('POST', '/v1/transfers/batch', { transfers: transfers.map(newTransferJson) });
        }
        case CommandKind.accounts: {
          const accounts = accountsOf(step).map(newAccountJson);
          return call('POST', '/v1/accounts/batch', { accounts });
        }
        default: {
          const { ledger, currency, exponent } = ledgersOf(step)[0]!;
          return call('PUT', `/v1/ledgers/${ledger}`, { currency, exponent });
        }
      }
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

async function binaryDoor(): Promise<Door> {
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
      const { kind, payload } = step.command;
      if (kind === CommandKind.transfers && payload.byteLength % 128 === 0) {
        const { codes, refused } = await client.transfers.createBatch(payload);
        const names = new Map(refused.map(({ index, code }) => [index, code]));
        return [...codes].map((code, index) => names.get(index) ?? told(nameOf(code)));
      }
      return isSayableAsJson(step) ? sendJson(client, step) : undefined;
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await server.close();
    },
  };
}

async function sendJson(client: BinaryClient, step: Step): Promise<readonly string[]> {
  if (step.command.kind === CommandKind.accounts) {
    const { results } = await client.accounts.createBatch(accountsOf(step));
    return results.map(({ status, code }) => (code === '' ? status : code));
  }
  try {
    return [await client.ledgers.define(ledgersOf(step)[0]!)];
  } catch (error) {
    if (error instanceof ApiProblem) return [error.code];
    throw error;
  }
}

/** Doors write well-formed commands only; the scenarios also play what no door would write. */
function isWellFormed({ codes }: Step): boolean {
  const { command_malformed: malformed, command_unknown: unknown } = REFUSAL;
  return !codes.includes(malformed) && !codes.includes(unknown);
}

/** Sends all steps; returns the names that this door itself has answered. */
async function play(door: Door, steps: readonly Step[]): Promise<Set<string>> {
  const answered = new Set<string>();
  for (const step of steps) {
    door.engine.stamp = step.stamp;
    const names = isWellFormed(step) ? await door.send(step) : undefined;
    if (names === undefined) {
      assert.deepEqual([...door.engine.applyDirectly(step.command).codes], step.codes);
      continue;
    }
    assert.deepEqual(
      names,
      step.codes.map((code) => told(nameOf(code))),
    );
    for (const name of names) answered.add(name);
  }
  return answered;
}

/**
 * What no scenario makes a door answer: commands that only a broken door would write, configuration
 * (which no door changes yet), freezing (a path of HTTP's own, tested there), ranges that the doors
 * check in front of the books, ledgers that are defined several at once; and `exists`, whose other
 * names are the books' own.
 */
const UNSAID = {
  both: [
    'account_flags_changed_meanwhile',
    'account_not_found',
    'command_malformed',
    'command_unknown',
    'configuration_changed_meanwhile',
    'configuration_out_of_range',
    'configuration_rules_version_unknown',
    'account_exists',
    'ledger_exists',
    'account_reserved_flag',
    'ledger_exponent_invalid',
    'ledger_number_must_not_be_zero',
  ],
  /** Flags are names in JSON. */
  http: ['reserved_flag'],
};

test('every scenario has the same outcomes over HTTP and over the binary protocol', async () => {
  const reached = { http: new Set<string>(), binary: new Set<string>() };
  for (const name of SCENARIOS) {
    const steps = recordScenario(readFileSync(join(FOLDER, name), 'utf8'));
    await using http = httpDoor();
    await using binary = await binaryDoor();
    for (const code of await play(http, steps)) reached.http.add(code);
    for (const code of await play(binary, steps)) reached.binary.add(code);
    assert.equal(binary.engine.imageHex() === http.engine.imageHex(), true, name);
  }
  const names = ['created', ...REFUSALS.map((refusal) => refusal.name)];
  const missing = (seen: ReadonlySet<string>): string[] => names.filter((one) => !seen.has(one));
  assert.deepEqual(missing(reached.binary).sort(), [...UNSAID.both].sort());
  assert.deepEqual(missing(reached.http).sort(), [...UNSAID.both, ...UNSAID.http].sort());
});

test('a ledger with the number 0 is refused alike', async () => {
  const command = ledgersCommand([{ ledger: 0, currency: 'EUR', exponent: 2 }]);
  const stamp = { position: 1, timeNs: 1n, rulesVersion: 1 };
  const steps = [{ command, stamp, codes: [REFUSAL.ledger_number_must_not_be_zero] }];
  await using http = httpDoor();
  await using binary = await binaryDoor();
  assert.deepEqual(await play(http, steps), new Set(['ledger_number_must_not_be_zero']));
  assert.deepEqual(await play(binary, steps), new Set(['ledger_number_must_not_be_zero']));
});
