// A span for each request over HTTP, where somebody wants them.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RequestSpan, Spans } from '../telemetry/spans.ts';

/** The name of requests that no route answers. */
const NO_ROUTE = 'none';

/** Must be called before the routes are registered. */
export function spanRequests(app: FastifyInstance, spans: Spans): void {
  const open = new WeakMap<FastifyRequest, RequestSpan>();
  app.addHook('onRequest', (request, _reply, done) => {
    const route = request.is404 ? NO_ROUTE : (request.routeOptions.url ?? NO_ROUTE);
    open.set(request, spans.request(request.method, route, request.headers));
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    open.get(request)?.end(reply.statusCode);
    done();
  });
}
