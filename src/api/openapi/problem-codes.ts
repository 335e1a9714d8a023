// Which problems a request can be answered with, in groups: an operation names those that it can
// hear, and the document lists their codes under each status.

import { REFUSALS, type RefusalName } from '../../domain/refusals.ts';
import { refusalNames } from '../answer-schemas.ts';
import type { ProblemCode } from '../problems.ts';

/** Before anybody looks at the address: the request as HTTP. */
export const ANY_REQUEST: readonly ProblemCode[] = [
  'request_malformed',
  'request_too_slow',
  'headers_too_large',
];

/** An id or a number in the address. */
export const ADDRESSED: readonly ProblemCode[] = ['address_too_long'];

export const KEYED: readonly ProblemCode[] = [
  'key_missing',
  'key_wrong',
  'media_type_unsupported',
  'overloaded',
  'internal_error',
];

export const QUERIED: readonly ProblemCode[] = [
  'query_parameter_unknown',
  'query_parameter_repeated',
];

/** A body that may be left out; what is sent must be a JSON object all the same. */
export const OPTIONAL_BODY: readonly ProblemCode[] = [
  'json_not_utf8',
  'json_malformed',
  'json_too_deep',
  'json_lone_surrogate',
  'duplicate_key',
  'forbidden_key',
  'unknown_field',
  'field_wrong_type',
  'body_too_large',
];

export const BODY: readonly ProblemCode[] = ['body_required', ...OPTIONAL_BODY, 'field_required'];

export const BATCH: readonly ProblemCode[] = ['batch_empty', 'batch_too_large'];

export const AMOUNTS: readonly ProblemCode[] = [
  'amount_must_be_string',
  'amount_negative',
  'amount_wrong_scale',
  'amount_too_large',
  'amount_malformed',
];

/** The members that accounts and transfers have in common. */
export const RECORDS: readonly ProblemCode[] = [
  'id_malformed',
  'field_out_of_range',
  'user_data_malformed',
];

export const FLAGS: readonly ProblemCode[] = ['flag_unknown', 'flag_repeated'];

/** The books cannot be read: not restored yet, or not any more. */
export const READ: readonly ProblemCode[] = ['not_ready'];

/** A read that says how fresh it must be. */
export const FRESH: readonly ProblemCode[] = ['field_out_of_range', 'catch_up_timeout'];

/** What the ledger does not remember is asked of the history. */
export const HISTORY: readonly ProblemCode[] = ['history_incomplete', 'overloaded'];

/** A command that is admitted, numbered, made durable and applied. */
export const WRITE: readonly ProblemCode[] = [
  'overloaded',
  'not_ready',
  'shutting_down',
  'journal_full',
  'journal_closed',
  'journal_fenced',
  'journal_failed',
  'journal_corrupt',
  'journal_diverged',
  'journal_unknown_outcome',
  'clock_jumped',
  'outcome_unknown',
];

const NAMES_HAVE_NO_RESERVED: readonly RefusalName[] = ['reserved_flag', 'account_reserved_flag'];
/** Only beside others of the same batch. */
const BATCH_ONLY: readonly RefusalName[] = [
  'linked_event_failed',
  'imported_event_expected',
  'imported_event_not_expected',
  'account_imported_event_expected',
  'account_imported_event_not_expected',
];
const CHANGES_ONLY: readonly RefusalName[] = [
  'account_not_found',
  'account_flags_changed_meanwhile',
];

/** What the books can say to one transfer over HTTP. */
export const ONE_TRANSFER: readonly ProblemCode[] = refusalNames('transfer').filter(
  (name) => !NAMES_HAVE_NO_RESERVED.includes(name) && !BATCH_ONLY.includes(name),
);

/** To one account that is opened. */
export const ONE_ACCOUNT: readonly ProblemCode[] = refusalNames('account').filter(
  (name) =>
    !NAMES_HAVE_NO_RESERVED.includes(name) &&
    !BATCH_ONLY.includes(name) &&
    !CHANGES_ONLY.includes(name),
);

export const ONE_LEDGER: readonly ProblemCode[] = REFUSALS.filter(
  ({ name, subject }) =>
    subject === 'ledger' && name !== 'ledger_exists' && name !== 'ledger_exponent_invalid',
).map(({ name }) => name);

/** Holds, imports and what is derived: no posting and no revert says anything of them. */
const NOT_IN_CHAINS =
  /^(pending_|imported_|timeout_|closing_|timestamp_|flags_|linked_event_chain|overflows_timeout|exceeds_pending)/;

/** To the transfers that a posting has become, and to those that revert one. */
export const CHAIN: readonly ProblemCode[] = ONE_TRANSFER.filter(
  (name) => !NOT_IN_CHAINS.test(name),
);
