// Spans by the OpenTelemetry API. This package carries no SDK: whoever wants spans loads one into
// the process (`NODE_OPTIONS=--import=...`), and it registers itself with the API. Without one
// there are no spans, no hooks, and no cost.

import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  context,
  isSpanContextValid,
  propagation,
  trace,
} from '@opentelemetry/api';

const TRACER = 'holdfast';
/** From here on a status is not what the client caused. */
const SERVER_ERROR = 500;

export type RequestSpan = { end(status: number): void };

type Headers = Readonly<Record<string, string | string[] | undefined>>;

export class Spans {
  readonly #tracer: Tracer;

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  /** A request to a server, part of the caller's trace where its headers name one. */
  request(method: string, route: string, headers: Headers): RequestSpan {
    const parent: Context = propagation.extract(ROOT_CONTEXT, headers);
    const attributes = { 'http.request.method': method, 'http.route': route };
    const options = { kind: SpanKind.SERVER, attributes };
    const span = this.#tracer.startSpan(`${method} ${route}`, options, parent);
    return {
      end: (status) => {
        span.setAttribute('http.response.status_code', status);
        if (status >= SERVER_ERROR) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      },
    };
  }

  /** Something of this node that has just ended, after so many milliseconds. */
  ended(name: string, durationMs: number, attributes: Attributes): void {
    const endMs = Date.now();
    const options = { attributes, startTime: new Date(endMs - durationMs) };
    const span = this.#tracer.startSpan(name, options, context.active());
    span.end(new Date(endMs));
  }
}

/** Undefined = no SDK has registered itself. To be asked once, when the process starts. */
export function createSpans(release: string): Spans | undefined {
  const tracer = trace.getTracer(TRACER, release);
  const probe = tracer.startSpan('holdfast start');
  probe.end();
  // Valid also where a sampler leaves this very span out.
  return isSpanContextValid(probe.spanContext()) ? new Spans(tracer) : undefined;
}
