// Takes the examples of the document down from real nodes. `--write` keeps them (`npm run
// openapi`), but for times and counts that differ each time; the test compares what it hears with
// what was kept.

import { writeFileSync } from 'node:fs';
import {
  EXAMPLES_FILE,
  type Example,
  type Examples,
  readExamples,
} from '../../../src/api/openapi/examples.ts';
import { tellBooks } from './books-scenario.ts';
import { tellCluster } from './cluster-scenario.ts';
import { tellFaults } from './faults-scenario.ts';
import { RealNode } from './real-node.ts';
import { assertShape, isVolatile } from './shape.ts';
import { Teller } from './teller.ts';

export async function takeExamples(): Promise<Examples> {
  const teller = new Teller();
  await using node = await RealNode.start({ keepsViews: true });
  await tellBooks(teller, node);
  await tellFaults(teller, node);
  await tellCluster(teller);
  return teller.examples();
}

/** An answer that differs from the kept one in times and counts alone stays as it was. */
function keptWhereAlike(id: string, example: Example, kept: readonly Example[]): Example {
  const old = kept.find(({ name }) => name === example.name);
  if (old === undefined || !isVolatile(id, example.name)) return example;
  try {
    assertShape(example.answer, old.answer, example.name);
    return { ...example, answer: old.answer! };
  } catch {
    return example;
  }
}

async function renewedExamples(): Promise<Examples> {
  const kept = readExamples();
  const { operations, problems } = await takeExamples();
  const renewed = Object.entries(operations).map(([id, examples]) => {
    const before = kept.operations[id] ?? [];
    return [id, examples.map((example) => keptWhereAlike(id, example, before))];
  });
  return { operations: Object.fromEntries(renewed) as Examples['operations'], problems };
}

if (import.meta.main && process.argv.includes('--write')) {
  writeFileSync(EXAMPLES_FILE, `${JSON.stringify(await renewedExamples(), null, 2)}\n`);
}
