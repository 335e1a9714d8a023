// The names of schemas in the document: generators of clients make types of them. What is not named
// stands where it is used.

import {
  AccountResult,
  AccountResults,
  CheckpointList,
  CheckpointTakenAnswer,
  ClusterAnswer,
  FoundAccounts,
  FoundTransfers,
  Leader,
  LeaderAnswer,
  LedgerAnswer,
  LedgerList,
  Member,
  Position,
  PostingAnswer,
  ProblemAnswer,
  ProblemError,
  ReadyAnswer,
  ReplicaAnswer,
  Role,
  StatusAnswer,
  SteeredAnswer,
  StoredCheckpoint,
  SwitchoverAnswer,
  TermList,
  TransferResult,
  TransferResults,
  ViewsStanding,
} from '../answer-schemas.ts';
import { AccountsPage, TransfersPage } from '../query-schemas.ts';
import { DailyTotalsAnswer, StatementAnswer, TrialBalanceAnswer } from '../report-schemas.ts';
import {
  AccountAnswer,
  AccountBatchRequest,
  AccountId,
  AccountLookupRequest,
  AccountRequest,
  LedgerRequest,
  MinorUnits,
  PostingId,
  PostingRequest,
  TransferAnswer,
  TransferBatchRequest,
  TransferFlags,
  TransferId,
  TransferLookupRequest,
  TransferRequestInFull,
} from '../schemas.ts';
import type { Named } from './json-schema.ts';

const REQUESTS = {
  NewLedger: LedgerRequest,
  NewAccount: AccountRequest,
  NewAccounts: AccountBatchRequest,
  AccountIds: AccountLookupRequest,
  NewTransfer: TransferRequestInFull,
  NewTransfers: TransferBatchRequest,
  TransferIds: TransferLookupRequest,
  NewPosting: PostingRequest,
};

const ANSWERS = {
  AccountId,
  TransferId,
  PostingId,
  MinorUnits,
  TransferFlags,
  Position,
  Ledger: LedgerAnswer,
  Ledgers: LedgerList,
  Account: AccountAnswer,
  AccountResult,
  AccountResults,
  FoundAccounts,
  AccountsPage,
  Transfer: TransferAnswer,
  TransferResult,
  TransferResults,
  FoundTransfers,
  TransfersPage,
  Posting: PostingAnswer,
  TrialBalance: TrialBalanceAnswer,
  Statement: StatementAnswer,
  DailyTotals: DailyTotalsAnswer,
  CheckpointTaken: CheckpointTakenAnswer,
  StoredCheckpoint,
  Checkpoints: CheckpointList,
  Role,
  Leader,
  Member,
  Cluster: ClusterAnswer,
  Terms: TermList,
  Switchover: SwitchoverAnswer,
  Steered: SteeredAnswer,
  ViewsStanding,
  Status: StatusAnswer,
  Readiness: ReadyAnswer,
  Leadership: LeaderAnswer,
  Replica: ReplicaAnswer,
  Problem: ProblemAnswer,
  ProblemError,
};

export const NAMED: { readonly [name: string]: Named } = {
  ...mapped(REQUESTS, true),
  ...mapped(ANSWERS, false),
};

function mapped(schemas: { readonly [name: string]: Named['schema'] }, closed: boolean) {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, { schema, closed }]),
  );
}
