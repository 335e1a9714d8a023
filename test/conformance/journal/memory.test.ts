// The memory driver against the journal conformance suite.

import { createJournal } from '../../../src/drivers/memory/driver.ts';
import { MemoryLog } from '../../../src/drivers/memory/memory-log.ts';
import { journalConformance } from './suite.ts';

journalConformance('memory', {
  create() {
    const log = new MemoryLog();
    return Promise.resolve({
      fencing: 'reader',
      secondWriter: 'admitted',
      hasUnits: false,
      attach: () => createJournal({ log }),
      loseNextAnswer: (written) => {
        log.planNext({ kind: 'unknown', written });
      },
      fillUpOnce: () => {
        log.planNext({ kind: 'full' });
      },
      sendLate: (entry) => {
        log.write(entry);
      },
      reorderNext: (count) => {
        log.reorderNext(count);
      },
      unitNames: () => Promise.resolve([]),
      dispose: () => Promise.resolve(),
    });
  },
});
