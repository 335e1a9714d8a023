// Checkpoints over HTTP: the act is said by the path alone, and a body that says more is refused
// before anything is taken.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckpointControl } from '../../engine/contract.ts';
import { call, createFakeNode } from '../testing/fake-node.ts';

test('a checkpoint is taken without a body or with an empty one, and with no other', async () => {
  let asked = 0;
  const checkpoints: CheckpointControl = {
    takeCheckpoint: () => {
      asked++;
      return Promise.resolve({
        position: 7,
        createdMs: 0,
        durationMs: 2,
        longestSliceMs: 1,
        bytes: 100,
        bytesWritten: 100,
        chunks: 1,
        chunksWritten: 1,
      });
    },
    storedCheckpoints: () => Promise.resolve({ checkpoints: [], notes: [] }),
  };
  await using node = createFakeNode({ checkpoints });
  for (const body of [undefined, {}, '']) {
    assert.equal((await call(node, 'POST', '/v1/checkpoints', body)).status, 200);
  }
  for (const [body, code] of [
    [{ keep: true }, 'unknown_field'],
    [[], 'field_wrong_type'],
    ['{"a":1,"a":1}', 'duplicate_key'],
  ] as const) {
    const refused = await call(node, 'POST', '/v1/checkpoints', body);
    assert.deepEqual([refused.status, refused.body.code], [400, code]);
  }
  assert.equal(asked, 3);
});
