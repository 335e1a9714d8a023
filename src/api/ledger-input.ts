// The definition of a ledger as a JSON body that names its number itself (the binary door; over
// HTTP the number stands in the address and the rest is validated by its schema, schemas.ts).

import type { LedgerInput } from '../domain/commands.ts';
import {
  U32_MAX,
  addError,
  faultError,
  integerFault,
  isObject,
  notAnObject,
  refuse,
  requiredField,
  unknownField,
  wrongType,
} from './input-values.ts';
import { type InputError, inputProblem } from './problems.ts';
import { CURRENCY_LENGTH_MAX } from './schemas.ts';
import { CURRENCY_EXPONENT_MAX } from '../base/limits.ts';
import { childPointer } from './strict-json.ts';

const MEMBERS = ['ledger', 'currency', 'exponent'] as const;

export function readLedgerDefinition(body: unknown): LedgerInput {
  if (!isObject(body)) throw inputProblem([notAnObject('')]);
  const errors: InputError[] = [];
  for (const name of Object.keys(body)) {
    if (!MEMBERS.some((member) => member === name)) {
      addError(errors, unknownField(childPointer('', name)));
    }
  }
  for (const name of MEMBERS) {
    if (!Object.hasOwn(body, name)) addError(errors, requiredField(`/${name}`));
  }
  refuse(errors);
  const { ledger, currency, exponent } = body;
  if (integerFault(ledger, U32_MAX) !== undefined) {
    const detail = 'A ledger number is 1 to 4,294,967,295.';
    addError(errors, { pointer: '/ledger', code: 'ledger_number_malformed', detail });
  }
  if (typeof currency !== 'string') {
    addError(errors, faultError('/currency', wrongType(currency, 'a string such as "EUR"')));
  } else if (currency.length > CURRENCY_LENGTH_MAX) {
    const detail = `It may have ${CURRENCY_LENGTH_MAX} characters.`;
    addError(errors, { pointer: '/currency', code: 'field_out_of_range', detail });
  }
  const exponentFault = Number.isInteger(exponent)
    ? integerFault(exponent, CURRENCY_EXPONENT_MAX)
    : wrongType(exponent, 'a whole number');
  if (exponentFault !== undefined) addError(errors, faultError('/exponent', exponentFault));
  refuse(errors);
  return body as LedgerInput;
}
