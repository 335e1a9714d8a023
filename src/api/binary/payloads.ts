// What the payloads of requests must be before they are looked into.

import { ID_BYTES, readId } from '../../base/ids.ts';
import { ApiProblem, inputProblem } from '../problems.ts';
import { readStrictJson } from '../strict-json.ts';

export function assertWholeRecords(payload: Uint8Array, eachBytes: number, countMax: number): void {
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

export function idsOf(payload: Uint8Array, countMax: number): bigint[] {
  assertWholeRecords(payload, ID_BYTES, countMax);
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const ids: bigint[] = [];
  for (let offset = 0; offset < payload.byteLength; offset += ID_BYTES) {
    ids.push(readId(view, offset));
  }
  return ids;
}

export function jsonOf(payload: Uint8Array): unknown {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const reading = readStrictJson(bytes);
  if (reading.kind === 'value') return reading.value;
  const { pointer, code, detail } = reading;
  throw inputProblem([{ pointer, code, detail }]);
}
