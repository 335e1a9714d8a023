// The cluster for people and programs: look at it, and steer who leads. None of it moves money. At
// every node the same, whoever leads.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ClusterControl } from '../../cluster/contract.ts';
import { clusterJson, loneJson, steeredJson, switchoverJson, termJson } from '../cluster-text.ts';
import { readPause, readSwitchover, readTermsLimit } from '../cluster-input.ts';
import { type Context, withinDeadline } from '../context.ts';
import { readNothing } from '../input.ts';
import { ApiProblem } from '../problems.ts';
import { TermsQuery } from '../query-schemas.ts';
import { NoQuery } from '../schemas.ts';

export function clusterRoutes(app: FastifyInstance, context: Context): void {
  const schema = { querystring: NoQuery };
  const config = { bodyOptional: true };
  app.get('/v1/cluster', { schema }, (_request, reply) => {
    const { engine } = context;
    const json =
      engine.cluster === undefined ? loneJson(engine.status()) : clusterJson(engine.cluster.view());
    return reply.send(json);
  });
  app.get('/v1/cluster/history', { schema: { querystring: TermsQuery } }, (request, reply) => {
    const limit = readTermsLimit(request.query as { readonly limit?: string });
    return reply.send({ terms: clusterOf(context).terms(limit).map(termJson) });
  });
  app.post('/v1/cluster/switchover', { schema, config }, (request, reply) =>
    switchOver(context, request, reply),
  );
  app.post('/v1/cluster/pause', { schema }, (request, reply) => {
    const { reason } = readPause(request.body);
    const cluster = clusterOf(context);
    cluster.pause(reason);
    context.log({ event: 'pause_asked', reason, request_id: request.id }, 'failover paused');
    return reply.send(steeredJson(cluster));
  });
  app.post('/v1/cluster/resume', { schema, config }, (request, reply) => {
    readNothing(request.body);
    const cluster = clusterOf(context);
    cluster.resume();
    context.log({ event: 'resume_asked', request_id: request.id }, 'failover resumed');
    return reply.send(steeredJson(cluster));
  });
}

async function switchOver(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const { target } = readSwitchover(request.body);
  const cluster = clusterOf(context);
  const asked = { event: 'switchover_asked', target: target ?? null, request_id: request.id };
  context.log(asked, `asked to hand over to ${target ?? 'the standby that is furthest'}`);
  const done = await withinDeadline(context, reply, (signal) => cluster.switchover(target, signal));
  const { from, to, epoch, tookMs } = done;
  const text = `${from} handed over to ${to}, epoch ${epoch}, in ${Math.round(tookMs)} ms`;
  context.log({ event: 'switchover_done', ...switchoverJson(done) }, text);
  return reply.send(switchoverJson(done));
}

function clusterOf({ engine }: Context): ClusterControl {
  if (engine.cluster !== undefined) return engine.cluster;
  throw new ApiProblem('node_runs_alone');
}
