// The memory driver against the conformance suite of checkpoint stores.

import {
  MemoryCheckpoints,
  createCheckpointStore,
} from '../../../src/drivers/memory/checkpoint-store.ts';
import { checkpointStoreConformance } from './suite.ts';

checkpointStoreConformance('memory', {
  create() {
    const contents = new MemoryCheckpoints();
    return Promise.resolve({
      attach: () => createCheckpointStore({ contents }),
      dispose: () => Promise.resolve(),
    });
  },
});
