// Reads of the binary door that say how fresh they must be (base/fresh-read.ts): this node first
// comes as far as they wish, then the request inside is read and answered as any other.

import type { Frame } from '../../base/frame-reader.ts';
import { FRESH_READ_HEAD_BYTES, type FreshRead, decodeFreshRead } from '../../base/fresh-read.ts';
import { ID_BYTES } from '../../base/ids.ts';
import { LOOKUP_IDS_MAX } from '../../base/limits.ts';
import { FrameKind } from '../../base/protocol.ts';
import { PAGE_HEAD_BYTES, PAGE_RECORD_BYTES } from '../../base/query-frame.ts';
import type { Engine } from '../../engine/contract.ts';
import { ApiProblem, inputProblem } from '../problems.ts';
import { assertWholeRecords } from './payloads.ts';
import { readQuery } from './query-requests.ts';
import type { Request } from './request.ts';

/** A thousand ledgers as JSON. */
const LEDGERS_BYTES_MAX = 64 * 1024;
/** A record, and for transfers what became of it. */
const EACH_BYTES_MAX = PAGE_RECORD_BYTES + 1;

/** `readInside` reads a request as if it had come by itself. */
export function freshRead(
  frame: Frame,
  engine: Engine,
  readInside: (inside: Frame) => Request,
): Request {
  const { kind, payload, position, isStrong } = decode(frame.payload);
  // Refused before anything is waited for.
  const answerBytesMax = answerBytesMaxOf(kind, payload);
  return {
    kind: 'later',
    answerBytesMax,
    answer: async (signal) => {
      await engine.catchUp({ isStrong, position }, signal);
      const inside = readInside({ ...frame, kind, payload });
      if (inside.kind === 'answer') return inside.answer;
      if (inside.kind === 'later') return inside.answer(signal);
      throw notARead(kind);
    },
  };
}

function decode(payload: Uint8Array): FreshRead {
  if (payload.byteLength < FRESH_READ_HEAD_BYTES) {
    const detail = `A fresh read has ${FRESH_READ_HEAD_BYTES} bytes before the request inside.`;
    throw new ApiProblem('frame_malformed', { detail });
  }
  const read = decodeFreshRead(payload);
  if (!('field' in read)) return read;
  const { field, detail } = read;
  throw inputProblem([{ pointer: `/${field}`, code: 'field_out_of_range', detail }]);
}

function answerBytesMaxOf(kind: number, payload: Uint8Array): number {
  switch (kind) {
    case FrameKind.listLedgers:
      return LEDGERS_BYTES_MAX;
    case FrameKind.lookupTransfers:
    case FrameKind.lookupAccounts:
      assertWholeRecords(payload, ID_BYTES, LOOKUP_IDS_MAX);
      return PAGE_HEAD_BYTES + (payload.byteLength / ID_BYTES) * EACH_BYTES_MAX;
    case FrameKind.queryTransfers:
    case FrameKind.queryAccounts:
      return PAGE_HEAD_BYTES + readQuery(payload).limit * EACH_BYTES_MAX;
    default:
      throw notARead(kind);
  }
}

function notARead(kind: number): ApiProblem {
  const detail = `A request of kind ${kind} reads nothing that could be fresher, or there is none.`;
  return inputProblem([{ pointer: '/kind', code: 'field_out_of_range', detail }]);
}
