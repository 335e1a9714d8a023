// The words of the problem documents: for every code what to do about it, and for the codes of this
// door also what happened. The types make the tables complete; docs/reference/problems.md is
// generated from them (problems-page.ts).

import type { OperationalCode } from '../base/errors.ts';
import type { RefusalName } from '../domain/refusals.ts';
import type { ApiCode } from './status-map.ts';

export type ApiText = { readonly text: string; readonly action: string };

const CORRECT_FIELD =
  'Correct the member or the parameter that is named in errors and send the request again.';

export const API_TEXTS: { readonly [Code in ApiCode]: ApiText } = {
  body_required: {
    text: 'The request has no body.',
    action: 'Send a JSON object with Content-Type: application/json.',
  },
  json_not_utf8: { text: 'The body is not valid UTF-8.', action: 'Encode the body as UTF-8.' },
  json_malformed: { text: 'The body is not JSON.', action: 'Send one JSON object.' },
  json_too_deep: {
    text: 'The body is nested too deep.',
    action: 'Send the object as the reference shows it.',
  },
  json_lone_surrogate: {
    text: 'A string holds half a character (a lone surrogate).',
    action: 'Send whole Unicode characters.',
  },
  duplicate_key: {
    text: 'The same member stands twice in one object, so that it could be read in two ways.',
    action: 'Send each member once.',
  },
  forbidden_key: {
    text: 'A member has a name that is never allowed (__proto__, constructor, prototype).',
    action: 'Leave the member out.',
  },
  unknown_field: {
    text: 'There is no such member.',
    action: 'Check the spelling; leave out what the reference does not name.',
  },
  field_required: { text: 'A member is missing.', action: 'Add it and send the request again.' },
  field_wrong_type: { text: 'A member is of another JSON type.', action: CORRECT_FIELD },
  field_out_of_range: { text: 'A number or a text is out of its range.', action: CORRECT_FIELD },
  id_malformed: {
    text: 'An id is its prefix (tr_, acc_ or po_) and 32 lower-case hex digits.',
    action: CORRECT_FIELD,
  },
  amount_must_be_string: {
    text: 'Amounts are strings of minor units; JSON numbers lose digits in many programs.',
    action: 'Put the amount in quotes: "1250" is 12.50 in a currency with two decimals.',
  },
  amount_negative: {
    text: 'An amount cannot be negative.',
    action: 'To move money the other way, exchange the debit and the credit account.',
  },
  amount_wrong_scale: {
    text: 'Amounts are whole minor units; this one has decimals.',
    action: 'Multiply by the currency: 12.50 EUR is "1250".',
  },
  amount_too_large: { text: 'An amount is at most 2^128 - 1.', action: CORRECT_FIELD },
  amount_malformed: {
    text: 'An amount is decimal digits only, without sign, spaces or leading zeros.',
    action: CORRECT_FIELD,
  },
  user_data_malformed: {
    text: 'user_data_128 is 32 lower-case hex digits, user_data_64 a decimal string below 2^64.',
    action: CORRECT_FIELD,
  },
  flag_unknown: { text: 'There is no such flag.', action: CORRECT_FIELD },
  flag_repeated: { text: 'A flag is named twice.', action: CORRECT_FIELD },
  batch_empty: { text: 'A list holds at least one element.', action: 'Send at least one element.' },
  batch_too_large: {
    text: 'The list holds more elements than one request may.',
    action: 'Split it into several requests; linked transfers stay in one.',
  },
  posting_not_balanced: {
    text: 'The debits of the legs are not the sum of their credits.',
    action: 'Correct the amounts: both sides of a posting are equal.',
  },
  ledger_number_malformed: {
    text: 'A ledger number is 1 to 4,294,967,295, in decimal digits.',
    action: 'Correct the number in the address.',
  },
  query_parameter_unknown: {
    text: 'This address has no such query parameter.',
    action: 'Leave it out.',
  },
  query_parameter_repeated: {
    text: 'A query parameter is given more than once.',
    action: 'Give it once.',
  },
  cursor_malformed: {
    text: 'The cursor is not the next of a page.',
    action: 'Send next as it came, or begin again without a cursor.',
  },
  cursor_of_another_list: {
    text: 'The cursor belongs to a list with another filter or order.',
    action: 'Ask with the parameters of the page before, or begin again without a cursor.',
  },
  frame_malformed: {
    text: 'The bytes are not a frame of the binary protocol, or not at this place.',
    action: 'Check the client against docs/reference/protocol.md, and the port.',
  },
  frame_checksum_wrong: {
    text: 'The frame was damaged on its way: its checksum is wrong.',
    action: 'Connect again and send the same request with the same ids.',
  },
  frame_kind_unknown: {
    text: 'The binary protocol has no request of this kind.',
    action: 'Check the client against docs/reference/protocol.md.',
  },
  protocol_version_unsupported: {
    text: 'The client and this node speak no common version of the binary protocol.',
    action: 'Update the older of the two.',
  },
  request_malformed: {
    text: 'The request is not HTTP as this server understands it.',
    action: 'Check the client, or what stands between it and this server.',
  },
  key_missing: {
    text: 'The request carries no API key.',
    action: 'Send Authorization: Bearer <key>; the key was printed when the node first started.',
  },
  key_wrong: {
    text: 'The API key is not the one of this node.',
    action: 'Send the key that belongs to this node.',
  },
  route_not_found: {
    text: 'There is nothing at this address.',
    action: 'Check the path; the reference lists all of them.',
  },
  transfer_not_found: {
    text: 'No transfer with this id was accepted.',
    action:
      'Check the id; to learn whether a transfer of yours happened, send that again unchanged.',
  },
  ledger_not_found: {
    text: 'There is no ledger with this number.',
    action: 'Define it with PUT /v1/ledgers/{ledger}.',
  },
  views_off: {
    text: 'This node keeps no views, and reports are made from them.',
    action: 'Ask a node that runs with HOLDFAST_VIEWS=sqlite.',
  },
  method_not_allowed: {
    text: 'This address does not know that method.',
    action: 'Use one of the methods in the Allow header.',
  },
  transfer_not_reversible: {
    text: 'Only a transfer that moved money can be reverted: an immediate one, or the post of a hold.',
    action: 'Void a hold that is still held; revert the post of one that was posted.',
  },
  node_runs_alone: {
    text: 'This node runs alone: there is no cluster to look into or to steer.',
    action: 'Ask a node of a cluster; `holdfast up --nodes 3` starts one.',
  },
  request_too_slow: {
    text: 'The request did not arrive completely in time.',
    action: 'Send it again with the same ids.',
  },
  body_too_large: {
    text: 'The body is larger than this server takes.',
    action: 'Split the batch into several requests; linked transfers stay in one.',
  },
  address_too_long: {
    text: 'The address, or a part of it, is too long.',
    action: 'Check the path.',
  },
  media_type_unsupported: {
    text: 'The body is not declared as plain JSON.',
    action: 'Send Content-Type: application/json, and no Content-Encoding.',
  },
  headers_too_large: { text: 'The headers are too large.', action: 'Send fewer or shorter ones.' },
  internal_error: {
    text: 'The server failed in a way that it did not foresee.',
    action: 'Send the same request with the same ids again; report it with the request id.',
  },
};

const NEW_ID = 'When the reason has passed, send the transfer with a new id.';
const SAME_MEANING =
  'Read the transfer that exists; if another one is meant, give it an id of its own.';
const CORRECT_NEW_ID = 'Correct the request and send it again.';
const IMPORT_ORDER =
  'Import accounts before transfers, each oldest first, before anything else is done on the ledger.';
const ACCOUNT_EXISTS = 'Read the account that exists; if another one is meant, use another id.';

export const REFUSAL_ACTION: { readonly [Name in RefusalName]: string } = {
  linked_event_failed: 'See which transfer of the chain was refused, and why; mend that one.',
  linked_event_chain_open: 'Leave the linked flag off the last transfer of a chain.',
  imported_event_expected: 'Import all of a batch, or nothing of it.',
  imported_event_not_expected: 'Import all of a batch, or nothing of it.',
  timestamp_must_be_zero: 'Leave timestamp_ns out, or set imported.',
  imported_event_timestamp_out_of_range: 'Send timestamp_ns, in nanoseconds since 1970.',
  imported_event_timestamp_must_not_advance:
    'Correct the timestamp, or send it again with the same id when that time has come.',
  reserved_flag: CORRECT_NEW_ID,
  id_must_not_be_zero: CORRECT_NEW_ID,
  id_must_not_be_max: CORRECT_NEW_ID,
  id_expired:
    'Find out from your own books whether it was done; if certainly not, send it with a new id.',
  id_from_the_future: "Set the client's clock, or send it again later with the same id.",
  exists_with_different_flags: SAME_MEANING,
  exists_with_different_pending_id: SAME_MEANING,
  exists_with_different_timeout: SAME_MEANING,
  exists_with_different_debit_account_id: SAME_MEANING,
  exists_with_different_credit_account_id: SAME_MEANING,
  exists_with_different_amount: SAME_MEANING,
  exists_with_different_user_data_128: SAME_MEANING,
  exists_with_different_user_data_64: SAME_MEANING,
  exists_with_different_user_data_32: SAME_MEANING,
  exists_with_different_ledger: SAME_MEANING,
  exists_with_different_code: SAME_MEANING,
  exists_with_different_timestamp: SAME_MEANING,
  exists: 'Nothing: the wish was fulfilled before.',
  id_already_failed: 'If the transfer is still wanted, send it with a new id.',
  flags_are_mutually_exclusive:
    'Use one of pending, post_pending and void_pending; balancing and closing only without the last two.',
  debit_account_id_must_not_be_zero: CORRECT_NEW_ID,
  debit_account_id_must_not_be_max: CORRECT_NEW_ID,
  credit_account_id_must_not_be_zero: CORRECT_NEW_ID,
  credit_account_id_must_not_be_max: CORRECT_NEW_ID,
  accounts_must_be_different: 'Name two accounts.',
  pending_id_must_be_zero: 'Leave pending_id out, or set post_pending or void_pending.',
  pending_id_must_not_be_zero: 'Name the pending transfer in pending_id.',
  pending_id_must_not_be_max: 'Name the pending transfer in pending_id.',
  pending_id_must_be_different: 'Give the post or the void an id of its own.',
  timeout_reserved_for_pending_transfer: 'Leave timeout_seconds out, or set pending.',
  closing_transfer_must_be_pending: 'Set pending too.',
  amount_must_not_be_zero: 'Send the amount that is meant; a void may leave it out.',
  ledger_must_not_be_zero: CORRECT_NEW_ID,
  code_must_not_be_zero: CORRECT_NEW_ID,
  debit_account_not_found: `Open the account or correct its id. ${NEW_ID}`,
  credit_account_not_found: `Open the account or correct its id. ${NEW_ID}`,
  accounts_must_have_the_same_ledger: 'Use two accounts of one ledger.',
  transfer_must_have_the_same_ledger_as_accounts: "Send the accounts' ledger.",
  pending_transfer_not_found: `Check pending_id. ${NEW_ID}`,
  pending_transfer_not_pending: 'Check pending_id: that transfer was done at once.',
  pending_transfer_has_different_debit_account_id: 'Leave debit_account_id out, or correct it.',
  pending_transfer_has_different_credit_account_id: 'Leave credit_account_id out, or correct it.',
  pending_transfer_has_different_ledger: 'Leave ledger out, or correct it.',
  pending_transfer_has_different_code: 'Leave code out, or correct it.',
  exceeds_pending_transfer_amount: 'Post at most what is held; without amount all of it is posted.',
  pending_transfer_has_different_amount: 'Leave the amount of a void out.',
  pending_transfer_already_posted: 'Nothing can be posted or voided twice; read the hold.',
  pending_transfer_already_voided: 'Make a new transfer if the money is to move after all.',
  pending_transfer_expired: 'Make a new transfer if the money is to move after all.',
  imported_event_timestamp_must_not_regress: IMPORT_ORDER,
  imported_event_timestamp_must_postdate_debit_account: IMPORT_ORDER,
  imported_event_timestamp_must_postdate_credit_account: IMPORT_ORDER,
  imported_event_timeout_must_be_zero: 'Leave timeout_seconds out.',
  debit_account_already_closed: `Use another account, or void the transfer that closed it. ${NEW_ID}`,
  credit_account_already_closed: `Use another account, or void the transfer that closed it. ${NEW_ID}`,
  debit_account_frozen: `Find out why it was frozen; only then unfreeze it. ${NEW_ID}`,
  credit_account_frozen: `Find out why it was frozen; only then unfreeze it. ${NEW_ID}`,
  overflows_debits_pending: NEW_ID,
  overflows_credits_pending: NEW_ID,
  overflows_debits_posted: NEW_ID,
  overflows_credits_posted: NEW_ID,
  overflows_debits: NEW_ID,
  overflows_credits: NEW_ID,
  overflows_timeout: 'Use a shorter timeout.',
  exceeds_credits: `Bring money into the debit account, or move less. ${NEW_ID}`,
  exceeds_debits: NEW_ID,

  account_imported_event_expected: 'Import all of a batch, or nothing of it.',
  account_imported_event_not_expected: 'Import all of a batch, or nothing of it.',
  account_timestamp_must_be_zero: 'Leave timestamp_ns out, or set imported.',
  account_imported_event_timestamp_out_of_range: 'Send timestamp_ns, in nanoseconds since 1970.',
  account_imported_event_timestamp_must_not_advance:
    'Correct the timestamp, or send it again when that time has come.',
  account_reserved_flag: CORRECT_NEW_ID,
  account_id_must_not_be_zero: CORRECT_NEW_ID,
  account_id_must_not_be_max: CORRECT_NEW_ID,
  account_exists_with_different_flags: ACCOUNT_EXISTS,
  account_exists_with_different_user_data_128: ACCOUNT_EXISTS,
  account_exists_with_different_user_data_64: ACCOUNT_EXISTS,
  account_exists_with_different_user_data_32: ACCOUNT_EXISTS,
  account_exists_with_different_ledger: ACCOUNT_EXISTS,
  account_exists_with_different_code: ACCOUNT_EXISTS,
  account_exists_with_different_timestamp: ACCOUNT_EXISTS,
  account_exists: 'Nothing: the account is there.',
  account_flags_are_mutually_exclusive: 'Use one of the two limits.',
  account_ledger_must_not_be_zero: CORRECT_NEW_ID,
  account_code_must_not_be_zero: CORRECT_NEW_ID,
  account_ledger_not_found: 'Define the ledger with PUT /v1/ledgers/{ledger} first.',
  account_imported_event_timestamp_must_not_regress: IMPORT_ORDER,
  account_not_found: 'Check the id, or open the account first.',
  account_flags_changed_meanwhile: 'Read the account and decide again.',

  ledger_number_must_not_be_zero: CORRECT_NEW_ID,
  ledger_exists_with_different_currency: 'Use the ledger as it is, or another number.',
  ledger_exists_with_different_exponent: 'Use the ledger as it is, or another number.',
  ledger_exists: 'Nothing: the ledger is there.',
  ledger_currency_invalid: CORRECT_NEW_ID,
  ledger_exponent_invalid: CORRECT_NEW_ID,

  configuration_changed_meanwhile: 'Read the configuration again and repeat the change.',
  configuration_out_of_range: CORRECT_NEW_ID,
  configuration_rules_version_unknown: 'Update all nodes first.',

  command_malformed: 'Report it with the request id: this server wrote the command.',
  command_unknown: 'Update all nodes first.',
};

const SAME_IDS = 'Send the same request with the same ids again.';

export const OPERATIONAL_ACTION: { readonly [Code in OperationalCode]: string } = {
  JOURNAL_FENCED: `${SAME_IDS} Another node leads now.`,
  JOURNAL_UNKNOWN_OUTCOME: SAME_IDS,
  JOURNAL_FULL:
    'Make room on the disk; the node goes on by itself. Reading works meanwhile. Then send the request again.',
  JOURNAL_LOCKED: 'Stop the other process that uses this data folder.',
  JOURNAL_CORRUPT: 'Operator: see the log of the node for file, position and way out.',
  JOURNAL_DIVERGED: 'Operator: see the log of the node for position and way out.',
  JOURNAL_FAILED: `The node must be started again by its operator. ${SAME_IDS}`,
  JOURNAL_UNAVAILABLE: SAME_IDS,
  JOURNAL_UNSAFE: 'Operator: see the log of the node for the settings and what they must be.',
  JOURNAL_CLOSED: SAME_IDS,
  CLOCK_JUMPED:
    "Set the machine's clock right; the node goes on by itself. Reading works meanwhile.",
  OVERLOADED: 'Send the same request again after the time in Retry-After.',
  SHUTTING_DOWN: 'Send the same request again when the node is back, or to another node.',
  NOT_READY: 'Send the same request again after the time in Retry-After.',
  CATCH_UP_TIMEOUT:
    'Ask again, or ask another node: this one is behind or has no leader now. Payments are not concerned.',
  SWITCHOVER_REFUSED: 'Operator: see what the detail names, mend it, and ask again.',
  HISTORY_INCOMPLETE:
    'Ask again after the time in Retry-After: the node is rebuilding its history. Balances and payments are not concerned.',
  VIEWS_INCOMPLETE:
    'Ask again after the time in Retry-After: the node is building its views. Balances, lists and payments are not concerned.',
  VIEWS_UNUSABLE:
    'Ask again after the time in Retry-After: the node throws its views away and builds them again. Balances, lists and payments are not concerned.',
  CHECKPOINT_FAILED:
    'Nothing: the node tries again by itself, and payments go on. See its log; usually a disk is full.',
  CHECKPOINT_CORRUPT: 'Operator: run `holdfast checkpoint verify`, then take a new checkpoint.',
  OUTCOME_UNKNOWN: `${SAME_IDS} If it was done the answer is "exists".`,
  CONFIGURATION_INVALID: 'Operator: correct the configuration.',
  DATA_FOLDER_UNUSABLE: 'Operator: see the log of the node.',
};
