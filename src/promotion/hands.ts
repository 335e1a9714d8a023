// The explicit table of hands: engine of the journal's place -> lazy import. Kafka and RabbitMQ
// choose their leaders themselves.

import type { EnginePlace, JournalEngineName } from '../config/journal-place.ts';
import type { EngineHand } from './hand.ts';
import type { RejoinHand } from './rejoin.ts';

export type HandChoice = {
  /** Of the user that supervises; '' = none. */
  readonly password: string;
  /** Of the user that standbys follow with; '' = theirs is known to them. */
  readonly replicationPassword: string;
  /** Where the engine's programs are, for a rejoin; '' = as PATH finds them. */
  readonly binFolder: string;
};

export type Hands = { readonly hand: EngineHand; readonly rejoining: RejoinHand };

type Opening = (place: EnginePlace, choice: HandChoice) => Promise<Hands>;

const HANDS: { readonly [Name in JournalEngineName]?: Opening } = {
  postgres: async ({ hosts, user, name, parameters }, choice) => {
    const [{ PostgresHand, nameOf }, { tlsOf }, { PostgresRejoin }] = await Promise.all([
      import('./postgres.ts'),
      import('./postgres-session.ts'),
      import('./postgres-rejoin.ts'),
    ]);
    const { password, replicationPassword, binFolder } = choice;
    const credentials = { user, password, database: name, tls: tlsOf(parameters) };
    const hand = new PostgresHand({ servers: hosts, credentials, replicationPassword });
    const rejoining = new PostgresRejoin({
      server: (member) => hosts.find((host) => nameOf(host) === member)!,
      credentials,
      parameters,
      binFolder,
      conninfo: ({ member, primary, label }) => hand.conninfoFor(member, primary, label),
    });
    return { hand, rejoining };
  },
  mysql: async ({ hosts, user, name, parameters }, { password, replicationPassword }) => {
    const [{ MySqlHand }, { MySqlRejoin }] = await Promise.all([
      import('./mysql.ts'),
      import('./mysql-rejoin.ts'),
    ]);
    const credentials = { user, password, database: name, parameters };
    const hand = new MySqlHand({ servers: hosts, credentials, replicationPassword });
    const rejoining = new MySqlRejoin({
      server: (member) => hosts.find(({ host, port }) => `${host}:${port}` === member)!,
      credentials,
    });
    return { hand, rejoining };
  },
};

export const SUPERVISED_ENGINES: readonly string[] = Object.keys(HANDS);

/** Undefined = the engine chooses its leaders by itself. */
export async function handOf(place: EnginePlace, choice: HandChoice): Promise<Hands | undefined> {
  return await HANDS[place.driver]?.(place, choice);
}
