// What the journal drivers of replicated engines are told: the same for each of them, since it
// comes from one setting (config/journal-place.ts). What else an engine wants (intervals, sizes) is
// its driver's own and has defaults there.

export type EngineHost = { readonly host: string; readonly port: number };

export type EngineJournalOptions = {
  /** Every member of the engine that clients may connect to; at least one. */
  readonly hosts: readonly EngineHost[];
  readonly user: string;
  /** Empty = none. */
  readonly password: string;
  /** Database, topic or prefix of streams: where the journal is. */
  readonly name: string;
  /** Parameters of the place, as `?tls=...`; names that the driver does not know are refused. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Names of checks of the engine's settings that may fail: the operator has said so. */
  readonly waived: readonly string[];
  readonly log: (level: 'info' | 'warning', text: string) => void;
};
