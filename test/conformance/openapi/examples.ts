// Takes the examples of the document down from real nodes. `--write` keeps them (`npm run
// openapi`); the test compares what it hears with what was kept.

import { writeFileSync } from 'node:fs';
import { EXAMPLES_FILE, type Examples } from '../../../src/api/openapi/examples.ts';
import { tellBooks } from './books-scenario.ts';
import { tellCluster } from './cluster-scenario.ts';
import { tellFaults } from './faults-scenario.ts';
import { RealNode } from './real-node.ts';
import { Teller } from './teller.ts';

export async function takeExamples(): Promise<Examples> {
  const teller = new Teller();
  await using node = await RealNode.start();
  await tellBooks(teller, node);
  await tellFaults(teller, node);
  await tellCluster(teller);
  return teller.examples();
}

if (import.meta.main && process.argv.includes('--write')) {
  writeFileSync(EXAMPLES_FILE, `${JSON.stringify(await takeExamples(), null, 2)}\n`);
}
