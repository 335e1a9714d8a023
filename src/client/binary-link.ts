// One connection of the binary client: hello, frames in and out, pings, and one ending. It retries
// nothing; binary-calls.ts decides what the end of a connection means for the calls on it.

import { type Socket, connect as connectTcp } from 'node:net';
import { type ConnectionOptions as TlsConnectionOptions, connect as connectTls } from 'node:tls';
import { crc32 } from 'node:zlib';
import { type Frame, FrameReader } from '../base/frame-reader.ts';
import {
  ANSWER_PAYLOAD_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FrameKind,
  textFrame,
} from '../base/protocol.ts';
import { AnswerUnreadable, readProblem } from './problems.ts';
import { SendBuffer } from './send-buffer.ts';

export type TlsOptions = Pick<TlsConnectionOptions, 'ca' | 'servername' | 'cert' | 'key'>;

/** What a number of a refusal means, as the node tells it in its welcome. */
export type RefusalKind = {
  readonly number: number;
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly money: string;
  readonly action: string;
  readonly retryable: boolean;
};

export type Welcome = {
  readonly idleMs: number;
  readonly requestsInFlightMax: number;
  readonly refusals: readonly RefusalKind[];
};

export type LinkOptions = {
  /** holdfast://host:port, or holdfasts://host:port for TLS. */
  readonly url: string;
  readonly key: string;
  readonly tls: TlsOptions | undefined;
  /** From the first packet to the welcome. */
  readonly connectMsMax: number;
  /** Nothing heard for so long while an answer is awaited, not even to pings: it is dead. */
  readonly silentMsMax: number;
  /** Is a request under way? */
  readonly isAwaited: () => boolean;
  readonly onWelcome: (welcome: Welcome) => void;
  readonly onFrame: (frame: Frame) => void;
  /** The node asks for nothing new here. */
  readonly onGoodbye: () => void;
  /** Called once, last. An ApiProblem when the node said why. */
  readonly onLost: (cause: unknown) => void;
};

const VERSION_MIN = 1;
/** Where nothing is awaited a dead connection may be found later. */
const IDLE_SILENT_MS_MAX = 15_000;
const PINGS_PER_IDLENESS = 3;
const LOOKS_PER_SILENCE = 5;
const NOTHING = new Uint8Array(0);
const URL_PATTERN = /^holdfasts?:$/;

export class Link {
  readonly #options: LinkOptions;
  readonly #socket: Socket;
  readonly #reader = new FrameReader({
    crc32,
    payloadBytesMax: ANSWER_PAYLOAD_BYTES_MAX,
    allocate: (bytes) => Buffer.allocUnsafeSlow(bytes),
  });
  #state: 'hello' | 'open' | 'lost' = 'hello';
  readonly #sending = new SendBuffer(crc32);
  #isScheduled = false;
  #heardMs = performance.now();
  #awaitedFromMs: number | undefined;
  #pingedMs = 0;
  #lookedMs = 0;
  #cause: unknown;
  #timer: NodeJS.Timeout;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#socket = openSocket(options);
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk: Buffer) => this.#heard(chunk));
    this.#socket.on('error', (error) => this.#lose(error));
    this.#socket.on('close', () => this.#lose(new Error('the connection was closed')));
    this.#timer = setTimeout(
      () => this.#lose(new Error('no welcome in time')),
      options.connectMsMax,
    );
    const hello = textFrame(JSON.stringify({ key: options.key, version_min: VERSION_MIN }));
    this.send(FrameKind.hello, 0, hello.subarray(FRAME_HEADER_BYTES));
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Sends at the end of this turn; the payload is not copied unless it is small. */
  send(kind: number, request: number, payload: Uint8Array = NOTHING): void {
    this.#sending.add(payload, { kind, request });
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    process.nextTick(() => this.#flush());
  }

  /** Ends the connection; `onLost` is called with `cause`. */
  end(cause: unknown): void {
    this.#lose(cause);
  }

  #flush(): void {
    this.#isScheduled = false;
    if (this.#state === 'lost') return;
    const pieces = this.#sending.take();
    if (pieces.length > 1) this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    if (pieces.length > 1) this.#socket.uncork();
    if (this.#socket.writableLength === 0) this.#sending.sent();
  }

  #heard(chunk: Buffer): void {
    this.#heardMs = performance.now();
    this.#reader.push(chunk);
    while (this.#state !== 'lost') {
      const reading = this.#reader.next();
      switch (reading.kind) {
        case 'more':
        case 'blocked':
          return;
        case 'fault':
          this.#lose(new AnswerUnreadable(`What the node sent is no frame (${reading.fault}).`));
          return;
        case 'frame':
          this.#take(reading.frame);
      }
    }
  }

  #take(frame: Frame): void {
    if (frame.kind === FrameKind.goodbye) {
      this.#options.onGoodbye();
    } else if (frame.kind === FrameKind.problem && frame.request === 0) {
      // Of the connection itself, which the node ends now.
      this.#cause = problemOfFrame(frame);
    } else if (this.#state === 'hello') {
      this.#welcomed(frame);
    } else if (frame.kind !== FrameKind.ping + FrameKind.answer) {
      this.#options.onFrame(frame);
    }
  }

  #welcomed(frame: Frame): void {
    if (frame.kind !== FrameKind.hello + FrameKind.answer) {
      this.#lose(new AnswerUnreadable(`The node answered the hello with kind ${frame.kind}.`));
      return;
    }
    clearTimeout(this.#timer);
    let welcome: Welcome;
    try {
      welcome = readWelcome(frame.payload);
    } catch (error) {
      this.#lose(error);
      return;
    }
    this.#state = 'open';
    const { silentMsMax } = this.#options;
    const pingMs = Math.min(IDLE_SILENT_MS_MAX, welcome.idleMs) / PINGS_PER_IDLENESS;
    const lookMs = Math.max(1, Math.min(silentMsMax / LOOKS_PER_SILENCE, pingMs));
    this.#lookedMs = performance.now();
    this.#timer = setInterval(() => this.#look(lookMs, pingMs), lookMs);
    this.#options.onWelcome(welcome);
  }

  /** Is the node still there? A frozen one keeps its connections and says nothing. */
  #look(lookMs: number, pingMs: number): void {
    const nowMs = performance.now();
    const stoodStill = nowMs - this.#lookedMs > 2 * lookMs;
    this.#lookedMs = nowMs;
    this.#awaitedFromMs = this.#options.isAwaited() ? (this.#awaitedFromMs ?? nowMs) : undefined;
    // When this process itself stood still, what came meanwhile has not been read yet.
    if (stoodStill) this.#heardMs = nowMs;
    const isAwaited = this.#awaitedFromMs !== undefined;
    const silentMs = nowMs - Math.max(this.#heardMs, this.#awaitedFromMs ?? 0);
    const { silentMsMax } = this.#options;
    if (silentMs > (isAwaited ? silentMsMax : Math.max(silentMsMax, IDLE_SILENT_MS_MAX))) {
      this.#lose(new Error('the node is silent'));
      return;
    }
    const isDue = nowMs - this.#pingedMs >= pingMs || (isAwaited && silentMs >= lookMs);
    if (!isDue) return;
    this.#pingedMs = nowMs;
    this.send(FrameKind.ping, 0);
  }

  #lose(cause: unknown): void {
    if (this.#state === 'lost') return;
    this.#state = 'lost';
    clearTimeout(this.#timer);
    this.#socket.destroy();
    this.#options.onLost(this.#cause ?? cause);
  }
}

/** Throws a RangeError: a wrong address would otherwise look like a node that is away. */
export function assertNodeUrl(url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed !== undefined && URL_PATTERN.test(parsed.protocol) && parsed.port !== '') return;
  throw new RangeError(`"${url}" is not the address of a node, such as holdfast://127.0.0.1:7401.`);
}

function openSocket({ url, tls }: LinkOptions): Socket {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  if (protocol === 'holdfast:') return connectTcp({ host, port: Number(port) });
  return connectTls({ host, port: Number(port), ...tls });
}

function statusOf(text: string): number {
  try {
    const { status } = JSON.parse(text) as { readonly status?: unknown };
    return typeof status === 'number' ? status : 500;
  } catch {
    return 500;
  }
}

/** A problem frame's document. */
export function problemOfFrame(frame: Frame): ReturnType<typeof readProblem> {
  const text = Buffer.from(frame.payload).toString('utf8');
  return readProblem(statusOf(text), text);
}

function readWelcome(payload: Uint8Array): Welcome {
  const value = JSON.parse(Buffer.from(payload).toString('utf8')) as {
    readonly idle_ms?: unknown;
    readonly requests_in_flight_max?: unknown;
    readonly refusals?: unknown;
  };
  const { idle_ms: idleMs, requests_in_flight_max: requestsInFlightMax, refusals } = value;
  if (
    typeof idleMs !== 'number' ||
    typeof requestsInFlightMax !== 'number' ||
    !Array.isArray(refusals)
  ) {
    throw new AnswerUnreadable('The welcome of the node lacks what it must have.');
  }
  return { idleMs, requestsInFlightMax, refusals: refusals as RefusalKind[] };
}
