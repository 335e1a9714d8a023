import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { until } from '../../../test/support/until.ts';
import type { NodeChild } from './node-child.ts';
import { Supervisor } from './supervisor.ts';

const PLAIN_NODE = fileURLToPath(new URL('../../../test/support/plain-node.ts', import.meta.url));
/** More often than it tries a port that is somebody else's. */
const KILLS = 3;

test('a node that is killed again and again comes back at its ports', async () => {
  const [, program] = process.argv;
  process.argv[1] = PLAIN_NODE;
  const served: NodeChild[] = [];
  const supervisor = new Supervisor({
    nodes: new Map([['one', { port: 0, binary: 0, peer: 0 }]]),
    parametersOf: (_, { port, binary, peer }) =>
      ['--port', port, '--binary-port', binary, '--peer-port', peer].map(String),
    stderrOf: () => 'inherit',
    drainMs: 0,
    events: {
      allReady: ([child]) => served.push(child!),
      lost: () => undefined,
      back: (child) => served.push(child),
      leader: () => undefined,
      startFailed: () => undefined,
    },
  });
  supervisor.start();
  try {
    for (let kills = 0; kills <= KILLS; kills++) {
      await until(() => served.length > kills, 'the node to serve');
      served[kills]!.kill('SIGKILL');
    }
  } finally {
    await supervisor.stop();
    process.argv[1] = program!;
  }
  const first = served[0]!.ready!;
  for (const { ready } of served) assert.deepEqual(ready, first);
});
