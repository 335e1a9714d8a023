// Sends requests over the public API, one attempt each, and records what a client can know: what
// was asked, when, and what was answered. Retries are the workload's business and are recorded as
// attempts of their own, so that the checker sees exactly what happened.

import { Pool } from 'undici';
import { formatId } from '../../src/base/ids.ts';
import { type Transfer, encodeTransfers } from '../../src/base/transfer-record.ts';
import { newTransferJson } from '../../src/client/wire.ts';
import type { AccountInput } from '../../src/domain/commands.ts';
import { REFUSAL, type RefusalName } from '../../src/domain/refusals.ts';
import type { Request } from '../model/history.ts';
import { type AttemptAnswer, UnexpectedAnswer, answerOfProblem } from './attempt-answer.ts';
import { BinaryDoor } from './binary-door.ts';

/** Requests go through one door or the other; freezing has no frame of its own yet. */
export type Door = 'http' | 'binary';

export type Attempt = {
  readonly request: Request;
  readonly invokedAtMs: number;
  completedAtMs: number | undefined;
  answer: AttemptAnswer;
};

export type SetUp = {
  readonly accounts: readonly AccountInput[];
  readonly invokedAtMs: number;
  readonly completedAtMs: number;
  readonly position: number;
};

const NEVER_SENT = new Set(['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT', 'EHOSTUNREACH']);
export type Addresses = { readonly url: string; readonly binaryUrl: string };

/** What is kept: of one recorder, or of those of all nodes together. */
export type Kept = {
  readonly attempts: Attempt[];
  /** Requests other than transfers, made one after the other before the load begins. */
  readonly setUp: SetUp[];
};

export type RecorderOptions = {
  readonly kept?: Kept;
  /** An attempt that has no answer for so long is unknown; nothing = it waits. */
  readonly answerMsMax?: number;
};

export class Recorder {
  readonly attempts: Attempt[];
  readonly setUp: SetUp[];
  readonly #key: string;
  readonly #binary: BinaryDoor;
  readonly #answerMsMax: number | undefined;
  #pool: Pool;
  #inFlight = 0;

  constructor({ url, binaryUrl }: Addresses, key: string, options: RecorderOptions = {}) {
    const { kept = { attempts: [], setUp: [] }, answerMsMax } = options;
    this.attempts = kept.attempts;
    this.setUp = kept.setUp;
    this.#key = key;
    this.#answerMsMax = answerMsMax;
    this.#binary = new BinaryDoor(binaryUrl, key, answerMsMax);
    this.#pool = new Pool(url, { connections: 64 });
  }

  /** Requests that are on the wire now. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** The node is at another address now; what is in flight at the old one is lost. */
  connectTo({ url, binaryUrl }: Addresses): void {
    this.#binary.connectTo(binaryUrl);
    const previous = this.#pool;
    this.#pool = new Pool(url, { connections: 64 });
    previous.destroy().catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#binary.close();
    await this.#pool.destroy();
  }

  /** One attempt at a batch of transfers. Never throws. */
  attempt(transfers: readonly Transfer[], door: Door): Promise<AttemptAnswer> {
    return this.#record({ kind: 'transfers', transfers }, async () => {
      if (door === 'binary') return this.#binary.attempt(encodeTransfers(transfers));
      const body = JSON.stringify({
        transfers: transfers.map((transfer) => newTransferJson(presentFields(transfer))),
      });
      const { status, value } = await this.call('POST', '/v1/transfers/batch', body);
      return readAnswer(status, value);
    });
  }

  /**
   * Takes the account to be in the other state. The answer tells the account as it is now, whether
   * or not this request changed it: for the record its outcome is unknown.
   */
  freeze(account: bigint, frozen: boolean): Promise<AttemptAnswer> {
    const hex = account.toString(16).padStart(32, '0');
    const change = { account: hex, frozen, expected_frozen: !frozen };
    return this.#record({ kind: 'account-flags', change }, async () => {
      const path = `/v1/accounts/${accountText(account)}/${frozen ? 'freeze' : 'unfreeze'}`;
      const { status, value } = await this.call('POST', path);
      return status === 200 ? { kind: 'unknown' } : answerOfProblem(value);
    });
  }

  async #record(request: Request, send: () => Promise<AttemptAnswer>): Promise<AttemptAnswer> {
    const attempt: Attempt = {
      request,
      invokedAtMs: performance.now(),
      completedAtMs: undefined,
      answer: { kind: 'unknown' },
    };
    this.attempts.push(attempt);
    this.#inFlight++;
    try {
      attempt.answer = await send();
    } catch (error) {
      const code = (error as { readonly code?: unknown }).code;
      const neverSent = typeof code === 'string' && NEVER_SENT.has(code);
      if (error instanceof UnexpectedAnswer) throw error;
      attempt.answer = { kind: neverSent ? 'not-executed' : 'unknown' };
    } finally {
      this.#inFlight--;
      attempt.completedAtMs = performance.now();
    }
    return attempt.answer;
  }

  /** A plain call outside the record (set-up and final reads). */
  async call(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    body?: string,
  ): Promise<{ readonly status: number; readonly value: Readonly<Record<string, unknown>> }> {
    const response = await this.#pool.request({
      method,
      path,
      headers: {
        authorization: `Bearer ${this.#key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body ?? null,
      signal: this.#answerMsMax === undefined ? null : AbortSignal.timeout(this.#answerMsMax),
    });
    const text = await response.body.text();
    return { status: response.statusCode, value: JSON.parse(text) as Record<string, unknown> };
  }
}

/** Posts and voids name only what they must: zeros mean "inherited" and stay out of the JSON. */
function presentFields(transfer: Transfer): Parameters<typeof newTransferJson>[0] {
  const { id, debitAccountId, creditAccountId, amount, pendingId, ledger, code, flags } = transfer;
  return {
    id,
    flags,
    ...(debitAccountId === 0n ? {} : { debitAccountId }),
    ...(creditAccountId === 0n ? {} : { creditAccountId }),
    ...(amount === 0n ? {} : { amount }),
    ...(pendingId === 0n ? {} : { pendingId }),
    ...(ledger === 0 ? {} : { ledger }),
    ...(code === 0 ? {} : { code }),
    ...(transfer.timeoutSeconds === 0 ? {} : { timeoutSeconds: transfer.timeoutSeconds }),
    ...(transfer.userData64 === 0n ? {} : { userData64: transfer.userData64 }),
    ...(transfer.timestampNs === 0n ? {} : { timestampNs: transfer.timestampNs }),
  };
}

function readAnswer(status: number, value: Readonly<Record<string, unknown>>): AttemptAnswer {
  if (status !== 200) return answerOfProblem(value);
  const results = value['results'] as readonly { status: string; code?: string }[];
  const codes = results.map((result) => {
    if (result.status === 'created') return 0;
    if (result.status === 'exists') return REFUSAL.exists;
    return REFUSAL[result.code as RefusalName];
  });
  return { kind: 'answered', codes, position: Number(value['position']) };
}

export function accountText(id: bigint): string {
  return formatId('account', id);
}
