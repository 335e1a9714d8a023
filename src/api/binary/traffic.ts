// What has gone through the binary door since it was made: plain counters, added to where things
// happen and read when a scraper asks.

import { FrameKind } from '../../base/protocol.ts';
import type { Readings } from '../../telemetry/metrics.ts';
import { type ProblemCode, problemKind } from '../problems.ts';

/** What a caller learned: an answer, or which kind of no. */
const OUTCOMES = ['answered', 'refused', 'unavailable', 'unknown', 'failed'] as const;
type Outcome = (typeof OUTCOMES)[number];

/** Kinds are 16-bit numbers of the peer; those that there are not are counted as one. */
const KIND_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(FrameKind)
    .filter(([, kind]) => kind > FrameKind.ping && kind < FrameKind.answer)
    .map(([name, kind]) => [
      kind,
      name.replaceAll(/[A-Z]/g, (capital) => `_${capital}`.toLowerCase()),
    ]),
);
const NO_KIND = 'unknown';

export class BinaryTraffic {
  connectionsOpened = 0;
  connectionsRefused = 0;
  bytesReceived = 0;
  bytesSent = 0;
  /** Requests that were read and are not answered yet. */
  inFlight = 0;
  readonly #answered = new Float64Array(FrameKind.answer);
  readonly #problems = new Map<string, number>();
  readonly #framesRefused = new Map<string, number>();

  /** `kind` of a request that there is. */
  answered(kind: number): void {
    this.#answered[kind]! += 1;
  }

  problem(kind: number, code: ProblemCode): void {
    add(this.#problems, `${KIND_NAMES.get(kind) ?? NO_KIND} ${outcomeOf(code)}`);
  }

  /** The bytes of a connection were no frame. */
  frameRefused(reason: string): void {
    add(this.#framesRefused, reason);
  }

  requests(): { readonly kind: string; readonly outcome: Outcome; readonly count: number }[] {
    return [...KIND_NAMES, [-1, NO_KIND] as const].flatMap(([number, kind]) =>
      OUTCOMES.map((outcome) => {
        const problems = this.#problems.get(`${kind} ${outcome}`) ?? 0;
        const count = outcome === 'answered' ? (this.#answered[number] ?? 0) : problems;
        return { kind, outcome, count };
      }),
    );
  }

  framesRefused(): ReadonlyMap<string, number> {
    return this.#framesRefused;
  }
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function outcomeOf(code: ProblemCode): Outcome {
  if (code === 'outcome_unknown') return 'unknown';
  const { status } = problemKind(code);
  if (status === 429 || status === 503) return 'unavailable';
  return status < 500 ? 'refused' : 'failed';
}

/** The door as it is asked for its state. */
type Door = {
  readonly traffic: BinaryTraffic;
  readonly connectionCount: number;
  readonly heldBytes: number;
};

export function binaryReadings(door: Door): Readings {
  const { traffic } = door;
  const one = (read: () => number) => () => [{ labels: {}, value: read() }];
  return [
    {
      type: 'gauge',
      name: 'holdfast_binary_connections',
      help: 'Connections to the binary port that are open.',
      read: one(() => door.connectionCount),
    },
    {
      type: 'counter',
      name: 'holdfast_binary_connections_total',
      help: 'Connections to the binary port since start.',
      read: one(() => traffic.connectionsOpened),
    },
    {
      type: 'counter',
      name: 'holdfast_binary_connections_refused_total',
      help: 'Connections to the binary port that were refused: too many, or the node is leaving.',
      read: one(() => traffic.connectionsRefused),
    },
    {
      type: 'gauge',
      name: 'holdfast_binary_requests_in_flight',
      help: 'Requests of the binary protocol that are not answered yet.',
      read: one(() => traffic.inFlight),
    },
    {
      type: 'gauge',
      name: 'holdfast_binary_held_bytes',
      help: 'Bytes of requests under way and of answers that were not fetched yet.',
      read: one(() => door.heldBytes),
    },
    {
      type: 'counter',
      name: 'holdfast_binary_received_bytes_total',
      help: 'Bytes received on the binary port since start.',
      read: one(() => traffic.bytesReceived),
    },
    {
      type: 'counter',
      name: 'holdfast_binary_sent_bytes_total',
      help: 'Bytes answered on the binary port since start.',
      read: one(() => traffic.bytesSent),
    },
    {
      type: 'counter',
      name: 'holdfast_binary_requests_total',
      help: 'Requests of the binary protocol since start, by kind and by what the caller heard.',
      labelNames: ['kind', 'outcome'],
      read: () =>
        traffic.requests().map(({ kind, outcome, count }) => ({
          labels: { kind, outcome },
          value: count,
        })),
    },
    {
      type: 'counter',
      name: 'holdfast_binary_frames_refused_total',
      help: 'Bytes that were no frame, by reason; each ended its connection.',
      labelNames: ['reason'],
      read: () =>
        [...traffic.framesRefused()].map(([reason, value]) => ({ labels: { reason }, value })),
    },
  ];
}
