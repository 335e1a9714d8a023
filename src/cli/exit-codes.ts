// Exit codes of the command line: scripts decide by them, so they never change
// (docs/reference/cli.md).

export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  /** The books, or a check in front of them, said no. */
  refused: 4,
  /** No node could be reached, or it does not take requests now; nothing happened. */
  unavailable: 5,
  /** It may have happened: ask again with the same ids. */
  outcomeUnknown: 6,
} as const;
