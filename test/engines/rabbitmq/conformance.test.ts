// The journal conformance suite on streams of a real cluster; answers are lost by a proxy between.

import { journalConformance } from '../../conformance/journal/suite.ts';
import { Cluster, Proxies } from './cluster.ts';

const cluster = await Cluster.find();

journalConformance('rabbitmq', {
  // Brokers that are short of room stop reading: whether a message got in is not known then.
  neverFull: true,
  async create() {
    const place = cluster.journal();
    const proxies = await Proxies.start(cluster);
    return {
      fencing: 'reader',
      secondWriter: 'admitted',
      hasUnits: true,
      unitsOf: 'size',
      attach: ({ unitBytes } = {}) =>
        place.attach({
          ports: proxies.ports,
          ...(unitBytes !== undefined && { parameters: { 'segment-bytes': `${unitBytes}` } }),
        }),
      loseNextAnswer: (written) => {
        proxies.plans.next = { kind: written === 'now' ? 'lose-confirmation' : 'lose-message' };
      },
      fillUpOnce: () => {
        throw new Error('This engine has no way to say that it is full.');
      },
      sendLate: async (entry) => {
        const publisher = await place.publisher();
        const stream = (await place.chain()).newest?.stream ?? '';
        await publisher.publish(stream, entry.bytes);
      },
      reorderNext: (count) => {
        proxies.plans.next = { kind: 'reorder', count };
      },
      unitNames: async () => {
        const chain = await place.chain();
        const names: string[] = [];
        for (let segment = 1; segment <= (chain.newest?.segment ?? 0); segment++) {
          const stream = chain.of(segment)?.stream;
          if (stream !== undefined) names.push(stream);
        }
        return names;
      },
      dispose: async () => {
        await place[Symbol.asyncDispose]();
        await proxies[Symbol.asyncDispose]();
      },
    };
  },
});
