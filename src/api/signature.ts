// Who answers: a node of a cluster says its name and its role with every answer, so that people who
// look at one, and clients that know several nodes, know which one it came from. A node that runs
// alone has no name and says nothing.

import type { Engine } from '../engine/contract.ts';

/** Names and values of headers, by turns. */
export type Signature = () => readonly string[];

const NOTHING: readonly string[] = [];

/** `node` is the name; '' = it runs alone. */
export function signatureOf(node: string, engine: Engine): Signature {
  if (node === '') return () => NOTHING;
  return () => ['holdfast-node', node, 'holdfast-role', engine.status().role];
}
