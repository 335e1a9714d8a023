// The probes of load balancers: by GET, HEAD or OPTIONS, and with whatever query parameters a probe
// adds of its own. Two need no key: whether the process lives, and whether requests may be sent
// here. Who leads and how far behind this node is are told with the key only. livez touches
// nothing, so that no dependency's outage restarts the process.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { leaderJson } from '../cluster-text.ts';
import type { Context } from '../context.ts';
import { inputProblem } from '../problems.ts';
import { Readiness, isWritableLeader, standbyLag } from '../readiness.ts';

/** A second behind or so: a busy leader writes some hundreds of entries in it. */
const LAG_DEFAULT = 1000;
const LAG_PATTERN = /^(0|[1-9][0-9]{0,14})$/;
/** GET brings HEAD with it. */
const METHODS = ['GET', 'OPTIONS'];

type Handler = (request: FastifyRequest, reply: FastifyReply) => FastifyReply;

/** The only routes that answer without key. */
export function openProbeRoutes(app: FastifyInstance, context: Context): void {
  const readiness = new Readiness(context.engine);
  probe(app, '/livez', (_request, reply) => reply.send({ live: true }));
  probe(app, '/readyz', (_request, reply) => getReadiness(context, readiness, reply));
}

/** What the node is in its cluster: for load balancers that send the key. */
export function roleProbeRoutes(app: FastifyInstance, context: Context): void {
  probe(app, '/leader', (_request, reply) => getLeader(context, reply));
  probe(app, '/replica', (request, reply) => getReplica(context, request, reply));
}

function probe(app: FastifyInstance, url: string, handler: Handler): void {
  app.route({ method: METHODS, url, handler });
}

function getReadiness({ engine }: Context, readiness: Readiness, reply: FastifyReply) {
  const checks = readiness.checks();
  const ready = checks.every((check) => check.ok || !check.required);
  return reply.code(ready ? 200 : 503).send({ ready, role: engine.status().role, checks });
}

/** 200 at one node of the cluster at most, as far as that node knows. */
function getLeader({ engine }: Context, reply: FastifyReply) {
  const status = engine.status();
  const leader = isWritableLeader(status);
  const view = engine.cluster?.view();
  const leads = view === undefined ? null : leaderJson(view);
  return reply.code(leader ? 200 : 503).send({ leader, role: status.role, leads });
}

function getReplica({ engine }: Context, request: FastifyRequest, reply: FastifyReply) {
  const lagMax = readLagMax((request.query as { readonly lag?: unknown }).lag);
  const lag = standbyLag(engine);
  const replica = lag !== undefined && lag <= lagMax;
  const { role } = engine.status();
  return reply.code(replica ? 200 : 503).send({ replica, role, lag: lag ?? null, lag_max: lagMax });
}

function readLagMax(lag: unknown): number {
  if (lag === undefined) return LAG_DEFAULT;
  if (typeof lag === 'string' && LAG_PATTERN.test(lag)) return Number(lag);
  const detail = 'It must be a number of positions, in decimal digits, and given once.';
  throw inputProblem([{ parameter: 'lag', code: 'field_out_of_range', detail }]);
}
