// From the frame of a request to the frame of its answer. The same readers, the same commands, the
// same questions and the same problems as the routes of the HTTP door; only the shapes differ.

import {
  createdTransfersFrame,
  foundAccountsFrame,
  foundTransfersFrame,
  type FoundTransfer,
} from '../../base/answers.ts';
import type { Account } from '../../base/account.ts';
import type { Frame } from '../../base/frame-reader.ts';
import { ID_BYTES, ID_PREFIX, readId } from '../../base/ids.ts';
import { LOOKUP_IDS_MAX, TRANSFERS_PER_REQUEST_MAX } from '../../base/limits.ts';
import { FrameKind, textFrame } from '../../base/protocol.ts';
import { TRANSFER_BYTES } from '../../base/transfer-record.ts';
import {
  type Command,
  accountsCommand,
  ledgersCommand,
  transfersCommand,
} from '../../domain/commands.ts';
import { findAccount, findTransfer, listLedgers } from '../../domain/queries.ts';
import { CREATED, isSuccess } from '../../domain/refusals.ts';
import type { Engine, SubmitResult } from '../../engine/contract.ts';
import { readBooks, refusalProblem } from '../context.ts';
import { readAccounts } from '../input.ts';
import { readLedgerDefinition } from '../ledger-input.ts';
import { batchText, ledgerText } from '../output.ts';
import { statusText } from '../output-status.ts';
import { ApiProblem, inputProblem } from '../problems.ts';
import { readStrictJson } from '../strict-json.ts';

/** A frame whose header has not been written yet. */
export type Answer = Uint8Array<ArrayBuffer>;

/** What a request asks for: a command to wait for, or an answer that is there already. */
export type Request =
  | {
      readonly kind: 'command';
      readonly command: Command;
      /** May throw an ApiProblem: a single thing that the books refused. */
      readonly answer: (result: SubmitResult) => Answer;
    }
  | { readonly kind: 'answer'; readonly answer: Answer };

/** Throws an ApiProblem or an OperationalError: the answer is a problem then. */
export function readRequest(frame: Frame, engine: Engine): Request {
  switch (frame.kind) {
    case FrameKind.createTransfers:
      return createTransfers(frame.payload);
    case FrameKind.createAccounts:
      return createAccounts(frame.payload);
    case FrameKind.defineLedger:
      return defineLedger(frame.payload);
    case FrameKind.lookupTransfers:
      return { kind: 'answer', answer: lookupTransfers(frame.payload, engine) };
    case FrameKind.lookupAccounts:
      return { kind: 'answer', answer: lookupAccounts(frame.payload, engine) };
    case FrameKind.listLedgers:
      return { kind: 'answer', answer: ledgers(engine) };
    case FrameKind.status:
      return { kind: 'answer', answer: status(engine) };
    default:
      throw new ApiProblem('frame_kind_unknown', {
        detail: `There is no request of kind ${frame.kind}.`,
      });
  }
}

function createTransfers(payload: Uint8Array): Request {
  assertWholeRecords(payload, TRANSFER_BYTES, TRANSFERS_PER_REQUEST_MAX);
  return { kind: 'command', command: transfersCommand(payload), answer: transfersAnswer };
}

function transfersAnswer({ outcome, position }: SubmitResult): Answer {
  const { timeNs, codes } = outcome;
  return createdTransfersFrame({ position, timestampNs: timeNs, codes });
}

function createAccounts(payload: Uint8Array): Request {
  const inputs = readAccounts(jsonOf(payload));
  const ids = inputs.map(({ id }) => ID_PREFIX.account + id);
  return {
    kind: 'command',
    command: accountsCommand(inputs),
    answer: ({ outcome, position }) => textFrame(batchText(position, ids, outcome.codes)),
  };
}

function defineLedger(payload: Uint8Array): Request {
  const definition = readLedgerDefinition(jsonOf(payload));
  return {
    kind: 'command',
    command: ledgersCommand([definition]),
    answer: ({ outcome, position }) => {
      const code = outcome.codes[0]!;
      if (!isSuccess(code)) throw refusalProblem(code, position);
      const word = code === CREATED ? 'created' : 'exists';
      return textFrame(
        `{"position":${position},"status":"${word}","ledger":${ledgerText(definition)}}`,
      );
    },
  };
}

function lookupTransfers(payload: Uint8Array, engine: Engine): Answer {
  const { state, position } = readBooks({ engine });
  const found: FoundTransfer[] = [];
  for (const id of idsOf(payload)) {
    const view = findTransfer(state, id);
    if (view !== undefined) found.push(view);
  }
  return foundTransfersFrame({ position, found });
}

function lookupAccounts(payload: Uint8Array, engine: Engine): Answer {
  const { state, position } = readBooks({ engine });
  const found: Account[] = [];
  for (const id of idsOf(payload)) {
    const account = findAccount(state, id);
    if (account !== undefined) found.push(account);
  }
  return foundAccountsFrame({ position, found });
}

function ledgers(engine: Engine): Answer {
  const { state, position } = readBooks({ engine });
  const texts = listLedgers(state).map(ledgerText);
  return textFrame(`{"position":${position},"ledgers":[${texts.join(',')}]}`);
}

/** Answered in every role: a node that is not ready is the one that people ask about. */
function status(engine: Engine): Answer {
  const now = engine.status();
  try {
    return textFrame(statusText(now, readBooks({ engine }).state));
  } catch {
    return textFrame(statusText(now, undefined));
  }
}

function idsOf(payload: Uint8Array): bigint[] {
  assertWholeRecords(payload, ID_BYTES, LOOKUP_IDS_MAX);
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const ids: bigint[] = [];
  for (let offset = 0; offset < payload.byteLength; offset += ID_BYTES) {
    ids.push(readId(view, offset));
  }
  return ids;
}

function assertWholeRecords(payload: Uint8Array, eachBytes: number, countMax: number): void {
  const count = payload.byteLength / eachBytes;
  if (!Number.isInteger(count)) {
    const detail = `A payload of ${payload.byteLength} bytes is not whole records of ${eachBytes}.`;
    throw new ApiProblem('frame_malformed', { detail });
  }
  if (count === 0) {
    throw inputProblem([{ pointer: '', code: 'batch_empty', detail: 'The list is empty.' }]);
  }
  if (count > countMax) {
    const detail = `The list has ${count} elements; a request may have ${countMax}.`;
    throw inputProblem([{ pointer: '', code: 'batch_too_large', detail }]);
  }
}

function jsonOf(payload: Uint8Array): unknown {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const reading = readStrictJson(bytes);
  if (reading.kind === 'value') return reading.value;
  const { pointer, code, detail } = reading;
  throw inputProblem([{ pointer, code, detail }]);
}
