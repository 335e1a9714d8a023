// Everything that this door bounds, with its reason. Tests make them small.

export type BinaryBounds = {
  /** Beyond it a new connection hears `overloaded`. */
  readonly connectionsMax: number;
  /** Requests of one connection under way at once; then it is not read on. */
  readonly requestsInFlightMax: number;
  /** Payloads of one connection under way: enough for the journal's 8 entries in flight, twice. */
  readonly heldBytesMax: number;
  /** Answers that one client has not fetched; then its requests wait. */
  readonly unsentBytesMax: number;
  /** Payloads and unsent answers of all connections together. */
  readonly totalBytesMax: number;
  /** From the connection to its hello. */
  readonly helloMs: number;
  /** From the first to the last byte of a frame. */
  readonly frameMs: number;
  /** Nothing heard, not even a ping, and nothing under way: the client is gone. */
  readonly idleMs: number;
  /** Answers lie unfetched and the network takes none: the client is gone. */
  readonly stallMs: number;
  /** How long a request waits for its outcome before it hears `outcome_unknown`. */
  readonly outcomeWaitMs: number;
  /** From our end of a connection to its closing by force. */
  readonly lingerMs: number;
};

const MIB = 1024 * 1024;

export const BINARY_BOUNDS: BinaryBounds = {
  connectionsMax: 1024,
  requestsInFlightMax: 1024,
  heldBytesMax: 16 * MIB,
  unsentBytesMax: 4 * MIB,
  totalBytesMax: 128 * MIB,
  helloMs: 5_000,
  frameMs: 30_000,
  idleMs: 60_000,
  stallMs: 30_000,
  outcomeWaitMs: 10_000,
  lingerMs: 1_000,
};
