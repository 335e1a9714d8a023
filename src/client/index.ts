// What a program that uses the package imports: the two clients, ids, and what calls end with.

export {
  type BinaryClient,
  type BinaryClientOptions,
  type TransfersAnswer,
  createBinaryClient,
} from './binary-client.ts';
export { type Client, type ClientOptions, type Created, createClient } from './http-client.ts';
export { newAccountId, newPostingId, newTransferId } from './ids.ts';
export {
  AnswerUnreadable,
  ApiProblem,
  type InputFault,
  NodeUnavailable,
  OutcomeUnknown,
} from './problems.ts';
export {
  type AccountView,
  type BatchResult,
  type Ledger,
  type NewAccount,
  type NewPosting,
  type NewTransfer,
  type TransferView,
} from './wire.ts';
