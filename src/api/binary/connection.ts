// One connection: hello first, then requests, several at once, answered in whatever order their
// outcomes come. It reads only as far as it may hold: too many requests or bytes under way, answers
// that are not fetched, or a full budget of all connections stop the reading, so that the sender
// waits. Whatever is wrong with the bytes ends in a problem frame and the end of the connection;
// whatever is wrong with a request is the problem frame that answers it.

import { crc32 } from 'node:zlib';
import type { Socket } from 'node:net';
import { AssertionFailed } from '../../base/assert.ts';
import { type Frame, FrameReader } from '../../base/frame-reader.ts';
import {
  FrameKind,
  type FrameHeader,
  HELLO_PAYLOAD_BYTES_MAX,
  PROTOCOL_VERSION,
  REQUEST_PAYLOAD_BYTES_MAX,
  newFrame,
  sealFrame,
  textFrame,
} from '../../base/protocol.ts';
import type { Engine, SubmitResult } from '../../engine/contract.ts';
import { newPayloadRoom } from '../../engine/entry-room.ts';
import { problemOf } from '../answer-problem.ts';
import type { KeyCheck } from '../auth.ts';
import { READING_ROLES } from '../context.ts';
import { ApiProblem, problemDocument } from '../problems.ts';
import type { ApiLogger } from '../server.ts';
import type { BinaryBounds } from './bounds.ts';
import { faultProblem } from './faults.ts';
import { readHello, welcomeText } from './hello.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { Outbox } from './outbox.ts';
import { type PendingOwner, PendingRequest, PendingRequests } from './pending-requests.ts';
import { type AnswerParts, framedParts } from './parts.ts';
import type { Answer, Request } from './request.ts';
import { readRequest } from './requests.ts';
import type { BinaryTraffic } from './traffic.ts';

export type ConnectionOptions = {
  readonly socket: Socket;
  /** For request ids: unique among the connections of this process. */
  readonly name: string;
  readonly engine: Engine;
  readonly checkKey: KeyCheck;
  readonly bounds: BinaryBounds;
  readonly budget: MemoryBudget;
  readonly traffic: BinaryTraffic;
  readonly logger: ApiLogger;
  readonly onBrokenInvariant: (error: AssertionFailed) => void;
  readonly onClosed: (connection: Connection) => void;
};

/** `ending`: nothing is read any more, the last bytes are on their way. */
type State = 'hello' | 'open' | 'ending' | 'closed';

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #reader: FrameReader;
  readonly #outbox: Outbox;
  readonly #pending = new PendingRequests();
  readonly #owner: PendingOwner = {
    accepted: (pending, result) => this.#accepted(pending, result),
    failed: (pending, error) => this.#failed(pending, error),
  };
  readonly #goOn = (): void => this.#read();
  #state: State = 'hello';
  #version = PROTOCOL_VERSION;
  #isReading = false;
  #isLeaving = false;
  #requests = 0;
  #heldBytes = 0;
  #openedMs = performance.now();
  #heardMs = this.#openedMs;
  #frameBeganMs = this.#openedMs;
  #takenMs = this.#openedMs;
  #endingMs = 0;
  /** Set when the door closes. */
  #endByMs = Number.POSITIVE_INFINITY;

  constructor(options: ConnectionOptions) {
    const { socket, budget, bounds } = options;
    this.#options = options;
    this.#reader = new FrameReader({
      crc32,
      payloadBytesMax: HELLO_PAYLOAD_BYTES_MAX,
      admit: (header) => this.#admit(header),
      allocate: allocatePayload,
      onChunkRead: giveBack,
    });
    this.#outbox = new Outbox({
      socket,
      budget,
      bytesMax: bounds.unsentBytesMax,
      onTaken: () => this.#taken(),
    });
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#heard(chunk));
    socket.on('close', () => this.#closed());
    // What a peer does to a connection is his affair; `close` follows.
    socket.on('error', () => socket.destroy());
  }

  /** Says no at once: too many connections. */
  refuse(problem: ApiProblem): void {
    this.#fail(problem, 0);
  }

  /** No new requests are wanted here; those under way are answered. */
  sayGoodbye(): void {
    if (this.#state !== 'open' || this.#isLeaving) return;
    this.#isLeaving = true;
    this.#send(FrameKind.goodbye, 0, textFrame('{"reason":"stopping"}'));
  }

  /**
   * Says goodbye and waits for the client to go: what it sent before it heard of it is still read
   * and answered. Who stays is ended after a grace.
   */
  leave(): void {
    if (this.#state === 'hello') return this.#fail(new ApiProblem('shutting_down'), 0);
    this.sayGoodbye();
    this.#endByMs = performance.now() + this.#options.bounds.lingerMs;
  }

  /** Ends now, whatever is under way. */
  destroy(): void {
    this.#options.socket.destroy();
  }

  /** Looks at the clock for all that this connection waits for. */
  sweep(nowMs: number): void {
    const { bounds, socket } = this.#options;
    if (this.#state === 'ending') {
      if (nowMs - this.#endingMs > bounds.lingerMs) socket.destroy();
      return;
    }
    this.#pending.abandonThrough(nowMs - bounds.outcomeWaitMs);
    if (this.#state === 'hello') {
      if (nowMs - this.#openedMs > bounds.helloMs) {
        this.#fail(new ApiProblem('request_too_slow', { detail: 'No hello came in time.' }), 0);
      }
      return;
    }
    if (nowMs > this.#endByMs && this.#requests === 0) {
      this.#end();
    } else if (this.#outbox.unsentBytes > 0 && nowMs - this.#takenMs > bounds.stallMs) {
      socket.destroy();
    } else if (this.#isStalled(nowMs)) {
      this.#fail(new ApiProblem('request_too_slow'), 0);
    } else if (this.#pending.isEmpty && nowMs - this.#heardMs > bounds.idleMs) {
      this.#send(FrameKind.goodbye, 0, textFrame('{"reason":"idle"}'));
      this.#end();
    }
  }

  /** A frame that was begun and is not finished, though nothing keeps us from reading it. */
  #isStalled(nowMs: number): boolean {
    if (!this.#reader.isInsideFrame || this.#options.socket.isPaused()) return false;
    return nowMs - this.#frameBeganMs > this.#options.bounds.frameMs;
  }

  #heard(chunk: Buffer): void {
    if (this.#state === 'ending' || this.#state === 'closed') return;
    this.#heardMs = performance.now();
    this.#options.traffic.bytesReceived += chunk.byteLength;
    if (!this.#reader.isInsideFrame) this.#frameBeganMs = this.#heardMs;
    this.#reader.push(chunk);
    this.#read();
  }

  #read(): void {
    // An answer that is there at once makes room, which would begin the reading inside itself.
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (this.#state === 'hello' || this.#state === 'open') {
        if (this.#outbox.isFull) return this.#pause();
        const reading = this.#reader.next();
        if (reading.kind === 'more') return this.#resume();
        if (reading.kind === 'blocked') return this.#pause();
        if (reading.kind === 'fault') {
          this.#options.traffic.frameRefused(reading.fault);
          return this.#fail(faultProblem(reading.fault), reading.request);
        }
        this.#handle(reading.frame);
        this.#frameBeganMs = this.#heardMs;
      }
    } finally {
      this.#isReading = false;
    }
  }

  #pause(): void {
    this.#options.socket.pause();
    // Woken by an answer of our own, by the network, or by room in the budget.
    if (!this.#options.budget.hasRoom) this.#options.budget.wait(this.#goOn);
  }

  #resume(): void {
    const { socket } = this.#options;
    if (!socket.isPaused()) return;
    this.#frameBeganMs = performance.now();
    socket.resume();
  }

  /** Takes a slot and the payload's bytes; given back when the request has been answered. */
  #admit({ payloadBytes }: FrameHeader): boolean {
    const { bounds, budget } = this.#options;
    if (this.#state === 'hello') return true;
    if (this.#requests >= bounds.requestsInFlightMax) return false;
    if (this.#heldBytes > 0 && this.#heldBytes + payloadBytes > bounds.heldBytesMax) return false;
    if (!budget.take(payloadBytes)) return false;
    this.#requests++;
    this.#options.traffic.inFlight++;
    this.#heldBytes += payloadBytes;
    return true;
  }

  #release(payloadBytes: number): void {
    if (this.#state === 'closed') return;
    this.#requests--;
    this.#options.traffic.inFlight--;
    this.#heldBytes -= payloadBytes;
    this.#options.budget.release(payloadBytes);
    if (this.#options.socket.isPaused()) this.#read();
  }

  #handle(frame: Frame): void {
    if (this.#state === 'hello') {
      this.#welcome(frame);
      return;
    }
    if (frame.version !== this.#version) {
      const detail = `The frame has version ${frame.version}; ${this.#version} was agreed on.`;
      this.#fail(new ApiProblem('protocol_version_unsupported', { detail }), frame.request);
      return;
    }
    if (frame.kind === FrameKind.ping) {
      this.#send(FrameKind.ping + FrameKind.answer, frame.request, newFrame(0));
      this.#release(frame.payloadBytes);
      return;
    }
    this.#carryOut(frame);
  }

  #welcome(frame: Frame): void {
    const { checkKey, engine, bounds } = this.#options;
    try {
      this.#version = readHello(frame, checkKey);
    } catch (error) {
      this.#fail(this.#problem(error), frame.request);
      return;
    }
    this.#state = 'open';
    this.#reader.payloadBytesMax = REQUEST_PAYLOAD_BYTES_MAX;
    const text = welcomeText({
      version: this.#version,
      engine,
      idleMs: bounds.idleMs,
      requestsInFlightMax: bounds.requestsInFlightMax,
    });
    this.#send(FrameKind.hello + FrameKind.answer, frame.request, textFrame(text));
  }

  #carryOut(frame: Frame): void {
    const { kind, request, payloadBytes } = frame;
    let asked: Request;
    try {
      asked = readRequest(frame, this.#options.engine);
      if (asked.kind === 'answer') {
        this.#answer(kind, request, asked.answer);
        this.#release(payloadBytes);
        return;
      }
    } catch (error) {
      this.#answerProblem(kind, request, this.#problem(error));
      this.#release(payloadBytes);
      return;
    }
    if (asked.kind === 'later') {
      this.#await(frame, asked.answerBytesMax, asked.answer);
      return;
    }
    const { command, answer } = asked;
    const startedMs = this.#heardMs;
    const pending = new PendingRequest(this.#owner, {
      kind,
      request,
      payloadBytes,
      startedMs,
      answer,
    });
    this.#pending.add(pending);
    pending.asked = this.#options.engine.ask(command, pending);
  }

  #accepted(pending: PendingRequest, result: SubmitResult): void {
    let frame: Answer;
    try {
      frame = pending.answer(result);
    } catch (error) {
      this.#failed(pending, error);
      return;
    }
    this.#pending.remove(pending);
    this.#answer(pending.kind, pending.request, frame);
    this.#release(pending.payloadBytes);
  }

  /** Holds the bytes of the answer as well, as if they were there already. */
  #await(
    { kind, request, payloadBytes }: Frame,
    answerBytesMax: number,
    answer: (signal: AbortSignal) => Promise<Answer | AnswerParts>,
  ): void {
    const controller = new AbortController();
    const pending = new PendingRequest(this.#owner, {
      kind,
      request,
      payloadBytes: payloadBytes + answerBytesMax,
      startedMs: this.#heardMs,
      answer: unanswered,
    });
    pending.asked = { abandon: () => controller.abort() };
    this.#heldBytes += answerBytesMax;
    this.#options.budget.add(answerBytesMax);
    this.#pending.add(pending);
    answer(controller.signal).then(
      (later) => this.#answered(pending, later),
      (error: unknown) => this.#failed(pending, error),
    );
  }

  #answered(pending: PendingRequest, answer: Answer | AnswerParts): void {
    const { kind, request, payloadBytes } = pending;
    this.#pending.remove(pending);
    if ('parts' in answer) this.#answerParts(kind, request, answer);
    else this.#answer(kind, request, answer);
    this.#release(payloadBytes);
  }

  #failed(pending: PendingRequest, error: unknown): void {
    this.#pending.remove(pending);
    this.#answerProblem(pending.kind, pending.request, this.#problem(error));
    this.#release(pending.payloadBytes);
  }

  #problem(error: unknown): ApiProblem {
    const problem = problemOf(error);
    if (problem.code === 'internal_error') {
      const message = 'a request of the binary protocol failed unforeseen';
      this.#options.logger.error({ err: error, connection: this.#options.name }, message);
    }
    if (error instanceof AssertionFailed) this.#options.onBrokenInvariant(error);
    return problem;
  }

  #answer(kind: number, request: number, answer: Answer): void {
    if (this.#state === 'open') this.#options.traffic.answered(kind);
    this.#send(kind + FrameKind.answer, request, answer);
  }

  #answerProblem(kind: number, request: number, problem: ApiProblem): void {
    if (this.#state === 'open') this.#options.traffic.problem(kind, problem.code);
    this.#sendProblem(problem, request);
  }

  #sendProblem({ code, options }: ApiProblem, request: number): void {
    const document = problemDocument(code, `${this.#options.name}_${request}`, options);
    // Nobody who has not shown the key hears how far the books are.
    const place = this.#state === 'open' ? placeOf(this.#options.engine, options.position) : {};
    this.#send(FrameKind.problem, request, textFrame(JSON.stringify({ ...document, ...place })));
  }

  #send(kind: number, request: number, frame: Answer): void {
    if (this.#state === 'ending' || this.#state === 'closed') return;
    if (this.#outbox.unsentBytes === 0) this.#takenMs = performance.now();
    this.#options.traffic.bytesSent += frame.byteLength;
    this.#outbox.push(sealFrame(frame, { kind, request, version: this.#version }, crc32));
  }

  #answerParts(kind: number, request: number, parts: AnswerParts): void {
    this.#options.traffic.answered(kind);
    if (this.#state === 'ending' || this.#state === 'closed') return;
    if (this.#outbox.unsentBytes === 0) this.#takenMs = performance.now();
    const address = { kind: kind + FrameKind.answer, request, version: this.#version };
    for (const part of framedParts(parts, address)) {
      this.#options.traffic.bytesSent += part.byteLength;
      this.#outbox.push(part);
    }
  }

  #taken(): void {
    this.#takenMs = performance.now();
    if (this.#options.socket.isPaused() && !this.#outbox.isFull) this.#read();
  }

  /** The stream cannot be read on, or may not be: a last frame, and the end. */
  #fail(problem: ApiProblem, request: number): void {
    this.#sendProblem(problem, request);
    this.#end();
  }

  #end(): void {
    if (this.#state === 'ending' || this.#state === 'closed') return;
    this.#outbox.flush();
    this.#state = 'ending';
    this.#endingMs = performance.now();
    const { socket } = this.#options;
    socket.end();
    // What still comes is thrown away: unread bytes would turn the end into a reset, and the last
    // frame would be lost with it.
    socket.resume();
  }

  #closed(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    const { budget, onClosed } = this.#options;
    budget.forget(this.#goOn);
    this.#outbox.close();
    this.#options.traffic.inFlight -= this.#requests;
    const heldBytes = this.#heldBytes;
    this.#heldBytes = 0;
    budget.release(heldBytes);
    this.#pending.abandonThrough(Number.POSITIVE_INFINITY);
    onClosed(this);
  }
}

/** Who answers and how far his books are: what every HTTP answer has in its headers. */
function placeOf(engine: Engine, refusedAt: number | undefined): object {
  const { role, position } = engine.status();
  const at = refusedAt ?? (READING_ROLES.has(role) ? position : undefined);
  return { ...(at !== undefined && { position: at }), role };
}

/** Below it the memory of a chunk is not worth a call. */
const CHUNK_BYTES_MIN = 16 * 1024;

/**
 * Gives a chunk's memory back now. Left to the collector, the chunks of large batches were half of
 * what made it run: it sees how much lies outside of its heap. Whoever still had the chunk would
 * find it empty; the stream has not, and it gives each chunk memory of its own.
 */
function giveBack({ buffer, byteLength }: Uint8Array): void {
  const isWhole = byteLength === buffer.byteLength && byteLength >= CHUNK_BYTES_MIN;
  if (isWhole && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

const SMALL_PAYLOAD_BYTES_MAX = 4096;

/** Small ones share the runtime's pool; a large one is read where it will stand in its entry. */
function allocatePayload(bytes: number): Uint8Array {
  return bytes <= SMALL_PAYLOAD_BYTES_MAX ? Buffer.allocUnsafe(bytes) : newPayloadRoom(bytes);
}

function unanswered(): never {
  throw new AssertionFailed('an answer that is awaited is not made from an outcome');
}
