// From whatever was thrown to the problem document that is sent, with the headers that belong to
// it.

import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply } from 'fastify';
import { OperationalError } from '../base/errors.ts';
import {
  ApiProblem,
  inputProblem,
  operationalProblem,
  problemDocument,
  problemKind,
} from './problems.ts';
import { schemaErrors } from './schema-errors.ts';
import type { ApiCode } from './status-map.ts';

const CONTENT_TYPE = 'application/problem+json; charset=utf-8';

/** Fastify's own refusals in our codes. */
const FRAMEWORK_CODES: { readonly [code: string]: ApiCode } = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'media_type_unsupported',
  FST_ERR_MAX_PARAM_LENGTH: 'address_too_long',
};

export function problemOf(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  if (error instanceof OperationalError) return operationalProblem(error);
  const { code, statusCode, validation, validationContext } = error as Partial<FastifyError>;
  if (validation !== undefined && validation.length > 0) {
    return inputProblem(schemaErrors(validation, validationContext));
  }
  const known = code === undefined ? undefined : FRAMEWORK_CODES[code];
  if (known !== undefined) return new ApiProblem(known);
  const asked = statusCode !== undefined && statusCode >= 400 && statusCode < 500;
  return new ApiProblem(asked ? 'request_malformed' : 'internal_error');
}

/** `applied` is where this node stands, for a problem that names no position of its own. */
export function sendProblem(reply: FastifyReply, problem: ApiProblem, applied?: number): void {
  const { code, options } = problem;
  const position = options.position ?? applied;
  const { status, retryAfterSeconds } = problemKind(code);
  reply.code(status).header('Content-Type', CONTENT_TYPE);
  if (status === 401) reply.header('WWW-Authenticate', challengeOf(options.asksBrowser === true));
  if (retryAfterSeconds !== undefined) reply.header('Retry-After', retryAfterSeconds);
  if (options.allow !== undefined) reply.header('Allow', options.allow);
  if (position !== undefined) reply.header('Holdfast-Position', position);
  reply.send(JSON.stringify(problemDocument(code, reply.request.id, options)));
}

/** Browsers take the first challenge that they know. */
function challengeOf(asksBrowser: boolean): string | string[] {
  const bearer = 'Bearer realm="holdfast"';
  return asksBrowser ? ['Basic realm="holdfast", charset="UTF-8"', bearer] : bearer;
}

/** What is not even HTTP never becomes a request: the answer is written on the socket. */
export function answerBrokenHttp(
  error: NodeJS.ErrnoException,
  socket: Socket,
  { requestId, node }: { readonly requestId: string; readonly node: string },
): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const code = brokenHttpCode(error.code);
  const { status } = problemKind(code);
  const body = JSON.stringify(problemDocument(code, requestId));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n` +
      `Content-Type: ${CONTENT_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Request-Id: ${requestId}\r\n${node === '' ? '' : `Holdfast-Node: ${node}\r\n`}Connection: close\r\n\r\n${body}`,
  );
}

function brokenHttpCode(code: string | undefined): ApiCode {
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large';
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'request_too_slow' : 'request_malformed';
}
