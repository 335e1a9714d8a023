// Three nodes on the PostgreSQL that comes with Holdfast: money moves, survives the kill of the
// database's primary and a stop of everything, and nothing is left running.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runSeen } from '../../src/cli/testing/run.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const SHIM = fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url));
const PLACE = ['--journal', 'postgres', '--nodes', '3', '--port', '0', '--json'];

type Line = { readonly event: string; readonly server?: string };

class Nodes implements AsyncDisposable {
  readonly lines: Line[] = [];
  readonly #child: ReturnType<typeof spawn>;

  constructor(data: string) {
    this.#child = spawn(process.execPath, [SHIM, 'up', '--data', data, ...PLACE], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, HOLDFAST_MEMORY_AHEAD: 'none' },
    });
    const lines = createInterface({ input: this.#child.stdout! });
    lines.on('line', (line) => this.lines.push(JSON.parse(line) as Line));
  }

  async heard(event: string): Promise<void> {
    await until(() => this.lines.some((line) => line.event === event), `the event ${event}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null]);
  }
}

test('nodes on the embedded PostgreSQL keep money over kills and stops', async () => {
  await using folder = await TemporaryFolder.make();
  // The database does not run as root, but as somebody who must be able to enter.
  await chmod(folder.path, 0o755);
  const data = join(folder.path, 'data');
  const holdfast = async (...parameters: string[]): Promise<string> => {
    const seen = await runSeen(['--data', data, ...parameters]);
    assert.equal(seen.exitCode, 0, seen.stderr);
    return seen.stdout;
  };
  const pay = ['transfer', 'create', '--debit', '1', '--credit', '2', '--amount', '10'];
  {
    await using nodes = new Nodes(data);
    await nodes.heard('ready');
    await holdfast('account', 'create', '--id', '1', '--currency', 'EUR');
    await holdfast('account', 'create', '--id', '2', '--currency', 'EUR');
    await holdfast(...pay, '--currency', 'EUR');
    const file = join(data, 'postgres', 'pg-1', 'data', 'postmaster.pid');
    process.kill(Number((await readFile(file, 'utf8')).split('\n')[0]), 'SIGKILL');
    await nodes.heard('server_lost');
    await holdfast(...pay, '--currency', 'EUR');
  }
  await using nodes = new Nodes(data);
  await nodes.heard('ready');
  const account = JSON.parse(await holdfast('account', 'get', '2', '--json')) as object;
  assert.equal('credits_posted' in account && account.credits_posted, '2000');
});
