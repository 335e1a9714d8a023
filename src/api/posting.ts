// Postings of several legs. The books know transfers between two accounts; a posting of 2 to 1,000
// legs becomes the transfers that lead from its debits to its credits, in the order given, as one
// linked chain: all or none. The same posting gives the same transfers with the same ids.

import { parseId } from '../base/ids.ts';
import { POSTING_LEGS_MAX } from '../base/limits.ts';
import { U128_MAX } from '../base/u128.ts';
import {
  TRANSFER_BYTES,
  TRANSFER_DEFAULTS,
  type Transfer,
  TransferFlag,
  decodeTransfer,
} from '../base/transfer-record.ts';
import { postingTransferId } from './derived-ids.ts';
import {
  type FieldFault,
  INPUT_ERRORS_MAX,
  addError,
  faultError,
  isObject,
  malformedId,
  notAnObject,
  refuse,
  requiredField,
  unknownField,
  wrongType,
} from './input-values.ts';
import { writeMember } from './input.ts';
import { type InputError, inputProblem } from './problems.ts';
import { childPointer } from './strict-json.ts';

export type Posting = { readonly id: string; readonly transfers: readonly Transfer[] };

type Leg = { readonly accountId: bigint; readonly side: 'debit' | 'credit'; amount: bigint };

const REQUIRED = ['id', 'ledger', 'code', 'legs'];
const LEG_REQUIRED = ['account_id', 'side', 'amount'];
const SHARED = ['ledger', 'code', 'user_data_128', 'user_data_64', 'user_data_32'] as const;

export function readPosting(body: unknown): Posting {
  const errors: InputError[] = [];
  if (!isObject(body)) throw inputProblem([notAnObject('')]);
  const record = new DataView(new ArrayBuffer(TRANSFER_BYTES));
  let id = 0n;
  let legs: readonly Leg[] = [];
  for (const [name, value] of Object.entries(body)) {
    const pointer = childPointer('', name);
    const shared = SHARED.find((known) => known === name);
    let fault: FieldFault | undefined;
    if (shared !== undefined) fault = writeMember(shared, record, value);
    else if (name === 'id') {
      const parsed = typeof value === 'string' ? parseId('posting', value) : undefined;
      if (parsed !== undefined) id = parsed;
      else if (typeof value !== 'string')
        fault = wrongType(value, 'a string: an id such as po_...');
      else fault = malformedId('posting');
    } else if (name === 'legs') legs = readLegs(value, errors);
    else addError(errors, unknownField(pointer));
    if (fault !== undefined) addError(errors, faultError(pointer, fault));
  }
  for (const name of REQUIRED) {
    if (!Object.hasOwn(body, name)) addError(errors, requiredField(`/${name}`));
  }
  refuse(errors);
  checkBalance(legs);
  const { ledger, code, userData128, userData64, userData32 } = decodeTransfer(record, 0);
  // The transfers of a posting are found by its id, unless the user has another use for the field.
  const given = Object.hasOwn(body, 'user_data_128');
  const shared = {
    ledger,
    code,
    userData128: given ? userData128 : id,
    userData64,
    userData32,
  };
  return { id: body['id'] as string, transfers: pairUp(id, legs, shared) };
}

function readLegs(value: unknown, errors: InputError[]): readonly Leg[] {
  if (!Array.isArray(value)) {
    addError(errors, faultError('/legs', wrongType(value, 'a list')));
    return [];
  }
  if (value.length < 2 || value.length > POSTING_LEGS_MAX) {
    const code = value.length < 2 ? 'batch_empty' : 'batch_too_large';
    const detail = `A posting has 2 to ${POSTING_LEGS_MAX} legs; this one has ${value.length}.`;
    addError(errors, { pointer: '/legs', code, detail });
    return [];
  }
  const legs: Leg[] = [];
  for (const [index, item] of value.entries()) {
    legs.push(readLeg(item, `/legs/${index}`, errors));
    if (errors.length >= INPUT_ERRORS_MAX) break;
  }
  return legs;
}

function readLeg(value: unknown, pointer: string, errors: InputError[]): Leg {
  const record = new DataView(new ArrayBuffer(TRANSFER_BYTES));
  let side: Leg['side'] = 'debit';
  if (!isObject(value)) {
    addError(errors, notAnObject(pointer));
    return { accountId: 0n, side, amount: 0n };
  }
  for (const [name, member] of Object.entries(value)) {
    const place = childPointer(pointer, name);
    let fault: FieldFault | undefined;
    if (name === 'account_id') fault = writeMember('debit_account_id', record, member);
    else if (name === 'amount') {
      fault = writeMember('amount', record, member);
      if (fault === undefined && member === '0') {
        fault = { code: 'field_out_of_range', detail: 'The amount of a leg is at least 1.' };
      }
    } else if (name === 'side') {
      if (member === 'debit' || member === 'credit') side = member;
      else if (typeof member !== 'string') fault = wrongType(member, '"debit" or "credit"');
      else fault = { code: 'field_out_of_range', detail: 'A side is "debit" or "credit".' };
    } else addError(errors, unknownField(place));
    if (fault !== undefined) addError(errors, faultError(place, fault));
  }
  for (const name of LEG_REQUIRED) {
    if (!Object.hasOwn(value, name)) addError(errors, requiredField(`${pointer}/${name}`));
  }
  const { debitAccountId, amount } = decodeTransfer(record, 0);
  return { accountId: debitAccountId, side, amount };
}

function checkBalance(legs: readonly Leg[]): void {
  const sums = { debit: 0n, credit: 0n };
  for (const { side, amount } of legs) sums[side] += amount;
  if (sums.debit === sums.credit && sums.debit <= U128_MAX) return;
  const equal = sums.debit === sums.credit;
  const detail = equal
    ? 'The sum of the legs passes 2^128 - 1.'
    : `The debits are ${sums.debit}, the credits ${sums.credit}; they must be equal.`;
  const code = equal ? 'amount_too_large' : 'posting_not_balanced';
  throw inputProblem([{ pointer: '/legs', code, detail }]);
}

/**
 * The first debit pays the first credit as far as both go; what is left of either goes on with the
 * next one. So there are fewer transfers than legs.
 */
function pairUp(posting: bigint, legs: readonly Leg[], shared: Partial<Transfer>): Transfer[] {
  const debits = legs.filter(({ side }) => side === 'debit').map((leg) => ({ ...leg }));
  const credits = legs.filter(({ side }) => side === 'credit').map((leg) => ({ ...leg }));
  const transfers: Transfer[] = [];
  let [d, c] = [0, 0];
  while (d < debits.length && c < credits.length) {
    const debit = debits[d]!;
    const credit = credits[c]!;
    const amount = debit.amount < credit.amount ? debit.amount : credit.amount;
    transfers.push({
      ...TRANSFER_DEFAULTS,
      ...shared,
      id: postingTransferId(posting, transfers.length),
      debitAccountId: debit.accountId,
      creditAccountId: credit.accountId,
      amount,
      flags: TransferFlag.linked,
    });
    debit.amount -= amount;
    credit.amount -= amount;
    if (debit.amount === 0n) d += 1;
    if (credit.amount === 0n) c += 1;
  }
  return unlinkLast(transfers);
}

/** The last transfer of a chain is not linked to anything. */
export function unlinkLast(transfers: readonly Transfer[]): Transfer[] {
  return transfers.map((transfer, index) =>
    index === transfers.length - 1 ? { ...transfer, flags: 0 } : transfer,
  );
}
