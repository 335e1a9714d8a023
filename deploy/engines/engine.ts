// What an engine of the harness is. An engine is some servers on the loopback address of this
// machine; the parts that are the same for all (folders, ports, processes, packages, output) stand
// beside this file, and one file for each engine knows how that engine is set up and asked.

import type { Place } from './place.ts';
import type { ServerCommand } from './servers.ts';

export type Engine = {
  readonly name: string;
  /** Debian packages that hold its programs. */
  readonly packages: readonly string[];
  /** Names of its servers, in the order of their start. */
  readonly servers: readonly string[];
  /** Names of the ports that each server listens on; the first is for clients. */
  readonly ports: readonly string[];
  /** First port of an `up` that names none. */
  readonly portDefault: number;
  /** Programs and files that are not on this machine. */
  missing(): Promise<readonly string[]>;
  /** Writes configuration and data folder of a server, where they are not there yet; idempotent. */
  prepare(place: Place, server: string): Promise<void>;
  /** How a server is started, in the foreground. */
  command(place: Place, server: string): ServerCommand;
  /**
   * Where servers have to be told of each other: called after each start of them, when they may not
   * answer yet; idempotent.
   */
  settle?(place: Place): Promise<void>;
  /** The server's own word about itself (its role in the engine); undefined while it has none. */
  ask(place: Place, server: string): Promise<string | undefined>;
  /** Whether the words of all servers mean that clients can use the engine. */
  isUsable(words: readonly (string | undefined)[]): boolean;
};
