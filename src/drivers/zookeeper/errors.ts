// What can go wrong between this driver and ZooKeeper, as its callers must tell it apart.

/** Numbers of KeeperException.Code that this driver decides by. */
export const KeeperCode = {
  noNode: -101,
  badVersion: -103,
  nodeExists: -110,
  sessionExpired: -112,
  sessionMoved: -118,
} as const;

/** The server answered with an error: nothing happened. */
export class KeeperError extends Error {
  readonly code: number;

  constructor(code: number, doing: string) {
    super(`ZooKeeper answered ${code} to ${doing}`);
    this.code = code;
  }
}

/** The connection broke before the answer came: it may have happened or not. */
export class ConnectionLost extends Error {}

/** The session is over, by the server's word or because nobody was heard for its whole time. */
export class SessionExpired extends Error {}

export function isKeeperError(error: unknown, code: number): boolean {
  return error instanceof KeeperError && error.code === code;
}

/** For reads and deletes of what need not be there. */
export function noneThere(error: unknown): undefined {
  if (isKeeperError(error, KeeperCode.noNode)) return undefined;
  throw error;
}

/** Tried again after the next connect, or in the next session. */
export function isTransient(error: unknown): boolean {
  return error instanceof ConnectionLost || error instanceof SessionExpired;
}
