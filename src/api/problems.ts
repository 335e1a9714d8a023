// Problem documents (RFC 9457): every error that leaves this door is one of these. Each says what
// happened, what it means for the money and what to do; `code` is for programs.

import { OPERATIONAL_ERRORS, type OperationalCode, type OperationalError } from '../base/errors.ts';
import { REFUSALS, type RefusalName } from '../domain/refusals.ts';
import { API_TEXTS, OPERATIONAL_ACTION, REFUSAL_ACTION } from './problem-texts.ts';
import {
  API_STATUS,
  type ApiCode,
  type InputCode,
  OPERATIONAL_STATUS,
  REFUSAL_STATUS,
} from './status-map.ts';

/** Operational codes are written in lower case on the wire, as all others are. */
export type ProblemCode = RefusalName | Lowercase<OperationalCode> | ApiCode;

/** One fault of the input: in the body (pointer) or in the address (parameter). */
export type InputError = {
  readonly pointer?: string;
  readonly parameter?: string;
  readonly code: InputCode;
  readonly detail: string;
};

/** What is constant for a code. */
export type ProblemKind = {
  readonly code: ProblemCode;
  readonly origin: 'refusal' | 'operational' | 'api';
  readonly status: number;
  readonly title: string;
  readonly text: string;
  readonly money: string;
  readonly action: string;
  readonly retryable: boolean;
  readonly retryAfterSeconds: number | undefined;
};

export type ProblemOptions = {
  readonly detail?: string;
  readonly action?: string;
  readonly errors?: readonly InputError[];
  /** The journal position at which the books answered so. */
  readonly position?: number;
  /** For 405. */
  readonly allow?: string;
  /** For 401: a browser is asked for the key by a window of its own. */
  readonly asksBrowser?: boolean;
};

/** Thrown by routes; the error handler writes it. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly code: ProblemCode;
  readonly options: ProblemOptions;

  constructor(code: ProblemCode, options: ProblemOptions = {}) {
    super(code);
    this.code = code;
    this.options = options;
  }
}

/** Longer pointers are cut to those of their parents: an answer does not echo what it was sent. */
const PLACE_LENGTH_MAX = 256;

/** The problem of a request whose input is wrong: its code is that of the first fault. */
export function inputProblem(faults: readonly InputError[]): ApiProblem {
  const errors = faults.map(withShortPlace);
  const first = errors[0];
  if (first === undefined) throw new RangeError('an input problem has at least one error');
  const where = first.pointer ?? first.parameter ?? '';
  const place = where === '' ? '' : `${where}: `;
  return new ApiProblem(first.code, { detail: place + first.detail, errors });
}

function withShortPlace(error: InputError): InputError {
  let { pointer, parameter } = error;
  if (parameter !== undefined && parameter.length > PLACE_LENGTH_MAX) {
    parameter = `${parameter.slice(0, PLACE_LENGTH_MAX)}...`;
    return { ...error, parameter };
  }
  while (pointer !== undefined && pointer.length > PLACE_LENGTH_MAX) {
    pointer = pointer.slice(0, pointer.lastIndexOf('/'));
  }
  return pointer === undefined ? error : { ...error, pointer };
}

export function operationalProblem(error: OperationalError): ApiProblem {
  const code = error.code.toLowerCase() as Lowercase<OperationalCode>;
  if (error.wayOut === '') return new ApiProblem(code, { detail: error.detail });
  return new ApiProblem(code, { detail: error.detail, action: error.wayOut });
}

const NOTHING_CHANGED = 'No money moved: nothing of the request was carried out.';
const MAYBE_MOVED =
  'It is not known whether the money moved. It moves at most once under the same ids.';

const RETRYABLE_API_CODES: ReadonlySet<ApiCode> = new Set([
  'internal_error',
  'request_too_slow',
  'frame_checksum_wrong',
]);

const KINDS: ReadonlyMap<ProblemCode, ProblemKind> = new Map(
  [...refusalKinds(), ...operationalKinds(), ...apiKinds()].map((kind) => [kind.code, kind]),
);

/** All kinds in the order of their tables. */
export function problemKinds(): readonly ProblemKind[] {
  return [...KINDS.values()];
}

export function problemKind(code: ProblemCode): ProblemKind {
  const kind = KINDS.get(code);
  if (kind === undefined) throw new RangeError(`there is no problem ${code}`);
  return kind;
}

export function problemType(code: ProblemCode): string {
  return `urn:holdfast:problem:${code}`;
}

/** The document as it is sent. */
export function problemDocument(
  code: ProblemCode,
  requestId: string,
  options: ProblemOptions = {},
): object {
  const kind = problemKind(code);
  return {
    type: problemType(code),
    title: kind.title,
    status: kind.status,
    detail: options.detail ?? kind.text,
    money: kind.money,
    action: options.action ?? kind.action,
    code,
    retryable: kind.retryable,
    request_id: requestId,
    ...(options.errors === undefined ? {} : { errors: options.errors }),
  };
}

function* refusalKinds(): Generator<ProblemKind> {
  for (const { name, subject, transient, text } of REFUSALS) {
    yield {
      code: name,
      origin: 'refusal',
      status: REFUSAL_STATUS[name],
      title: titleOf(name),
      text,
      money: refusalMoney(name, subject, transient),
      action: REFUSAL_ACTION[name],
      retryable: name === 'id_from_the_future' || name === 'account_ledger_not_found',
      retryAfterSeconds: undefined,
    };
  }
}

function refusalMoney(name: RefusalName, subject: string, transient: boolean): string {
  if (name === 'exists') return 'The money moved once, when the transfer was first accepted.';
  if (name === 'id_expired') {
    return 'No money moved by this request. If the id was carried out before, that stands.';
  }
  if (name.startsWith('exists_with_different_')) {
    return 'No money moved by this request; the transfer that exists stands as it is.';
  }
  if (name === 'linked_event_failed') return 'No money moved by any transfer of the chain.';
  if (subject !== 'transfer') return 'No money moved, and no balance changed.';
  if (transient || name === 'id_already_failed') {
    return 'No money moved, and none will ever move under this id.';
  }
  return 'No money moved by this transfer.';
}

function* operationalKinds(): Generator<ProblemKind> {
  for (const [code, error] of Object.entries(OPERATIONAL_ERRORS)) {
    const { status, retryAfterSeconds } = OPERATIONAL_STATUS[code as OperationalCode];
    yield {
      code: code.toLowerCase() as Lowercase<OperationalCode>,
      origin: 'operational',
      status,
      title: titleOf(code.toLowerCase()),
      text: error.text,
      money: error.outcome === 'unknown' ? MAYBE_MOVED : NOTHING_CHANGED,
      action: OPERATIONAL_ACTION[code as OperationalCode],
      retryable: error.retryable,
      retryAfterSeconds,
    };
  }
}

function* apiKinds(): Generator<ProblemKind> {
  for (const [code, status] of Object.entries(API_STATUS)) {
    const name = code as ApiCode;
    yield {
      code: name,
      origin: 'api',
      status,
      title: titleOf(name),
      text: API_TEXTS[name].text,
      money: apiMoney(name),
      action: API_TEXTS[name].action,
      retryable: RETRYABLE_API_CODES.has(name),
      retryAfterSeconds: undefined,
    };
  }
}

function apiMoney(code: ApiCode): string {
  if (code === 'internal_error') return MAYBE_MOVED;
  if (code === 'transfer_not_found' || code === 'ledger_not_found')
    return 'No money moved, and nothing was changed.';
  return NOTHING_CHANGED;
}

function titleOf(code: string): string {
  const words = code.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
