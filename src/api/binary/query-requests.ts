// Requests of the binary door that read: lists of transfers from the history and of accounts from
// the books, and transfers by id that are older than what the ledger remembers.

import { encodeAccount } from '../../base/account-record.ts';
import { type FoundTransfer, foundTransfersFrame } from '../../base/answers.ts';
import type { Frame } from '../../base/frame-reader.ts';
import { LOOKUP_IDS_MAX } from '../../base/limits.ts';
import type { ListQuery } from '../../base/list-query.ts';
import { FRAME_HEADER_BYTES, newFrame, paddedBytes } from '../../base/protocol.ts';
import {
  PAGE_HEAD_BYTES,
  PAGE_RECORD_BYTES,
  QUERY_BYTES,
  decodeQuery,
  writePageHead,
} from '../../base/query-frame.ts';
import { findTransfer } from '../../domain/queries.ts';
import type { Engine } from '../../engine/contract.ts';
import { pageOfAccounts } from '../account-pages.ts';
import { readBooks } from '../context.ts';
import { pageOfTransfers } from '../history-pages.ts';
import { knownTransfers } from '../known-transfers.ts';
import { ApiProblem, inputProblem } from '../problems.ts';
import type { AnswerParts } from './parts.ts';
import { idsOf } from './payloads.ts';
import type { Answer, Request } from './request.ts';

export function queryTransfers({ payload }: Frame, engine: Engine): Request {
  const query = readQuery(payload);
  readBooks({ engine });
  return {
    kind: 'later',
    answerBytesMax: PAGE_HEAD_BYTES + query.limit * (PAGE_RECORD_BYTES + 1),
    answer: async (signal): Promise<AnswerParts> => {
      const page = await pageOfTransfers(engine, query, signal);
      const { count, records, holds } = page;
      const head = new Uint8Array(PAGE_HEAD_BYTES);
      writePageHead(new DataView(head.buffer), 0, page);
      const padding = new Uint8Array(paddedBytes(count) - count);
      return { parts: [head, records, holds, padding] };
    },
  };
}

export function queryAccounts({ payload }: Frame, engine: Engine): Request {
  const query = readQuery(payload);
  const { account, side, ...filter } = query.filter;
  if (account !== undefined) throw fieldProblem('account', 'It is for transfers only.');
  if (side !== undefined) throw fieldProblem('side', 'It is for transfers only.');
  readBooks({ engine });
  return {
    kind: 'later',
    answerBytesMax: PAGE_HEAD_BYTES + query.limit * PAGE_RECORD_BYTES,
    answer: async (signal): Promise<Answer> => {
      const page = await pageOfAccounts(engine, { ...query, filter }, signal);
      const { accounts, position, next } = page;
      const frame = newFrame(PAGE_HEAD_BYTES + PAGE_RECORD_BYTES * accounts.length);
      const view = new DataView(frame.buffer, FRAME_HEADER_BYTES);
      writePageHead(view, 0, { position, count: accounts.length, next });
      for (const [index, account] of accounts.entries()) {
        encodeAccount(view, PAGE_HEAD_BYTES + PAGE_RECORD_BYTES * index, account);
      }
      return frame;
    },
  };
}

/** At once where all are remembered; otherwise the history is asked. */
export function lookupTransfers({ payload }: Frame, engine: Engine): Request {
  const ids = idsOf(payload, LOOKUP_IDS_MAX);
  const { state, position } = readBooks({ engine });
  const found: FoundTransfer[] = [];
  for (const id of ids) {
    const view = findTransfer(state, id);
    if (view !== undefined) found.push(view);
  }
  if (found.length === ids.length) {
    return { kind: 'answer', answer: foundTransfersFrame({ position, found }) };
  }
  return {
    kind: 'later',
    answerBytesMax: ids.length * (PAGE_RECORD_BYTES + 1),
    answer: async (signal) => {
      const known = await knownTransfers(engine, ids, signal);
      const views = known.views.filter((view) => view !== undefined);
      return foundTransfersFrame({ position: known.position, found: views });
    },
  };
}

export function readQuery(payload: Uint8Array): ListQuery {
  if (payload.byteLength !== QUERY_BYTES) {
    const detail = `A question has ${QUERY_BYTES} bytes, not ${payload.byteLength}.`;
    throw new ApiProblem('frame_malformed', { detail });
  }
  const query = decodeQuery(payload);
  if ('field' in query) throw fieldProblem(query.field, query.detail);
  return query;
}

function fieldProblem(field: string, detail: string): ApiProblem {
  return inputProblem([{ pointer: `/${field}`, code: 'field_out_of_range', detail }]);
}
