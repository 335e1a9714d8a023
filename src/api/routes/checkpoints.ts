// Checkpoints by hand: take one now, and see which are there. Payments are not concerned by either.

import type { FastifyInstance, FastifyReply } from 'fastify';
import { OperationalError } from '../../base/errors.ts';
import type { CheckpointControl } from '../../engine/contract.ts';
import type { CheckpointTaken } from '../../recovery/checkpointer.ts';
import { readNothing } from '../input.ts';
import { NoQuery } from '../schemas.ts';

const NO_PLACE: CheckpointControl = {
  takeCheckpoint: () => Promise.reject(noPlace()),
  storedCheckpoints: () => Promise.reject(noPlace()),
};

function noPlace(): OperationalError {
  return new OperationalError('NOT_READY', { detail: 'This node has no place for checkpoints.' });
}

export function checkpointRoutes(
  app: FastifyInstance,
  control: CheckpointControl = NO_PLACE,
): void {
  const schema = { querystring: NoQuery };
  app.post('/v1/checkpoints', { schema, config: { bodyOptional: true } }, (request, reply) => {
    readNothing(request.body);
    return takeCheckpoint(control, reply);
  });
  app.get('/v1/checkpoints', { schema }, (_request, reply) => listCheckpoints(control, reply));
}

async function takeCheckpoint(control: CheckpointControl, reply: FastifyReply) {
  const taken = await control.takeCheckpoint();
  return reply.code(200).header('Holdfast-Position', taken.position).send(takenJson(taken));
}

async function listCheckpoints(control: CheckpointControl, reply: FastifyReply) {
  const { checkpoints, notes } = await control.storedCheckpoints();
  return reply.code(200).send({
    checkpoints: checkpoints.map((stored) => ({
      position: stored.position,
      epoch: stored.epoch,
      created: new Date(stored.createdMs).toISOString(),
      release: stored.release,
      bytes: stored.bytes,
      chunks: stored.chunks,
      transfers_accepted: stored.transfersAccepted,
    })),
    notes,
  });
}

function takenJson(taken: CheckpointTaken): object {
  return {
    position: taken.position,
    created: new Date(taken.createdMs).toISOString(),
    duration_ms: Math.round(taken.durationMs),
    longest_slice_ms: Math.round(taken.longestSliceMs * 1000) / 1000,
    bytes: taken.bytes,
    bytes_written: taken.bytesWritten,
    chunks: taken.chunks,
    chunks_written: taken.chunksWritten,
  };
}
