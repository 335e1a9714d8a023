// How the node is: for people (status) and for Prometheus (metrics). Load balancers: probes.ts.

import type { FastifyInstance, FastifyReply } from 'fastify';
import { type Context, sendJson } from '../context.ts';
import { statusText } from '../output-status.ts';
import { NoQuery } from '../schemas.ts';

const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export function statusRoutes(app: FastifyInstance, context: Context): void {
  const schema = { querystring: NoQuery };
  app.get('/v1/status', { schema }, (_request, reply) => getStatus(context, reply));
  app.get('/metrics', { schema }, async (_request, reply) =>
    reply.header('Content-Type', METRICS_CONTENT_TYPE).send(await context.metricsText()),
  );
}

function getStatus({ engine }: Context, reply: FastifyReply) {
  return sendJson(reply, 200, engine.status().position, statusText(engine));
}
