// How fresh a read must be. Every node reads its own books, which at a standby are a moment behind
// the leader's. Who wants more says so: `consistency=strong` (all that was acknowledged anywhere
// before the question), or `Holdfast-Position: N` (at least what he was told of already). Then the
// read waits until this node has come that far. Who says nothing waits for nothing.

import type { FastifyReply, FastifyRequest, preHandlerHookHandler } from 'fastify';
import type { ReadWish } from '../engine/contract.ts';
import { type Context, withinDeadline } from './context.ts';
import { addError, refuse } from './input-values.ts';
import type { InputError } from './problems.ts';

const POSITION_HEADER = 'holdfast-position';
const POSITION_PATTERN = /^(0|[1-9][0-9]{0,15})$/;
const CONSISTENCIES = ['local', 'strong'];

/** For routes that read: waits for what the request asks for, and costs others two look-ups. */
export function waitsForWish(context: Context): preHandlerHookHandler {
  return (request, reply, done) => {
    const wish = wishOf(request);
    if (wish === undefined) return done();
    caughtUp(context, reply, wish).then(() => done(), done);
  };
}

function caughtUp(context: Context, reply: FastifyReply, wish: ReadWish): Promise<void> {
  return withinDeadline(context, reply, (signal) => context.engine.catchUp(wish, signal));
}

/** Undefined = nothing is asked for. */
export function wishOf(request: FastifyRequest): ReadWish | undefined {
  const { consistency } = request.query as { readonly consistency?: string };
  const header = request.headers[POSITION_HEADER];
  if (consistency === undefined && header === undefined) return undefined;
  const errors: InputError[] = [];
  if (consistency !== undefined && !CONSISTENCIES.includes(consistency)) {
    const detail = 'It must be local or strong.';
    addError(errors, { parameter: 'consistency', code: 'field_out_of_range', detail });
  }
  const position = readPosition(header);
  if (position === undefined) {
    const detail = 'It must be a position of the journal, in decimal digits.';
    addError(errors, { parameter: 'Holdfast-Position', code: 'field_out_of_range', detail });
  }
  refuse(errors);
  const isStrong = consistency === 'strong';
  return isStrong || position! > 0 ? { isStrong, position: position! } : undefined;
}

function readPosition(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return 0;
  if (typeof header !== 'string' || !POSITION_PATTERN.test(header)) return undefined;
  const position = Number(header);
  return Number.isSafeInteger(position) ? position : undefined;
}
