// Single values of a JSON body: what each must be, and what is said when it is not.

import { ID_PREFIX, type IdKind } from '../base/ids.ts';
import type { MoneyFault } from '../base/money.ts';
import { type InputError, inputProblem } from './problems.ts';
import type { InputCode } from './status-map.ts';
import { childPointer } from './strict-json.ts';

/** After so many faults the rest of a body is not looked at. */
export const INPUT_ERRORS_MAX = 16;

export const U16_MAX = 0xffff;
export const U32_MAX = 0xffff_ffff;
export const U64_MAX = 0xffff_ffff_ffff_ffffn;
export const HEX_128_PATTERN = /^[0-9a-f]{32}$/;
export const HEX_DIGITS = 32;
const U64_TEXT_PATTERN = /^(0|[1-9][0-9]{0,19})$/;

/** -1 for what is not a lower-case hex digit, by character code below 128. */
const HEX_VALUES = new Int8Array(128).fill(-1);
for (let value = 0; value < 16; value++) HEX_VALUES[value.toString(16).charCodeAt(0)] = value;

export type JsonObject = { readonly [name: string]: unknown };

/** What is wrong with the value of a member; `index` names the element of a list. */
export type FieldFault = {
  readonly code: InputCode;
  readonly detail: string;
  readonly index?: number;
};

export function amountTypeFault(value: unknown): FieldFault {
  if (typeof value !== 'number') return wrongType(value, 'a string of minor units, such as "1250"');
  return {
    code: 'amount_must_be_string',
    detail: 'The amount is a JSON number; it must be a string of minor units, such as "1250".',
  };
}

export function amountFault(text: string, fault: MoneyFault): FieldFault {
  if (/^-[0-9]/.test(text)) {
    return { code: 'amount_negative', detail: 'The amount is negative.' };
  }
  if (fault === 'too_many_decimals') {
    const detail = 'The amount has decimals; it must be whole minor units (12.50 is "1250").';
    return { code: 'amount_wrong_scale', detail };
  }
  // The pattern of amounts ends at 39 digits: what has more is a number, only too large. Looked at
  // for what is no digit, because a pattern that repeats over megabytes exhausts the stack.
  if (fault === 'too_large' || (/^[1-9]/.test(text) && text.length > 39 && !/[^0-9]/.test(text))) {
    return { code: 'amount_too_large', detail: 'The amount is larger than 2^128 - 1.' };
  }
  return { code: 'amount_malformed', detail: 'The amount is not a string of decimal digits.' };
}

export function readFlags(
  value: unknown,
  bits: { readonly [name: string]: number },
): number | FieldFault {
  if (!Array.isArray(value)) return wrongType(value, 'a list of flag names');
  let flags = 0;
  for (const [index, name] of value.entries()) {
    if (typeof name !== 'string' || !Object.hasOwn(bits, name)) {
      const detail = `The flags are ${Object.keys(bits).join(', ')}.`;
      return { code: 'flag_unknown', detail, index };
    }
    const bit = bits[name]!;
    if ((flags & bit) !== 0) return { code: 'flag_repeated', detail: 'Named before.', index };
    flags |= bit;
  }
  return flags;
}

/** Writes 32 hex digits of `text`, from `from`, as 16 bytes; false when one is not such a digit. */
export function writeHex(record: DataView, offset: number, text: string, from: number): boolean {
  for (let word = 0; word < 4; word++) {
    let value = 0;
    for (let digit = 0; digit < 8; digit++) {
      const half = HEX_VALUES[text.charCodeAt(from + word * 8 + digit)] ?? -1;
      if (half < 0) return false;
      value = (value << 4) | half;
    }
    record.setUint32(offset + word * 4, value, false);
  }
  return true;
}

export function integerFault(value: unknown, max: number): FieldFault | undefined {
  if (typeof value !== 'number') return wrongType(value, 'a number');
  if (Number.isInteger(value) && value >= 0 && value <= max) return undefined;
  return { code: 'field_out_of_range', detail: `It must be a whole number from 0 to ${max}.` };
}

export function userData64Fault(value: unknown): FieldFault | undefined {
  if (typeof value !== 'string') return wrongType(value, 'a string of decimal digits');
  if (U64_TEXT_PATTERN.test(value) && BigInt(value) <= U64_MAX) return undefined;
  const detail = 'It must be a decimal number below 2^64, without sign or leading zeros.';
  return { code: 'user_data_malformed', detail };
}

export function timestampFault(value: unknown): FieldFault | undefined {
  if (typeof value !== 'string') return wrongType(value, 'a string of nanoseconds since 1970');
  if (U64_TEXT_PATTERN.test(value) && BigInt(value) <= U64_MAX) return undefined;
  const detail = 'It must be a decimal number below 2^64, without sign or leading zeros.';
  return { code: 'field_out_of_range', detail };
}

export function malformedUserData128(): FieldFault {
  return { code: 'user_data_malformed', detail: 'It must be 32 lower-case hex digits.' };
}

export function malformedId(kind: IdKind): FieldFault {
  const detail = `It must be ${ID_PREFIX[kind]} and 32 lower-case hex digits.`;
  return { code: 'id_malformed', detail };
}

export function wrongType(value: unknown, wanted: string): FieldFault {
  return { code: 'field_wrong_type', detail: `It is ${jsonType(value)}; it must be ${wanted}.` };
}

function jsonType(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

export function notAnObject(pointer: string): InputError {
  return { pointer, code: 'field_wrong_type', detail: 'A JSON object belongs here.' };
}

export function unknownField(pointer: string): InputError {
  return { pointer, code: 'unknown_field', detail: 'There is no such member.' };
}

export function requiredField(pointer: string): InputError {
  return { pointer, code: 'field_required', detail: 'This member is missing.' };
}

export function faultError(pointer: string, fault: FieldFault): InputError {
  const place = fault.index === undefined ? pointer : childPointer(pointer, fault.index);
  return { pointer: place, code: fault.code, detail: fault.detail };
}

export function addError(errors: InputError[], error: InputError): void {
  if (errors.length < INPUT_ERRORS_MAX) errors.push(error);
}

export function refuse(errors: readonly InputError[]): void {
  if (errors.length > 0) throw inputProblem(errors);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
