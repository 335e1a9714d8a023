// What is said before any node runs, and when one cannot start.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runSeen } from '../testing/run.ts';

const SHIM = fileURLToPath(new URL('../../../bin/holdfast.js', import.meta.url));

test('what cannot be said of several nodes is wrong usage, and starts nothing', async () => {
  for (const count of ['0', '10', 'x']) {
    const { exitCode, stderr } = await runSeen(['up', '--nodes', count]);
    assert.equal(exitCode, 2);
    assert.match(stderr, /is not a number from 1 to 9/);
  }
  for (const one of [
    ['--node', 'a'],
    ['--binary-port', '1'],
    ['--peer-port', '1'],
  ]) {
    const { exitCode, stderr } = await runSeen(['up', '--nodes', '3', ...one]);
    assert.equal(exitCode, 2);
    assert.match(stderr, /with --nodes they follow from --port/);
  }
  const environment = { HOLDFAST_BINARY_PORT: '7401' };
  assert.equal((await runSeen(['up', '--nodes', '3'], { environment })).exitCode, 2);
  assert.equal((await runSeen(['up', '--nodes', '3', '--port', '70000'])).exitCode, 2);
});

test('a node that cannot start is told with its reason, and the others are stopped', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-run-nodes-'));
  const occupant = createServer().listen(0, '127.0.0.1');
  await once(occupant, 'listening');
  try {
    const { port } = occupant.address() as AddressInfo;
    const place = ['--data', folder, '--port', String(port)];
    const child = spawn(process.execPath, [SHIM, 'up', '--nodes', '1', ...place], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, HOLDFAST_MEMORY_AHEAD: 'none' },
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [exitCode] = (await once(child, 'close')) as [number];
    assert.equal(exitCode, 2);
    assert.match(stderr, /node-1 could not start: Nothing can listen on 127\.0\.0\.1:\d+/);
    assert.match(stderr, /Give another --port/);
  } finally {
    occupant.close();
    await rm(folder, { recursive: true, force: true });
  }
});
