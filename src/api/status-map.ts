// The only place that knows HTTP statuses. Three closed lists are mapped, and the types make each
// map complete: refusals of the books, operational errors, and what this door itself refuses.
//
//   400 the request cannot be meant     409 it conflicts with what exists or with a hold's state
//   404 what it names does not exist    422 the rules of the books forbid it
//   429, 503 not now: try again after the time in Retry-After

import type { OperationalCode } from '../base/errors.ts';
import type { RefusalName } from '../domain/refusals.ts';

export const REFUSAL_STATUS: { readonly [Name in RefusalName]: number } = {
  linked_event_failed: 422,
  linked_event_chain_open: 400,
  timestamp_must_be_zero: 400,
  reserved_flag: 400,
  id_must_not_be_zero: 400,
  id_must_not_be_max: 400,
  id_expired: 422,
  id_from_the_future: 422,
  exists_with_different_flags: 409,
  exists_with_different_pending_id: 409,
  exists_with_different_timeout: 409,
  exists_with_different_debit_account_id: 409,
  exists_with_different_credit_account_id: 409,
  exists_with_different_amount: 409,
  exists_with_different_user_data_128: 409,
  exists_with_different_user_data_64: 409,
  exists_with_different_user_data_32: 409,
  exists_with_different_ledger: 409,
  exists_with_different_code: 409,
  exists: 200,
  id_already_failed: 409,
  flags_are_mutually_exclusive: 400,
  debit_account_id_must_not_be_zero: 400,
  debit_account_id_must_not_be_max: 400,
  credit_account_id_must_not_be_zero: 400,
  credit_account_id_must_not_be_max: 400,
  accounts_must_be_different: 422,
  pending_id_must_be_zero: 400,
  pending_id_must_not_be_zero: 400,
  pending_id_must_not_be_max: 400,
  pending_id_must_be_different: 400,
  timeout_reserved_for_pending_transfer: 400,
  amount_must_not_be_zero: 422,
  ledger_must_not_be_zero: 400,
  code_must_not_be_zero: 400,
  debit_account_not_found: 404,
  credit_account_not_found: 404,
  accounts_must_have_the_same_ledger: 422,
  transfer_must_have_the_same_ledger_as_accounts: 422,
  pending_transfer_not_found: 404,
  pending_transfer_not_pending: 409,
  pending_transfer_has_different_debit_account_id: 409,
  pending_transfer_has_different_credit_account_id: 409,
  pending_transfer_has_different_ledger: 409,
  pending_transfer_has_different_code: 409,
  exceeds_pending_transfer_amount: 422,
  pending_transfer_has_different_amount: 409,
  pending_transfer_already_posted: 409,
  pending_transfer_already_voided: 409,
  pending_transfer_expired: 409,
  overflows_debits_pending: 422,
  overflows_credits_pending: 422,
  overflows_debits_posted: 422,
  overflows_credits_posted: 422,
  overflows_debits: 422,
  overflows_credits: 422,
  overflows_timeout: 422,
  exceeds_credits: 422,
  exceeds_debits: 422,

  account_reserved_flag: 400,
  account_id_must_not_be_zero: 400,
  account_id_must_not_be_max: 400,
  account_exists_with_different_flags: 409,
  account_exists_with_different_user_data_128: 409,
  account_exists_with_different_user_data_64: 409,
  account_exists_with_different_user_data_32: 409,
  account_exists_with_different_ledger: 409,
  account_exists_with_different_code: 409,
  account_exists: 200,
  account_flags_are_mutually_exclusive: 400,
  account_ledger_must_not_be_zero: 400,
  account_code_must_not_be_zero: 400,
  account_ledger_not_found: 404,

  ledger_number_must_not_be_zero: 400,
  ledger_exists_with_different_currency: 409,
  ledger_exists_with_different_exponent: 409,
  ledger_exists: 200,
  ledger_currency_invalid: 400,
  ledger_exponent_invalid: 400,

  configuration_changed_meanwhile: 409,
  configuration_out_of_range: 422,
  configuration_rules_version_unknown: 422,

  command_malformed: 400,
  command_unknown: 400,
};

type Operational = { readonly status: number; readonly retryAfterSeconds: number };

/** Seconds of Retry-After: 1 where load passes by itself, more where somebody has to act. */
export const OPERATIONAL_STATUS: { readonly [Code in OperationalCode]: Operational } = {
  JOURNAL_FENCED: { status: 503, retryAfterSeconds: 1 },
  JOURNAL_UNKNOWN_OUTCOME: { status: 503, retryAfterSeconds: 1 },
  JOURNAL_FULL: { status: 503, retryAfterSeconds: 10 },
  JOURNAL_LOCKED: { status: 503, retryAfterSeconds: 10 },
  JOURNAL_CORRUPT: { status: 503, retryAfterSeconds: 60 },
  JOURNAL_DIVERGED: { status: 503, retryAfterSeconds: 60 },
  JOURNAL_FAILED: { status: 503, retryAfterSeconds: 10 },
  JOURNAL_CLOSED: { status: 503, retryAfterSeconds: 1 },
  CLOCK_JUMPED: { status: 503, retryAfterSeconds: 10 },
  OVERLOADED: { status: 429, retryAfterSeconds: 1 },
  SHUTTING_DOWN: { status: 503, retryAfterSeconds: 1 },
  NOT_READY: { status: 503, retryAfterSeconds: 1 },
  OUTCOME_UNKNOWN: { status: 503, retryAfterSeconds: 1 },
  CONFIGURATION_INVALID: { status: 500, retryAfterSeconds: 60 },
  DATA_FOLDER_UNUSABLE: { status: 503, retryAfterSeconds: 60 },
};

/** What the door itself refuses: nothing of the request has reached the books. */
export const API_STATUS = {
  // The body as a text.
  body_required: 400,
  json_not_utf8: 400,
  json_malformed: 400,
  json_too_deep: 400,
  json_lone_surrogate: 400,
  duplicate_key: 400,
  forbidden_key: 400,
  // Its members.
  unknown_field: 400,
  field_required: 400,
  field_wrong_type: 400,
  field_out_of_range: 400,
  id_malformed: 400,
  amount_must_be_string: 400,
  amount_negative: 400,
  amount_wrong_scale: 400,
  amount_too_large: 400,
  amount_malformed: 400,
  user_data_malformed: 400,
  flag_unknown: 400,
  flag_repeated: 400,
  batch_empty: 400,
  batch_too_large: 400,
  // The address.
  ledger_number_malformed: 400,
  query_parameter_unknown: 400,
  // The binary protocol's frames.
  frame_malformed: 400,
  frame_checksum_wrong: 400,
  frame_kind_unknown: 400,
  protocol_version_unsupported: 400,
  // The request as HTTP.
  request_malformed: 400,
  key_missing: 401,
  key_wrong: 401,
  route_not_found: 404,
  account_not_found: 404,
  transfer_not_found: 404,
  ledger_not_found: 404,
  method_not_allowed: 405,
  request_too_slow: 408,
  body_too_large: 413,
  address_too_long: 414,
  media_type_unsupported: 415,
  headers_too_large: 431,
  internal_error: 500,
} as const;

export type ApiCode = keyof typeof API_STATUS;

/** Codes that can stand in `errors`, with a pointer or the name of a path or query parameter. */
export type InputCode = {
  [Code in ApiCode]: (typeof API_STATUS)[Code] extends 400 ? Code : never;
}[ApiCode];
