// What can go wrong between this driver and ZooKeeper, as its callers must tell it apart.

/** Numbers of KeeperException.Code that this driver decides by. */
export const KeeperCode = {
  noNode: -101,
  badVersion: -103,
  nodeExists: -110,
  sessionExpired: -112,
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
