// The Kafka driver against the journal conformance suite, on three brokers; answers are lost by
// proxies in front of them.

import { journalConformance } from '../../conformance/journal/suite.ts';
import { Brokers, Proxies } from './brokers.ts';

/** How long an append whose answer was lost is tried again. */
const APPEND_MS = '2000';
const brokers = await Brokers.find();

journalConformance('kafka', {
  // It has no word for "full": a broker whose disk is full stops.
  neverFull: true,
  async create() {
    const proxies = await Proxies.start(brokers);
    const topic = brokers.topic({ appendMs: APPEND_MS });
    return {
      fencing: 'reader',
      secondWriter: 'admitted',
      hasUnits: false,
      attach: () => {
        proxies.mode = 'pass';
        return topic.journal({ hosts: topic.hosts('outer') });
      },
      loseNextAnswer: (written) => {
        if (written === 'now') proxies.holdBehindNextAppend();
        else proxies.mode = 'hold';
      },
      fillUpOnce: () => {
        throw new Error('Kafka is never full.');
      },
      sendLate: async (entry) => {
        await topic.produce([entry]);
      },
      unitNames: () => Promise.resolve([]),
      dispose: async () => {
        await topic[Symbol.asyncDispose]();
        await proxies[Symbol.asyncDispose]();
      },
    };
  },
});
