// What may be said when the cluster is steered, read as strictly as everything else.

import {
  addError,
  faultError,
  isObject,
  notAnObject,
  refuse,
  requiredField,
  unknownField,
  wrongType,
} from './input-values.ts';
import { type InputError, inputProblem } from './problems.ts';
import { childPointer } from './strict-json.ts';

/** As long as a member's id may be (ports/coordinator.ts). */
const NAME_LENGTH_MAX = 128;
/** It stands in every heartbeat and in logs. */
const REASON_LENGTH_MAX = 200;
export const TERMS_LIMIT_MAX = 1000;
const TERMS_LIMIT_DEFAULT = 20;
/** Texts are shown on terminals. */
const CONTROL_PATTERN = /\p{Cc}/u;
const LIMIT_PATTERN = /^[1-9][0-9]{0,3}$/;

/** No body and `{}` say: to whoever is furthest. */
export function readSwitchover(body: unknown): { readonly target: string | undefined } {
  if (body === undefined || body === null) return { target: undefined };
  return { target: readText(body, 'target', NAME_LENGTH_MAX) };
}

export function readPause(body: unknown): { readonly reason: string } {
  const reason = readText(body, 'reason', REASON_LENGTH_MAX);
  if (reason === undefined) throw inputProblem([requiredField('/reason')]);
  return { reason };
}

/** The only member of a body, where it is there. */
function readText(body: unknown, name: string, lengthMax: number): string | undefined {
  if (!isObject(body)) throw inputProblem([notAnObject('')]);
  const errors: InputError[] = [];
  const pointer = childPointer('', name);
  for (const other of Object.keys(body)) {
    if (other !== name) addError(errors, unknownField(childPointer('', other)));
  }
  const value = body[name];
  if (value !== undefined && typeof value !== 'string') {
    addError(errors, faultError(pointer, wrongType(value, 'a string')));
  } else if (value !== undefined && !isSayable(value, lengthMax)) {
    const detail = `It must have 1 to ${lengthMax} characters, none of them a control character.`;
    addError(errors, { pointer, code: 'field_out_of_range', detail });
  }
  refuse(errors);
  return value as string | undefined;
}

function isSayable(text: string, lengthMax: number): boolean {
  return text.trim() !== '' && text.length <= lengthMax && !CONTROL_PATTERN.test(text);
}

export function readTermsLimit({ limit }: { readonly limit?: string }): number {
  if (limit === undefined) return TERMS_LIMIT_DEFAULT;
  const number = LIMIT_PATTERN.test(limit) ? Number(limit) : 0;
  if (number >= 1 && number <= TERMS_LIMIT_MAX) return number;
  const detail = `It must be a whole number from 1 to ${TERMS_LIMIT_MAX}.`;
  throw inputProblem([{ parameter: 'limit', code: 'field_out_of_range', detail }]);
}
