// From what the books hold to JSON. Transfers and accounts are written as text by hand: every value
// in them is of a closed alphabet (hex, digits, names of this file, currency codes), so nothing
// needs escaping, and the answer to a single transfer is one of the two hot paths of this door.

import type { Account } from '../base/account.ts';
import { formatId } from '../base/ids.ts';
import { TRANSFER_FLAGS_KNOWN } from '../base/transfer-record.ts';
import type { LedgerDefinition, TransferView } from '../domain/queries.ts';
import { CREATED, isSuccess, refusalByNumber } from '../domain/refusals.ts';
import { ACCOUNT_FLAG_BITS_SHOWN, TRANSFER_FLAG_BITS } from './input.ts';

/** The ledger of a failed transfer may not be defined: its currency is empty then. */
export function transferText(view: TransferView, currency: string): string {
  const { transfer } = view;
  const pendingId =
    transfer.pendingId === 0n ? 'null' : `"${formatId('transfer', transfer.pendingId)}"`;
  return (
    `{"id":"${formatId('transfer', transfer.id)}"` +
    `,"debit_account_id":"${formatId('account', transfer.debitAccountId)}"` +
    `,"credit_account_id":"${formatId('account', transfer.creditAccountId)}"` +
    `,"amount":"${transfer.amount}","currency":"${currency}"` +
    `,"ledger":${transfer.ledger},"code":${transfer.code}` +
    `,"flags":${TRANSFER_FLAGS_TEXT[transfer.flags & TRANSFER_FLAGS_KNOWN]!},"pending_id":${pendingId}` +
    `,"timeout_seconds":${transfer.timeoutSeconds}${userDataText(transfer)}` +
    `,"state":"${view.state}","hold":"${view.hold}","timestamp_ns":"${transfer.timestampNs}"}`
  );
}

export function accountText(account: Account, currency: string): string {
  return (
    `{"id":"${formatId('account', account.id)}"` +
    `,"ledger":${account.ledger},"currency":"${currency}"` +
    `,"code":${account.code},"flags":${ACCOUNT_FLAGS_TEXT[account.flags & 0x7f]!}` +
    userDataText(account) +
    `,"debits_pending":"${account.debitsPending}","debits_posted":"${account.debitsPosted}"` +
    `,"credits_pending":"${account.creditsPending}","credits_posted":"${account.creditsPosted}"` +
    `,"timestamp_ns":"${account.timestampNs}"}`
  );
}

export function ledgerText(definition: LedgerDefinition): string {
  const { ledger, currency, exponent } = definition;
  return JSON.stringify({ ledger, currency, exponent });
}

/** The answer to a batch: one result for each element, in the order of the request. */
export function batchText(position: number, ids: readonly string[], codes: Uint16Array): string {
  let text = `{"position":${position},"results":[`;
  for (let index = 0; index < ids.length; index++) {
    if (index > 0) text += ',';
    text += `{"id":"${ids[index]!}"${resultText(codes[index]!)}}`;
  }
  return `${text}]}`;
}

/** The answer to a posting: its id and what it has become. */
export function postingText(
  id: string,
  status: 'created' | 'exists',
  transfers: readonly string[],
): string {
  return `{"id":"${id}","status":"${status}","transfers":[${transfers.join(',')}]}`;
}

/** The answer to a lookup: what was found as texts, and the ids that were not. */
export function lookupText(
  position: number,
  name: 'accounts' | 'transfers',
  found: readonly string[],
  notFound: readonly string[],
): string {
  const missing = JSON.stringify(notFound);
  return `{"position":${position},"${name}":[${found.join(',')}],"not_found":${missing}}`;
}

const RESULT_TEXTS = new Map<number, string>();

function resultText(code: number): string {
  const known = RESULT_TEXTS.get(code);
  if (known !== undefined) return known;
  const made = makeResultText(code);
  RESULT_TEXTS.set(code, made);
  return made;
}

function makeResultText(code: number): string {
  if (code === CREATED) return ',"status":"created"';
  if (isSuccess(code)) return ',"status":"exists"';
  const { name, text } = refusalByNumber(code);
  return `,"status":"refused","code":"${name}","detail":${JSON.stringify(text)}`;
}

type UserData = {
  readonly userData128: bigint;
  readonly userData64: bigint;
  readonly userData32: number;
};

function userDataText(data: UserData): string {
  const hex = data.userData128 === 0n ? ZERO_HEX : data.userData128.toString(16).padStart(32, '0');
  return (
    `,"user_data_128":"${hex}","user_data_64":"${data.userData64}"` +
    `,"user_data_32":${data.userData32}`
  );
}

const ZERO_HEX = '0'.repeat(32);

/** The JSON list of names for every value of the known flag bits. */
const TRANSFER_FLAGS_TEXT = flagTexts(TRANSFER_FLAG_BITS, TRANSFER_FLAGS_KNOWN + 1);
const ACCOUNT_FLAGS_TEXT = flagTexts(ACCOUNT_FLAG_BITS_SHOWN, 0x80);

function flagTexts(bits: { readonly [name: string]: number }, count: number): readonly string[] {
  return Array.from({ length: count }, (_, flags) => {
    const names = Object.entries(bits).filter(([, bit]) => (flags & bit) !== 0);
    return JSON.stringify(names.map(([name]) => name));
  });
}
