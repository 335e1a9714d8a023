// What goes into `apply` beside the command, and what comes out.

/** Where and when a command stands. The only time that the domain knows. */
export type Stamp = {
  /** Position of the entry that carries the command. */
  readonly position: number;
  /** Time of the command's first event; event i has `timeNs + i`. Strictly rising. */
  readonly timeNs: bigint;
  readonly rulesVersion: number;
};

/**
 * `codes[i]` answers event i: CREATED (0) or a refusal number (domain/refusals.ts). A `tick` has
 * one code, 0, and `expired` says how many holds it released.
 */
export type Outcome = {
  readonly kind: number;
  readonly timeNs: bigint;
  readonly codes: Uint16Array;
  readonly expired: number;
};
