// From the frame of a request to the frame of its answer. The same readers, the same commands, the
// same questions and the same problems as the routes of the HTTP door; only the shapes differ.

import { createdTransfersFrame, foundAccountsFrame } from '../../base/answers.ts';
import type { Account } from '../../base/account.ts';
import type { Frame } from '../../base/frame-reader.ts';
import { ID_PREFIX } from '../../base/ids.ts';
import { LOOKUP_IDS_MAX, TRANSFERS_PER_REQUEST_MAX } from '../../base/limits.ts';
import { FrameKind, textFrame } from '../../base/protocol.ts';
import { TRANSFER_BYTES } from '../../base/transfer-record.ts';
import { accountsCommand, ledgersCommand, transfersCommand } from '../../domain/commands.ts';
import { findAccount, listLedgers } from '../../domain/queries.ts';
import { CREATED, isSuccess } from '../../domain/refusals.ts';
import type { Engine, SubmitResult } from '../../engine/contract.ts';
import { readBooks, refusalProblem } from '../context.ts';
import { readAccounts } from '../input.ts';
import { readLedgerDefinition } from '../ledger-input.ts';
import { batchText, ledgerText } from '../output.ts';
import { statusText } from '../output-status.ts';
import { ApiProblem } from '../problems.ts';
import { createPosting, revertPosting, revertTransfer, setFrozen } from './act-requests.ts';
import { freshRead } from './fresh-reads.ts';
import { assertWholeRecords, idsOf, jsonOf } from './payloads.ts';
import { lookupTransfers, queryAccounts, queryTransfers } from './query-requests.ts';
import type { Answer, Request } from './request.ts';

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
      return lookupTransfers(frame, engine);
    case FrameKind.lookupAccounts:
      return { kind: 'answer', answer: lookupAccounts(frame.payload, engine) };
    case FrameKind.listLedgers:
      return { kind: 'answer', answer: ledgers(engine) };
    case FrameKind.status:
      return { kind: 'answer', answer: textFrame(statusText(engine)) };
    case FrameKind.freezeAccount:
      return setFrozen(frame, engine, true);
    case FrameKind.unfreezeAccount:
      return setFrozen(frame, engine, false);
    case FrameKind.createPosting:
      return createPosting(frame, engine);
    case FrameKind.revertTransfer:
      return revertTransfer(frame, engine);
    case FrameKind.revertPosting:
      return revertPosting(frame, engine);
    case FrameKind.queryTransfers:
      return queryTransfers(frame, engine);
    case FrameKind.queryAccounts:
      return queryAccounts(frame, engine);
    case FrameKind.freshRead:
      return freshRead(frame, engine, (inside) => readRequest(inside, engine));
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

function lookupAccounts(payload: Uint8Array, engine: Engine): Answer {
  const { state, position } = readBooks({ engine });
  const found: Account[] = [];
  for (const id of idsOf(payload, LOOKUP_IDS_MAX)) {
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
