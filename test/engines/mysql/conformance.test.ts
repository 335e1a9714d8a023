// The MySQL/MariaDB driver against the journal conformance suite, on a real primary with replicas.
// Answers are lost on the way, by a proxy in front of each server.

import { journalConformance } from '../../conformance/journal/suite.ts';
import { MySqlCluster, ProxiedHosts } from './cluster.ts';

/** Every entry holds it, and nothing else that goes to the servers does. */
const MAGIC = 'HOLDFAST';

const cluster = await MySqlCluster.find();

journalConformance('mysql', {
  // A full disk makes the servers wait: the append is unknown then.
  neverFull: true,
  create: async () => {
    const proxied = await ProxiedHosts.start(cluster);
    const database = cluster.newDatabase();
    const isAppend = (request: Buffer): boolean => request.includes(MAGIC);
    return {
      fencing: 'native',
      secondWriter: 'admitted',
      hasUnits: false,
      attach: () => cluster.journal({ database, hosts: proxied.hosts }),
      loseNextAnswer: (written) => {
        for (const proxy of proxied.proxies.values()) {
          if (written === 'now') proxy.losesAnswerTo = isAppend;
          else proxy.losesRequest = isAppend;
        }
      },
      fillUpOnce: () => {
        throw new Error('The engine does not say that it is full.');
      },
      unitNames: () => Promise.resolve([]),
      dispose: async () => {
        await proxied[Symbol.asyncDispose]();
        await cluster.dropDatabase(database);
      },
    };
  },
});
