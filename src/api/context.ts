// What every route has: the engine behind two questions (carry this out, may I read?), and the few
// ways in which an answer leaves.

import type { FastifyReply } from 'fastify';
import { OperationalError } from '../base/errors.ts';
import type { Command } from '../domain/commands.ts';
import type { DomainState } from '../domain/domain.ts';
import { refusalByNumber } from '../domain/refusals.ts';
import type { Engine, NodeRole, SubmitResult } from '../engine/contract.ts';
import { ApiProblem } from './problems.ts';
import type { Signature } from './signature.ts';

export type Context = {
  readonly engine: Engine;
  /** A request waits so long for its outcome; then the answer is `outcome_unknown`. */
  readonly outcomeWaitMs: number;
  readonly metricsText: () => Promise<string>;
  readonly signature: Signature;
  /** Notes what people did to the cluster. */
  readonly log: (fields: object, message: string) => void;
};

export type Reading = { readonly state: DomainState; readonly position: number };

/** An answer whose text is JSON already. */
export type JsonAnswer = {
  readonly status: number;
  readonly position: number;
  readonly text: string;
};

const JSON_TYPE = 'application/json; charset=utf-8';

/** Roles whose state is the books at a position, and not something half restored. */
export const READING_ROLES: ReadonlySet<NodeRole> = new Set(['following', 'leading', 'draining']);

/** The state to read from, and its position. Reading needs no leader and no room in the journal. */
export function readBooks(context: Pick<Context, 'engine'>): Reading {
  const { role, position } = context.engine.status();
  if (!READING_ROLES.has(role)) {
    const detail = `The node is ${role}; it has no books to read from yet.`;
    throw new OperationalError('NOT_READY', { detail });
  }
  return { state: context.engine.state, position };
}

/**
 * Submits and waits for the outcome, up to the deadline or until the client has gone; the command
 * itself is not called back by either.
 */
export async function submit(
  context: Context,
  reply: FastifyReply,
  command: Command,
): Promise<SubmitResult> {
  return withinDeadline(context, reply, (signal) => context.engine.submit(command, signal));
}

/** Aborts what is waited for at the deadline, and when the client has gone. */
export async function withinDeadline<T>(
  context: Pick<Context, 'outcomeWaitMs'>,
  reply: FastifyReply,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, context.outcomeWaitMs);
  reply.raw.once('close', abort);
  try {
    return await wait(controller.signal);
  } finally {
    clearTimeout(timer);
    reply.raw.removeListener('close', abort);
  }
}

/**
 * The books after an outcome. A node can halt between the two; "not ready, nothing moved" would
 * then be a lie about a command that was carried out.
 */
export function booksAfterOutcome(context: Pick<Context, 'engine'>): DomainState {
  try {
    return context.engine.state;
  } catch (cause) {
    const detail = 'The command was carried out, but this node halted before it could say how.';
    throw new OperationalError('OUTCOME_UNKNOWN', { detail, cause });
  }
}

/** A text that is JSON already. */
export function sendJson(
  reply: FastifyReply,
  status: number,
  position: number,
  text: string,
): FastifyReply {
  return reply
    .code(status)
    .header('Content-Type', JSON_TYPE)
    .header('Holdfast-Position', position)
    .send(text);
}

/**
 * The same, written by Node alone: for the short road. The framework would look at each header
 * again and measure the text. It must be ASCII.
 */
export function sendJsonBare(
  reply: FastifyReply,
  { status, position, text }: JsonAnswer,
  signature: readonly string[],
): void {
  const headers = [
    'request-id',
    reply.request.id,
    'content-type',
    JSON_TYPE,
    'holdfast-position',
    String(position),
    'content-length',
    String(text.length),
  ];
  reply.raw.writeHead(status, signature.length === 0 ? headers : [...headers, ...signature]);
  reply.raw.end(text, 'latin1');
}

/** What the books refused, as a problem. */
export function refusalProblem(code: number, position: number): ApiProblem {
  return new ApiProblem(refusalByNumber(code).name, { position });
}
