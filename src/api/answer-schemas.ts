// The shapes of all answers but accounts and transfers (schemas.ts, query-schemas.ts) as JSON
// Schema. Nothing is validated or written with them: answers are written by hand (output.ts and its
// neighbours), the OpenAPI document is made from these, and a test holds the two together.

import { type TSchema, Type } from 'typebox';
import { REFUSALS, type RefusalName } from '../domain/refusals.ts';
import type { NodeRole } from '../engine/contract.ts';
import {
  AccountAnswer,
  AccountId,
  MinorUnits,
  PostingId,
  TransferAnswer,
  TransferId,
  U32,
} from './schemas.ts';

const STRICT = { additionalProperties: false } as const;

const Count = Type.Integer({ minimum: 0 });
export const Position = Type.Integer({
  minimum: 0,
  description: 'A position of the journal: gap-free, from 1; 0 = before the first.',
});
const Text = Type.String();
const Time = Type.String({ format: 'date-time', description: 'RFC 3339, UTC.' });
const Milliseconds = Type.Number({ description: 'Milliseconds.' });
const Url = orNull(Type.String({ description: 'Null where the node has told none.' }));

function orNull<Schema extends TSchema>(schema: Schema) {
  return Type.Union([schema, Type.Null()]);
}

function oneOf(words: readonly string[]) {
  return Type.Union(words.map((word) => Type.Literal(word)));
}

const ROLES: { readonly [Role in NodeRole]: true } = {
  starting: true,
  recovering: true,
  following: true,
  leading: true,
  draining: true,
  halted: true,
  stopped: true,
};
export const Role = oneOf(Object.keys(ROLES));

export const LedgerAnswer = Type.Object(
  {
    ledger: U32,
    currency: Type.String({ pattern: '^[A-Z0-9_]{1,16}$', description: 'ISO 4217, or your own.' }),
    exponent: Type.Integer({ minimum: 0, maximum: 18, description: 'Decimals of the currency.' }),
  },
  STRICT,
);

export const LedgerList = Type.Object({ ledgers: Type.Array(LedgerAnswer) }, STRICT);

/** What a batch says of one element; `code` and `detail` only where it was refused. */
function resultOf(id: TSchema, subject: 'account' | 'transfer') {
  return Type.Object(
    {
      id,
      status: oneOf(['created', 'exists', 'refused']),
      code: Type.Optional(oneOf(refusalNames(subject))),
      detail: Type.Optional(Text),
    },
    STRICT,
  );
}

/** `exists` is no refusal there: it is a status. */
export function refusalNames(subject: 'account' | 'transfer'): readonly RefusalName[] {
  return REFUSALS.filter(
    ({ name, subject: of }) => of === subject && name !== 'exists' && name !== 'account_exists',
  ).map(({ name }) => name);
}

export const AccountResult = resultOf(AccountId, 'account');
export const TransferResult = resultOf(TransferId, 'transfer');
export const AccountResults = Type.Object(
  { position: Position, results: Type.Array(AccountResult) },
  STRICT,
);
export const TransferResults = Type.Object(
  { position: Position, results: Type.Array(TransferResult) },
  STRICT,
);

export const FoundAccounts = Type.Object(
  { position: Position, accounts: Type.Array(AccountAnswer), not_found: Type.Array(AccountId) },
  STRICT,
);
export const FoundTransfers = Type.Object(
  { position: Position, transfers: Type.Array(TransferAnswer), not_found: Type.Array(TransferId) },
  STRICT,
);

export const PostingAnswer = Type.Object(
  { id: PostingId, status: oneOf(['created', 'exists']), transfers: Type.Array(TransferAnswer) },
  STRICT,
);

export const CheckpointTakenAnswer = Type.Object(
  {
    position: Position,
    created: Time,
    duration_ms: Milliseconds,
    longest_slice_ms: Milliseconds,
    bytes: Count,
    bytes_written: Count,
    chunks: Count,
    chunks_written: Count,
  },
  STRICT,
);

export const StoredCheckpoint = Type.Object(
  {
    position: Position,
    epoch: Count,
    created: Time,
    release: Text,
    bytes: Count,
    chunks: Count,
    transfers_accepted: Count,
  },
  STRICT,
);

export const CheckpointList = Type.Object(
  {
    checkpoints: Type.Array(StoredCheckpoint),
    notes: Type.Array(Type.String({ description: 'What is wrong with one that is not listed.' })),
  },
  STRICT,
);

export const Leader = Type.Object(
  { name: orNull(Text), epoch: Count, url: Url, binary_url: Url },
  STRICT,
);

const Failover = Type.Object({ on: Type.Boolean(), reason: Text }, STRICT);
const Pause = Type.Object({ paused: Type.Boolean(), since: orNull(Time), reason: Text }, STRICT);

/** What is not known of a member that was never heard is null. */
export const Member = Type.Object(
  {
    name: orNull(Text),
    state: oneOf(['running', 'impeded', 'silent', 'unreachable']),
    role: orNull(Role),
    reason: orNull(Text),
    self: Type.Boolean(),
    leader: Type.Boolean(),
    member: Type.Boolean(),
    linked: Type.Boolean(),
    epoch: orNull(Count),
    position: orNull(Position),
    durable: orNull(Position),
    lag: orNull(Count),
    checkpoint: orNull(Position),
    impediment: orNull(Text),
    silent_ms: orNull(Milliseconds),
    clock_difference_ms: Milliseconds,
    release: orNull(Text),
    url: Url,
    binary_url: Url,
    peer: orNull(Text),
  },
  STRICT,
);

export const ClusterAnswer = Type.Object(
  {
    self: orNull(Text),
    leader: orNull(Leader),
    failover: Failover,
    pause: Pause,
    coordinator: orNull(
      Type.Object(
        {
          kind: Text,
          connected: Type.Boolean(),
          since: Time,
          reason: Text,
          session_ms: Milliseconds,
        },
        STRICT,
      ),
    ),
    members: Type.Array(Member),
  },
  STRICT,
);

export const TermList = Type.Object(
  {
    terms: Type.Array(
      Type.Object(
        {
          epoch: Count,
          position: Position,
          time: Time,
          node: orNull(Text),
          reason: Text,
          release: Text,
        },
        STRICT,
      ),
    ),
  },
  STRICT,
);

/** Longest texts: cluster-input.ts. */
export const SwitchoverRequest = Type.Object(
  { target: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })) },
  STRICT,
);
export const PauseRequest = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 200 }) },
  STRICT,
);

export const SwitchoverAnswer = Type.Object(
  { from: Text, to: Text, epoch: Count, took_ms: Milliseconds },
  STRICT,
);

export const SteeredAnswer = Type.Object({ pause: Pause, failover: Failover }, STRICT);

const LedgerTotals = Type.Object(
  {
    ledger: U32,
    currency: orNull(Text),
    exponent: orNull(Count),
    debits_posted: MinorUnits,
    credits_posted: MinorUnits,
    debits_pending: MinorUnits,
    credits_pending: MinorUnits,
  },
  STRICT,
);

const Books = Type.Object(
  {
    accounts: Count,
    holds: Count,
    ledgers: Type.Array(LedgerTotals),
    dedupe: Type.Object(
      {
        window_seconds: Count,
        bytes_max: Count,
        remembered: Count,
        capacity: Count,
        edge_seconds: Count,
      },
      STRICT,
    ),
    configuration_version: Count,
    rules_version: Count,
  },
  STRICT,
);

/** Null on a node that keeps no views. */
export const ViewsStanding = Type.Object(
  {
    complete: Type.Boolean(),
    reason: orNull(Text),
    position: Position,
    lag: Type.Integer({ minimum: 0, description: 'Positions behind this node.' }),
    transfers: Count,
  },
  STRICT,
);

export const StatusAnswer = Type.Object(
  {
    node: orNull(Text),
    role: Role,
    reason: Text,
    role_since: Time,
    leader: orNull(Leader),
    cluster_id: Type.String({ pattern: '^[0-9a-f]{32}$' }),
    timeline: Count,
    epoch: Count,
    position: Position,
    journal: Type.Object({ first: Position, last: Position, torn_bytes_cut: Count }, STRICT),
    queue: Type.Object({ commands: Count, bytes: Count }, STRICT),
    impediment: orNull(Text),
    history: Type.Object(
      {
        complete: Type.Boolean(),
        reason: orNull(Text),
        transfers: Count,
        position: Position,
        runs: Count,
        bytes: Count,
      },
      STRICT,
    ),
    views: orNull(ViewsStanding),
    books: orNull(Books),
  },
  STRICT,
);

export const LiveAnswer = Type.Object({ live: Type.Literal(true) }, STRICT);

export const ReadyAnswer = Type.Object(
  {
    ready: Type.Boolean(),
    role: Role,
    checks: Type.Array(
      Type.Object(
        { name: Text, ok: Type.Boolean(), required: Type.Boolean(), detail: Text },
        STRICT,
      ),
    ),
  },
  STRICT,
);

export const LeaderAnswer = Type.Object(
  { leader: Type.Boolean(), role: Role, leads: orNull(Leader) },
  STRICT,
);

export const ReplicaAnswer = Type.Object(
  { replica: Type.Boolean(), role: Role, lag: orNull(Count), lag_max: Count },
  STRICT,
);

export const ProblemError = Type.Object(
  {
    pointer: Type.Optional(
      Type.String({ description: 'RFC 6901, into the body; empty for all of it.' }),
    ),
    parameter: Type.Optional(
      Type.String({ description: 'The parameter of the path or the query, or the header.' }),
    ),
    code: Text,
    detail: Text,
  },
  STRICT,
);

export const ProblemAnswer = Type.Object(
  {
    type: Type.String({ pattern: '^urn:holdfast:problem:[a-z0-9_]+$' }),
    title: Text,
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    detail: Type.String({ description: 'What happened.' }),
    money: Type.String({ description: 'What it means for the money.' }),
    action: Type.String({ description: 'What to do.' }),
    code: Type.String({ description: 'For programs; all of them: docs/reference/problems.md.' }),
    retryable: Type.Boolean({
      description: 'The same request with the same ids may be sent again and can then succeed.',
    }),
    request_id: Text,
    errors: Type.Optional(Type.Array(ProblemError, { minItems: 1, maxItems: 16 })),
  },
  STRICT,
);
