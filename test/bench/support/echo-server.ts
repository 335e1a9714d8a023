// The peer of the REST door: a bare fastify with the schemas of a transfer and its answer, strict
// as the door's are. It checks and echoes; it has no key, no books and no journal. Writes its
// address as one line.

import { fastify } from 'fastify';
import { TransferAnswer, TransferRequest } from '../../../src/api/schemas.ts';

const ZEROS = '0'.repeat(32);

const app = fastify({
  ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
});

app.post(
  '/v1/transfers',
  { schema: { body: TransferRequest, response: { 201: TransferAnswer } } },
  (request, reply) => {
    reply.code(201).send({
      currency: 'EUR',
      flags: [],
      pending_id: null,
      timeout_seconds: 0,
      user_data_128: ZEROS,
      user_data_64: '0',
      user_data_32: 0,
      state: 'accepted',
      hold: 'none',
      timestamp_ns: '1767225600000000000',
      ...(request.body as object),
    });
  },
);

process.once('SIGTERM', () => void app.close());
const url = await app.listen({ host: '127.0.0.1', port: 0 });
process.stdout.write(`${JSON.stringify({ url })}\n`);
