// What the client library throws. There are three endings besides success, and callers must treat
// them differently: the node said no (`ApiProblem`), nobody was reached (`NodeUnavailable`, nothing
// happened), or it is not known (`OutcomeUnknown`: the same ids must be sent again, never new
// ones).

import { OPERATIONAL_ERRORS } from '../base/errors.ts';

export type InputFault = {
  /** JSON pointer into the request's body; empty for all of it, and where `parameter` is named. */
  readonly pointer: string;
  /** Name of the path or query parameter. */
  readonly parameter?: string;
  readonly code: string;
  readonly detail: string;
};

export type ProblemFields = {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly money: string;
  readonly action: string;
  readonly retryable: boolean;
  readonly requestId: string;
  readonly errors: readonly InputFault[];
};

/** The node answered, and the answer is no. */
export class ApiProblem extends Error implements ProblemFields {
  override readonly name = 'ApiProblem';
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly money: string;
  readonly action: string;
  readonly retryable: boolean;
  readonly requestId: string;
  readonly errors: readonly InputFault[];

  constructor(fields: ProblemFields) {
    super(`${fields.code}: ${fields.detail}`);
    this.status = fields.status;
    this.code = fields.code;
    this.detail = fields.detail;
    this.money = fields.money;
    this.action = fields.action;
    this.retryable = fields.retryable;
    this.requestId = fields.requestId;
    this.errors = fields.errors;
  }
}

/** A create was sent and its outcome did not arrive in time. It may have happened, or may yet. */
export class OutcomeUnknown extends Error {
  override readonly name = 'OutcomeUnknown';
  readonly code = 'outcome_unknown';
  readonly attempts: number;
  readonly money =
    'The money may have moved or not; it will not move twice if you ask again with the same ids.';
  readonly action = 'Send the same request with the same ids again, or look the ids up later.';

  constructor(attempts: number, cause: unknown) {
    super(`The outcome is not known after ${attempts} attempts (last: ${causeText(cause)}).`, {
      cause,
    });
    this.attempts = attempts;
  }
}

/** No attempt reached a node: certainly nothing happened. */
export class NodeUnavailable extends Error {
  override readonly name = 'NodeUnavailable';
  readonly code = 'node_unavailable';
  readonly attempts: number;
  readonly money = 'Nothing was sent that could have moved money.';
  readonly action: string;

  constructor(url: string, attempts: number, cause: unknown) {
    super(`No node answers at ${url} (${causeText(cause)}, ${attempts} attempts).`, { cause });
    this.action = isCertificateFault(cause)
      ? 'Name the certificate of the node, or of who signed it, with --ca or HOLDFAST_CA_FILE.'
      : 'Start a node with `holdfast up`, or say where it is with --url.';
    this.attempts = attempts;
  }
}

/** A 2xx answer that is not what the API promises: another server, or another version. */
export class AnswerUnreadable extends Error {
  override readonly name = 'AnswerUnreadable';
}

/** How OpenSSL and Node call it when a certificate is not to be trusted, or is another's. */
const CERTIFICATE_FAULT_PATTERN =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|HOSTNAME_|ERR_TLS_CERT)/;

/** Whoever answered is not the node that is meant: it was told nothing; asking again is vain. */
export function isCertificateFault(cause: unknown): boolean {
  const code = (cause as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && CERTIFICATE_FAULT_PATTERN.test(code);
}

/** One short phrase for an error of the network or of the node. */
export function causeText(cause: unknown): string {
  if (cause instanceof ApiProblem) return `${cause.status} ${cause.code}`;
  if (cause instanceof Error) {
    const code = (cause as { readonly code?: unknown }).code;
    return typeof code === 'string' ? code : cause.message;
  }
  return String(cause);
}

/**
 * Reads the body of an error answer. Anything that is not a problem document (a proxy's page) gets
 * the code `http_<status>`.
 */
export function readProblem(status: number, text: string): ApiProblem {
  const members = parseMembers(text);
  const word = (name: string, otherwise: string): string => {
    const value = members[name];
    return typeof value === 'string' ? value : otherwise;
  };
  const errors = Array.isArray(members['errors']) ? members['errors'] : [];
  return new ApiProblem({
    status,
    code: word('code', `http_${status}`),
    detail: word('detail', `The node answered with status ${status}.`),
    money: word('money', ''),
    action: word('action', ''),
    retryable: members['retryable'] === true,
    requestId: word('request_id', ''),
    errors: errors.map(readFault),
  });
}

function readFault(value: unknown): InputFault {
  const fault = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const word = (name: string): string => {
    const member = fault[name];
    return typeof member === 'string' ? member : '';
  };
  const parameter = word('parameter');
  return {
    pointer: word('pointer'),
    ...(parameter !== '' && { parameter }),
    code: word('code'),
    detail: word('detail'),
  };
}

function parseMembers(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/**
 * May the request have been executed although the answer is this problem? Operational errors say so
 * by their outcome; a 5xx that is no problem document of ours is taken as a yes.
 */
export function mayHaveHappened(problem: ApiProblem): boolean {
  if (problem.status < 500) return false;
  const known = new Map<string, { readonly outcome: string }>(Object.entries(OPERATIONAL_ERRORS));
  const entry = known.get(problem.code.toUpperCase());
  return entry === undefined || entry.outcome === 'unknown';
}
