// Options of the view store on SQLite.

export type SqliteViewOptions = {
  /** The database; SQLite puts two more files beside it, with -wal and -shm at the end. */
  readonly file: string;
  /** `read`: nothing is created or written, and a writer beside it is not kept waiting. */
  readonly mode: 'write' | 'read';
};
