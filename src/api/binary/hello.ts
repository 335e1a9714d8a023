// The first frame of a connection: it shows the key and agrees on the version of the protocol. Its
// header and its two members keep their meaning in every version, or no two versions could meet.

import type { Frame } from '../../base/frame-reader.ts';
import { FrameKind, PROTOCOL_VERSION, REQUEST_PAYLOAD_BYTES_MAX } from '../../base/protocol.ts';
import { REFUSALS } from '../../domain/refusals.ts';
import type { Engine } from '../../engine/contract.ts';
import type { KeyCheck } from '../auth.ts';
import { leaderJson } from '../cluster-text.ts';
import { integerFault, isObject } from '../input-values.ts';
import { ApiProblem, inputProblem, problemKind } from '../problems.ts';
import { readStrictJson } from '../strict-json.ts';

const VERSION_MIN = 1;
const VERSION_LIMIT = 0xffff;

/** Returns the version to speak; throws an ApiProblem, after which the connection ends. */
export function readHello(frame: Frame, checkKey: KeyCheck): number {
  if (frame.kind !== FrameKind.hello) {
    throw new ApiProblem('key_missing', {
      detail: 'The first frame of a connection is a hello with the key; this was another one.',
      action: 'Send {"key":"hk_...","version_min":1} in a hello frame first.',
    });
  }
  const { payload } = frame;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const reading = readStrictJson(bytes);
  if (reading.kind === 'fault') throw inputProblem([reading]);
  const hello = isObject(reading.value) ? reading.value : {};
  const { key, version_min: versionMin } = hello;
  const verdict = checkKey(typeof key === 'string' ? `Bearer ${key}` : undefined);
  if (verdict !== 'ok') {
    throw new ApiProblem(verdict, { action: 'Send the key of this node in the hello frame.' });
  }
  if (integerFault(versionMin, VERSION_LIMIT) !== undefined) {
    const detail = 'It must be the lowest version of the protocol that the client speaks.';
    throw inputProblem([{ pointer: '/version_min', code: 'field_out_of_range', detail }]);
  }
  const version = Math.min(frame.version, PROTOCOL_VERSION);
  if (version >= VERSION_MIN && version >= (versionMin as number)) return version;
  const spoken = `this node speaks ${VERSION_MIN} to ${PROTOCOL_VERSION}`;
  throw new ApiProblem('protocol_version_unsupported', {
    detail: `The client speaks versions ${String(versionMin)} to ${frame.version}; ${spoken}.`,
  });
}

export type WelcomeFacts = {
  readonly version: number;
  readonly engine: Engine;
  readonly idleMs: number;
  readonly requestsInFlightMax: number;
};

/**
 * What a client must know: who answers and who leads, bounds, and what each number of a refusal
 * means.
 */
export function welcomeText(facts: WelcomeFacts): string {
  const { clusterId, role } = facts.engine.status();
  const view = facts.engine.cluster?.view();
  const head = JSON.stringify({
    version: facts.version,
    cluster_id: clusterId,
    node: view?.self ?? null,
    role,
    leader: view === undefined ? null : leaderJson(view),
    idle_ms: facts.idleMs,
    requests_in_flight_max: facts.requestsInFlightMax,
    payload_bytes_max: REQUEST_PAYLOAD_BYTES_MAX,
  });
  return `${head.slice(0, -1)},"refusals":${REFUSALS_TEXT}}`;
}

/** Written once: clients that come back all at once should cost little. */
const REFUSALS_TEXT = JSON.stringify(
  REFUSALS.map(({ number, name }) => {
    const { status, text, money, action, retryable } = problemKind(name);
    return { number, code: name, status, detail: text, money, action, retryable };
  }),
);
