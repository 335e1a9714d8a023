// Engines under siege: what differs from one engine to the next in how it is started, who leads it,
// how hard its leader is killed, and what an operator does when it does not replace him itself.

import type { Engine } from '../../../deploy/engines/engine.ts';
import { kafka as brokers } from '../../../deploy/engines/kafka.ts';
import { MEMBERS, patroni, postmasterOf } from '../../../deploy/engines/patroni.ts';
import { type Place, addressOf } from '../../../deploy/engines/place.ts';
import { journalPlaceOf } from '../../../src/config/journal-place.ts';
import { Cluster } from '../../../src/drivers/kafka/cluster.ts';
import { settingsOf } from '../../../src/drivers/kafka/options.ts';

export type Siege = {
  readonly engine: Engine;
  /** Of its servers those that hold the journal. */
  readonly members: readonly string[];
  /** The setting HOLDFAST_JOURNAL. */
  readonly journal: (place: Place) => string;
  /** The member that takes the appends; undefined while there is none. */
  readonly leader: (place: Place) => Promise<string | undefined>;
  /** Processes that die with a member, beside the one that the harness has started. */
  readonly alsoKilled?: (place: Place, member: string) => Promise<readonly number[]>;
  /** What an operator does when the leader is gone; absent where the engine does it by itself. */
  readonly replaceLeader?: (place: Place, gone: string) => Promise<void>;
  /** What an operator does with a former leader that is back. */
  readonly takeBack?: (place: Place, member: string) => Promise<void>;
};

const postgres: Siege = {
  engine: patroni,
  members: MEMBERS,
  journal: (place) => `postgres://postgres@${hostsOf(place, MEMBERS)}/postgres`,
  leader: (place) => saying(place, patroni, MEMBERS, 'primary'),
  alsoKilled: async (place, member) => {
    const pid = await postmasterOf(place, member);
    return pid === undefined ? [] : [pid];
  },
};

const TOPIC = 'holdfast';

const kafka: Siege = {
  engine: brokers,
  members: brokers.servers,
  journal: (place) => `kafka://${hostsOf(place, brokers.servers)}/${TOPIC}`,
  leader: async (place) => {
    const options = journalPlaceOf(kafka.journal(place));
    if (!('hosts' in options)) throw new Error('Kafka has hosts');
    const log = (): void => undefined;
    const cluster = new Cluster(settingsOf({ ...options, password: '', waived: [], log }));
    try {
      // Numbers begin at 1.
      return brokers.servers[(await cluster.findLeader()).leaderId - 1];
    } catch {
      return undefined;
    } finally {
      cluster.close();
    }
  },
};

/** By the name in `--journal`. */
export const SIEGES: Readonly<Record<string, Siege>> = { postgres, kafka };

function hostsOf(place: Place, members: readonly string[]): string {
  return members.map((member) => addressOf(place, member, 'client')).join(',');
}

async function saying(
  place: Place,
  engine: Engine,
  members: readonly string[],
  word: string,
): Promise<string | undefined> {
  const words = await Promise.all(members.map((member) => engine.ask(place, member)));
  return members.find((_, index) => words[index] === word);
}
