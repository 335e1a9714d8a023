// Why the books refuse something: values, not exceptions. One closed list.
//
// `number` is stored in digests and sent on the wire: it is never changed and never reused, new
// ones are appended. Transfers' and accounts' refusals stand in order of precedence: of several
// reasons the first in the list is the answer (docs/reference/ledger-rules.md says each check).
//
// `transient` means: the same transfer could be accepted in a later state of the books. The answer
// "refused" must stay true whatever arrives late, so the id of a transfer refused for a transient
// reason is remembered as failed and never executes (`id_already_failed`); use a new id.

import { TRANSIENT, define } from './refusal.ts';

export const REFUSALS = [
  define(
    1,
    'transfer',
    'linked_event_failed',
    'Another transfer of the same linked chain was refused, so none of the chain happened.',
  ),
  define(
    2,
    'transfer',
    'linked_event_chain_open',
    'The last transfer of a batch may not be linked to a next one.',
  ),
  define(
    60,
    'transfer',
    'imported_event_expected',
    'The first transfer of the batch is imported, so all of it must be; this one is not.',
  ),
  define(
    61,
    'transfer',
    'imported_event_not_expected',
    'The first transfer of the batch is not imported, so none of it may be; this one is.',
  ),
  define(
    3,
    'transfer',
    'timestamp_must_be_zero',
    'The timestamp is set by the ledger; a request carries zero.',
  ),
  define(
    62,
    'transfer',
    'imported_event_timestamp_out_of_range',
    'The timestamp of an imported transfer is 1 to 2^63 - 1 nanoseconds since 1970.',
  ),
  define(
    63,
    'transfer',
    'imported_event_timestamp_must_not_advance',
    "An imported transfer has a timestamp of the past; this one is later than the ledger's time.",
  ),
  define(4, 'transfer', 'reserved_flag', 'A flag bit is set that has no meaning.'),
  define(5, 'transfer', 'id_must_not_be_zero', 'A transfer id may not be 0.'),
  define(6, 'transfer', 'id_must_not_be_max', 'A transfer id may not be 2^128 - 1.'),
  define(
    7,
    'transfer',
    'id_expired',
    'The id is older than what the ledger remembers, so it is not executed; if it was executed before, it stays so.',
  ),
  define(
    8,
    'transfer',
    'id_from_the_future',
    "The id's time is more than 5 minutes ahead of the ledger's time; nothing happened, and the id can be used when its time has come.",
  ),
  define(
    9,
    'transfer',
    'exists_with_different_flags',
    'A transfer with this id exists and has other flags.',
  ),
  define(
    10,
    'transfer',
    'exists_with_different_pending_id',
    'A transfer with this id exists and has another pending id.',
  ),
  define(
    11,
    'transfer',
    'exists_with_different_timeout',
    'A transfer with this id exists and has another timeout.',
  ),
  define(
    12,
    'transfer',
    'exists_with_different_debit_account_id',
    'A transfer with this id exists and debits another account.',
  ),
  define(
    13,
    'transfer',
    'exists_with_different_credit_account_id',
    'A transfer with this id exists and credits another account.',
  ),
  define(
    14,
    'transfer',
    'exists_with_different_amount',
    'A transfer with this id exists and has another amount.',
  ),
  define(
    15,
    'transfer',
    'exists_with_different_user_data_128',
    'A transfer with this id exists and has other user data (128 bits).',
  ),
  define(
    16,
    'transfer',
    'exists_with_different_user_data_64',
    'A transfer with this id exists and has other user data (64 bits).',
  ),
  define(
    17,
    'transfer',
    'exists_with_different_user_data_32',
    'A transfer with this id exists and has other user data (32 bits).',
  ),
  define(
    18,
    'transfer',
    'exists_with_different_ledger',
    'A transfer with this id exists and is of another ledger.',
  ),
  define(
    19,
    'transfer',
    'exists_with_different_code',
    'A transfer with this id exists and has another code.',
  ),
  define(
    64,
    'transfer',
    'exists_with_different_timestamp',
    'A transfer with this id exists and was imported with another timestamp.',
  ),
  define(
    20,
    'transfer',
    'exists',
    'The very same transfer was accepted before; it was not done again.',
  ),
  define(
    21,
    'transfer',
    'id_already_failed',
    'A transfer with this id was refused before for a reason that may have passed; it stays refused, use a new id.',
  ),
  define(
    22,
    'transfer',
    'flags_are_mutually_exclusive',
    'A transfer is at most one of pending, post pending and void pending.',
  ),
  define(23, 'transfer', 'debit_account_id_must_not_be_zero', 'The debit account id may not be 0.'),
  define(
    24,
    'transfer',
    'debit_account_id_must_not_be_max',
    'The debit account id may not be 2^128 - 1.',
  ),
  define(
    25,
    'transfer',
    'credit_account_id_must_not_be_zero',
    'The credit account id may not be 0.',
  ),
  define(
    26,
    'transfer',
    'credit_account_id_must_not_be_max',
    'The credit account id may not be 2^128 - 1.',
  ),
  define(27, 'transfer', 'accounts_must_be_different', 'An account cannot pay itself.'),
  define(
    28,
    'transfer',
    'pending_id_must_be_zero',
    'Only a post or a void names a pending transfer.',
  ),
  define(
    29,
    'transfer',
    'pending_id_must_not_be_zero',
    'A post or a void names the pending transfer that it resolves.',
  ),
  define(30, 'transfer', 'pending_id_must_not_be_max', 'A pending id may not be 2^128 - 1.'),
  define(31, 'transfer', 'pending_id_must_be_different', 'A transfer cannot resolve itself.'),
  define(
    32,
    'transfer',
    'timeout_reserved_for_pending_transfer',
    'Only a pending transfer has a timeout.',
  ),
  define(
    65,
    'transfer',
    'closing_transfer_must_be_pending',
    'A transfer that closes an account is a pending one, so that the closing can be undone by voiding it.',
  ),
  define(33, 'transfer', 'amount_must_not_be_zero', 'The amount may not be 0.'),
  define(34, 'transfer', 'ledger_must_not_be_zero', 'The ledger may not be 0.'),
  define(35, 'transfer', 'code_must_not_be_zero', 'The code may not be 0.'),
  define(36, 'transfer', 'debit_account_not_found', 'The debit account does not exist.', TRANSIENT),
  define(
    37,
    'transfer',
    'credit_account_not_found',
    'The credit account does not exist.',
    TRANSIENT,
  ),
  define(
    38,
    'transfer',
    'accounts_must_have_the_same_ledger',
    'The two accounts are of different ledgers.',
  ),
  define(
    39,
    'transfer',
    'transfer_must_have_the_same_ledger_as_accounts',
    "The transfer's ledger is not the accounts' ledger.",
  ),
  define(
    40,
    'transfer',
    'pending_transfer_not_found',
    'There is no pending transfer with this pending id.',
    TRANSIENT,
  ),
  define(
    41,
    'transfer',
    'pending_transfer_not_pending',
    'The transfer with this pending id is not a pending one.',
  ),
  define(
    42,
    'transfer',
    'pending_transfer_has_different_debit_account_id',
    'The pending transfer debits another account.',
  ),
  define(
    43,
    'transfer',
    'pending_transfer_has_different_credit_account_id',
    'The pending transfer credits another account.',
  ),
  define(
    44,
    'transfer',
    'pending_transfer_has_different_ledger',
    'The pending transfer is of another ledger.',
  ),
  define(
    45,
    'transfer',
    'pending_transfer_has_different_code',
    'The pending transfer has another code.',
  ),
  define(46, 'transfer', 'exceeds_pending_transfer_amount', 'More would be posted than is held.'),
  define(
    47,
    'transfer',
    'pending_transfer_has_different_amount',
    'A void releases the whole hold: its amount is 0 or exactly what is held.',
  ),
  define(
    48,
    'transfer',
    'pending_transfer_already_posted',
    'The pending transfer has been posted already.',
  ),
  define(
    49,
    'transfer',
    'pending_transfer_already_voided',
    'The pending transfer has been voided already.',
  ),
  define(
    50,
    'transfer',
    'pending_transfer_expired',
    'The pending transfer has expired; its hold is released.',
  ),
  define(
    66,
    'transfer',
    'imported_event_timestamp_must_not_regress',
    'The ledger has a transfer with the same or a later timestamp; imported ones come in the order of their time, before all others.',
  ),
  define(
    67,
    'transfer',
    'imported_event_timestamp_must_postdate_debit_account',
    'The imported transfer is not later than its debit account.',
  ),
  define(
    68,
    'transfer',
    'imported_event_timestamp_must_postdate_credit_account',
    'The imported transfer is not later than its credit account.',
  ),
  define(
    69,
    'transfer',
    'imported_event_timeout_must_be_zero',
    'An imported pending transfer has no timeout: its time is the past.',
  ),
  define(70, 'transfer', 'debit_account_already_closed', 'The debit account is closed.', TRANSIENT),
  define(
    71,
    'transfer',
    'credit_account_already_closed',
    'The credit account is closed.',
    TRANSIENT,
  ),
  define(72, 'transfer', 'debit_account_frozen', 'The debit account is frozen.', TRANSIENT),
  define(73, 'transfer', 'credit_account_frozen', 'The credit account is frozen.', TRANSIENT),
  define(
    51,
    'transfer',
    'overflows_debits_pending',
    "The debit account's pending debits would pass 2^128 - 1.",
    TRANSIENT,
  ),
  define(
    52,
    'transfer',
    'overflows_credits_pending',
    "The credit account's pending credits would pass 2^128 - 1.",
    TRANSIENT,
  ),
  define(
    53,
    'transfer',
    'overflows_debits_posted',
    "The debit account's posted debits would pass 2^128 - 1.",
    TRANSIENT,
  ),
  define(
    54,
    'transfer',
    'overflows_credits_posted',
    "The credit account's posted credits would pass 2^128 - 1.",
    TRANSIENT,
  ),
  define(
    55,
    'transfer',
    'overflows_debits',
    "The debit account's debits, pending and posted together, would pass 2^128 - 1.",
    TRANSIENT,
  ),
  define(
    56,
    'transfer',
    'overflows_credits',
    "The credit account's credits, pending and posted together, would pass 2^128 - 1.",
    TRANSIENT,
  ),
  define(
    57,
    'transfer',
    'overflows_timeout',
    'The hold would expire after the end of 64-bit time.',
  ),
  define(
    58,
    'transfer',
    'exceeds_credits',
    'The debit account may not be debited beyond its posted credits (not enough money).',
    TRANSIENT,
  ),
  define(
    59,
    'transfer',
    'exceeds_debits',
    'The credit account may not be credited beyond its posted debits.',
    TRANSIENT,
  ),

  define(
    115,
    'account',
    'account_imported_event_expected',
    'The first account of the batch is imported, so all of it must be; this one is not.',
  ),
  define(
    116,
    'account',
    'account_imported_event_not_expected',
    'The first account of the batch is not imported, so none of it may be; this one is.',
  ),
  define(
    117,
    'account',
    'account_timestamp_must_be_zero',
    'Only an imported account carries a timestamp.',
  ),
  define(
    118,
    'account',
    'account_imported_event_timestamp_out_of_range',
    'The timestamp of an imported account is 1 to 2^63 - 1 nanoseconds since 1970.',
  ),
  define(
    119,
    'account',
    'account_imported_event_timestamp_must_not_advance',
    "An imported account has a timestamp of the past; this one is later than the ledger's time.",
  ),
  define(
    101,
    'account',
    'account_reserved_flag',
    'An account flag bit is set that has no meaning.',
  ),
  define(102, 'account', 'account_id_must_not_be_zero', 'An account id may not be 0.'),
  define(103, 'account', 'account_id_must_not_be_max', 'An account id may not be 2^128 - 1.'),
  define(
    104,
    'account',
    'account_exists_with_different_flags',
    'An account with this id exists and has other flags.',
  ),
  define(
    105,
    'account',
    'account_exists_with_different_user_data_128',
    'An account with this id exists and has other user data (128 bits).',
  ),
  define(
    106,
    'account',
    'account_exists_with_different_user_data_64',
    'An account with this id exists and has other user data (64 bits).',
  ),
  define(
    107,
    'account',
    'account_exists_with_different_user_data_32',
    'An account with this id exists and has other user data (32 bits).',
  ),
  define(
    108,
    'account',
    'account_exists_with_different_ledger',
    'An account with this id exists and is of another ledger.',
  ),
  define(
    109,
    'account',
    'account_exists_with_different_code',
    'An account with this id exists and has another code.',
  ),
  define(
    120,
    'account',
    'account_exists_with_different_timestamp',
    'An account with this id exists and was imported with another timestamp.',
  ),
  define(110, 'account', 'account_exists', 'The very same account was opened before.'),
  define(
    111,
    'account',
    'account_flags_are_mutually_exclusive',
    'An account cannot limit both its debits and its credits.',
  ),
  define(112, 'account', 'account_ledger_must_not_be_zero', "An account's ledger may not be 0."),
  define(113, 'account', 'account_code_must_not_be_zero', "An account's code may not be 0."),
  define(
    114,
    'account',
    'account_ledger_not_found',
    "The account's ledger has not been defined.",
    TRANSIENT,
  ),
  define(
    121,
    'account',
    'account_imported_event_timestamp_must_not_regress',
    'The ledger has an account with the same or a later timestamp; imported ones come in the order of their time, before all others.',
  ),
  define(122, 'account', 'account_not_found', 'There is no account with this id.', TRANSIENT),
  define(
    123,
    'account',
    'account_flags_changed_meanwhile',
    'The account is not in the state that the change was made for; nothing was changed.',
  ),

  define(201, 'ledger', 'ledger_number_must_not_be_zero', 'A ledger number is 1 to 4,294,967,295.'),
  define(
    202,
    'ledger',
    'ledger_exists_with_different_currency',
    'The ledger is defined with another currency.',
  ),
  define(
    203,
    'ledger',
    'ledger_exists_with_different_exponent',
    'The ledger is defined with another number of decimals.',
  ),
  define(204, 'ledger', 'ledger_exists', 'The ledger was defined just so before.'),
  define(
    205,
    'ledger',
    'ledger_currency_invalid',
    'A currency or asset code is 1 to 16 of A-Z, 0-9 and _.',
  ),
  define(206, 'ledger', 'ledger_exponent_invalid', 'A currency has 0 to 18 decimals.'),

  define(
    301,
    'configuration',
    'configuration_changed_meanwhile',
    'The configuration is not at the version that the change was made for; nothing was changed.',
  ),
  define(
    302,
    'configuration',
    'configuration_out_of_range',
    'A value of the configuration is out of its range; nothing was changed.',
  ),
  define(
    303,
    'configuration',
    'configuration_rules_version_unknown',
    'This release does not know that version of the rules; nothing was changed.',
  ),

  define(401, 'command', 'command_malformed', 'The command could not be read; nothing happened.'),
  define(
    402,
    'command',
    'command_unknown',
    'The command is of a kind that these rules do not know; nothing happened.',
  ),
] as const;

export type RefusalName = (typeof REFUSALS)[number]['name'];

/** Number 0 in outcome codes: done. */
export const CREATED = 0;

const BY_NUMBER = new Map<number, (typeof REFUSALS)[number]>(
  REFUSALS.map((refusal) => [refusal.number, refusal]),
);

/** `REFUSAL.exists` is the number 20: what kernels write into outcome codes. */
export const REFUSAL = Object.fromEntries(
  REFUSALS.map((refusal) => [refusal.name, refusal.number]),
) as { readonly [Name in RefusalName]: number };

export function refusalByNumber(number: number): (typeof REFUSALS)[number] {
  const refusal = BY_NUMBER.get(number);
  if (refusal === undefined) throw new RangeError(`no refusal has the number ${number}`);
  return refusal;
}

/** Accepted now, or accepted before as exactly the same: the caller's wish holds. */
export function isSuccess(number: number): boolean {
  return (
    number === CREATED ||
    number === REFUSAL.exists ||
    number === REFUSAL.account_exists ||
    number === REFUSAL.ledger_exists
  );
}

/** Indexed by refusal number; 1 where the id is burnt. Typed for the hot path. */
export const TRANSIENT_BY_NUMBER: Uint8Array = (() => {
  const table = new Uint8Array(512);
  for (const refusal of REFUSALS) table[refusal.number] = refusal.transient ? 1 : 0;
  return table;
})();
