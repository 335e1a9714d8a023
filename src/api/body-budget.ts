// A bound for the memory that bodies on their way in can take together: with many connections at
// once, a bound for each body alone is none. Beyond it a request is answered 429 before its body is
// read, as everywhere else where there is no room. Only requests with a key get this far.

import type { FastifyReply, FastifyRequest } from 'fastify';
import { OperationalError } from '../base/errors.ts';

/** Smaller bodies do not count: they are bounded by the number of connections. */
const SMALL_BODY_BYTES_MAX = 64 * 1024;

export type BodyBudget = {
  /** Says no, or takes the body's bytes until the answer is written or the client has gone. */
  readonly take: (request: FastifyRequest, reply: FastifyReply) => OperationalError | undefined;
};

export function createBodyBudget(options: {
  readonly bodyBytesMax: number;
  readonly bodyBytesInFlightMax: number;
}): BodyBudget {
  let inFlightBytes = 0;
  return {
    take: (request, reply) => {
      const bytes = announcedBytes(request, options.bodyBytesMax);
      if (bytes <= SMALL_BODY_BYTES_MAX) return undefined;
      if (inFlightBytes + bytes > options.bodyBytesInFlightMax) {
        const detail = 'Too many large requests are arriving at once; this one was not read.';
        return new OperationalError('OVERLOADED', { detail });
      }
      inFlightBytes += bytes;
      reply.raw.once('close', () => {
        inFlightBytes -= bytes;
      });
      return undefined;
    },
  };
}

/** A body of unknown length counts as the largest; one that is too large is refused without it. */
function announcedBytes(request: FastifyRequest, bodyBytesMax: number): number {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  if (encoding !== undefined) return bodyBytesMax;
  const bytes = length === undefined ? 0 : Number(length);
  return bytes > bodyBytesMax ? 0 : bytes;
}
