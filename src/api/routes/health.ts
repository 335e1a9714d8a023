// How the node is: for load balancers (livez, readyz, no key), for people (status) and for
// Prometheus (metrics). livez touches nothing, so that no dependency's outage restarts the process.

import type { FastifyInstance, FastifyReply } from 'fastify';
import type { NodeStatus } from '../../engine/contract.ts';
import { type Context, readBooks, sendJson } from '../context.ts';
import { statusText } from '../output-status.ts';
import { NoQuery } from '../schemas.ts';

type Check = { readonly name: string; readonly ok: boolean; readonly detail: string };

const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** The two probes: without key, and a probe may add query parameters of its own. */
export function probeRoutes(app: FastifyInstance, context: Context): void {
  app.get('/livez', (_request, reply) => reply.send({ live: true }));
  app.get('/readyz', (_request, reply) => getReadiness(context, reply));
}

export function statusRoutes(app: FastifyInstance, context: Context): void {
  const schema = { querystring: NoQuery };
  app.get('/v1/status', { schema }, (_request, reply) => getStatus(context, reply));
  app.get('/metrics', { schema }, async (_request, reply) =>
    reply.header('Content-Type', METRICS_CONTENT_TYPE).send(await context.metricsText()),
  );
}

function getReadiness(context: Context, reply: FastifyReply) {
  const status = context.engine.status();
  const checks = readinessChecks(status);
  const ready = checks.every((check) => check.ok);
  return reply.code(ready ? 200 : 503).send({ ready, role: status.role, checks });
}

function readinessChecks(status: NodeStatus): readonly Check[] {
  const { role, reason, impediment } = status;
  return [
    { name: 'leading', ok: role === 'leading', detail: `The node is ${role}: ${reason}` },
    {
      name: 'accepting',
      ok: impediment === undefined,
      detail:
        impediment === undefined
          ? 'New payments are taken.'
          : `New payments are not taken: ${impediment.toLowerCase()}. Reading works.`,
    },
  ];
}

/** Answered in every role: a node that is not ready is the one that people ask about. */
function getStatus(context: Context, reply: FastifyReply) {
  const status = context.engine.status();
  return sendJson(
    reply,
    200,
    status.position,
    statusText(status, context.engine.history.status(), booksOf(context)),
  );
}

function booksOf(context: Context) {
  try {
    return readBooks(context).state;
  } catch {
    return undefined;
  }
}
