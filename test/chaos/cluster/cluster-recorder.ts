// Sends requests to whichever node answers, as a client that knows all nodes does, and records each
// attempt for itself, so that the checker sees exactly what happened. Beside the record it keeps
// what callers feel: how long nothing was acknowledged, and which calls ended in an error.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Prng } from '../../../src/base/prng.ts';
import type { Transfer } from '../../../src/base/transfer-record.ts';
import { type AttemptAnswer, UnexpectedAnswer } from '../attempt-answer.ts';
import type { Source } from '../evidence.ts';
import { type Addresses, type Attempt, type Door, type SetUp, Recorder } from '../recorder.ts';

/** The time that a caller gives a request, with all its attempts. */
const DEADLINE_MS = 10_000;
/** An attempt without an answer goes on at another node, as with the client library. */
const ANSWER_MS_MAX = 3000;
/** A node that failed is left alone for a moment. */
const AVOID_MS = 500;
const BACKOFF_MS_MAX = 25;
/** Of the unknown ones, so many are never asked again: the checker must find out by itself. */
const ABANDON_SHARE = 0.1;
const ERRORS_KEPT_MAX = 20;
const CALLS_MAX = 20;
const CALL_PAUSE_MS = 250;

type Node = { readonly recorder: Recorder; avoidUntilMs: number };

export class ClusterRecorder implements Source {
  readonly attempts: Attempt[] = [];
  readonly setUp: SetUp[] = [];
  readonly #nodes: readonly Node[];
  readonly #random: Prng;
  /** When requests were answered, one after the other. */
  readonly #answeredMs: number[] = [];
  readonly #mayBeLate: boolean;
  #calls = 0;
  /** Calls whose deadline passed, or that were answered what no load gives cause for. */
  clientErrors = 0;
  /** Calls that ended because the disk was full: said to have not happened. */
  refusedForRoom = 0;
  /** Calls whose deadline passed while that was to be expected. */
  late = 0;
  latencyMsMax = 0;
  readonly errors: string[] = [];

  /** `mayBeLate`: what fails is away for longer than callers wait. */
  constructor(nodes: readonly Addresses[], key: string, random: Prng, mayBeLate: boolean) {
    this.#mayBeLate = mayBeLate;
    const kept = { attempts: this.attempts, setUp: this.setUp };
    this.#nodes = nodes.map((addresses) => ({
      recorder: new Recorder(addresses, key, { kept, answerMsMax: ANSWER_MS_MAX }),
      avoidUntilMs: 0,
    }));
    this.#random = random;
  }

  /** Calls that callers wait for now. */
  get inFlight(): number {
    return this.#calls;
  }

  async close(): Promise<void> {
    for (const { recorder } of this.#nodes) await recorder.close();
  }

  /** Answered by whichever node, or not at all within the deadline. Never throws. */
  async attempt(transfers: readonly Transfer[], door: Door): Promise<AttemptAnswer> {
    const beganMs = performance.now();
    this.#calls++;
    try {
      for (;;) {
        const answer = await this.#once((recorder) => recorder.attempt(transfers, door));
        const nowMs = performance.now();
        if (answer.kind === 'answered') {
          this.latencyMsMax = Math.max(this.latencyMsMax, nowMs - beganMs);
          return answer;
        }
        if (answer.kind === 'unknown' && this.#random.chance(ABANDON_SHARE)) return answer;
        if (nowMs - beganMs > DEADLINE_MS) {
          if (answer.kind === 'not-executed' && answer.code === 'journal_full') {
            this.refusedForRoom++;
          } else if (this.#mayBeLate) {
            this.late++;
          } else {
            this.#failed(`no answer within ${DEADLINE_MS} ms; at last ${JSON.stringify(answer)}`);
          }
          return answer;
        }
        await sleep(this.#random.below(BACKOFF_MS_MAX));
      }
    } finally {
      this.#calls--;
    }
  }

  /** Once: its outcome is unknown for the record either way. */
  async freeze(account: bigint, frozen: boolean): Promise<AttemptAnswer> {
    return await this.#once((recorder) => recorder.freeze(account, frozen));
  }

  /** A call outside the record that may be repeated; to the first node that answers it. */
  async call(
    ...parameters: Parameters<Recorder['call']>
  ): Promise<Awaited<ReturnType<Recorder['call']>>> {
    for (let number = 1; ; number++) {
      const { recorder } = this.#nodes[number % this.#nodes.length]!;
      try {
        const answer = await recorder.call(...parameters);
        if (answer.status < 500 || number >= CALLS_MAX) return answer;
      } catch (error) {
        if (number >= CALLS_MAX) throw error;
      }
      await sleep(CALL_PAUSE_MS);
    }
  }

  /** The longest time without any answer, from `sinceMs` on until now. */
  longestPauseMs(sinceMs: number): number {
    let longest = 0;
    let lastMs = sinceMs;
    // The newest come last, and a round is short beside a run.
    let index = this.#answeredMs.length;
    while (index > 0 && this.#answeredMs[index - 1]! >= sinceMs) index--;
    for (const answeredMs of [...this.#answeredMs.slice(index), performance.now()]) {
      longest = Math.max(longest, answeredMs - lastMs);
      lastMs = answeredMs;
    }
    return longest;
  }

  answeredSince(sinceMs: number): number {
    return this.#answeredMs.filter((ms) => ms >= sinceMs).length;
  }

  async #once(send: (recorder: Recorder) => Promise<AttemptAnswer>): Promise<AttemptAnswer> {
    const node = this.#choose();
    try {
      const answer = await send(node.recorder);
      if (answer.kind === 'answered') this.#answeredMs.push(performance.now());
      else node.avoidUntilMs = performance.now() + AVOID_MS;
      return answer;
    } catch (error) {
      if (!(error instanceof UnexpectedAnswer)) throw error;
      this.#failed(`answered ${error.message}`);
      return { kind: 'unknown' };
    }
  }

  #choose(): Node {
    const nowMs = performance.now();
    const fit = this.#nodes.filter(({ avoidUntilMs }) => avoidUntilMs <= nowMs);
    return this.#random.pick(fit.length === 0 ? this.#nodes : fit);
  }

  #failed(text: string): void {
    this.clientErrors++;
    if (this.errors.length < ERRORS_KEPT_MAX) this.errors.push(`client error: ${text}`);
  }
}
