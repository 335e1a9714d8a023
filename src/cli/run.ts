// How a command is called: with its world, its arguments and its options; it answers an exit code.

import type { GlobalOptions, Io } from './io.ts';

export type Call<Options> = {
  readonly io: Io;
  /** Arguments as typed, in order; variadic ones follow each other. */
  readonly args: readonly string[];
  readonly options: Options & GlobalOptions;
};

export type Run = <Options>(handler: (call: Call<Options>) => Promise<number>) => CommanderAction;

export type CommanderAction = (...parameters: unknown[]) => Promise<void>;
