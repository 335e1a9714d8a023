// npm run test:engines [-- NAME...]: the tests of the drivers that need a real engine, one folder
// here for each. An engine that is up (`npm run engines -- up`) is used and left up; otherwise it
// is started on free ports in a folder of its own, and taken down afterwards. An engine that cannot
// be started fails the run.

import { spawn } from 'node:child_process';
import { chmod, glob, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { engineDown, engineStatus, engineUp } from '../../deploy/engines/control.ts';
import type { Engine } from '../../deploy/engines/engine.ts';
import { ENGINE_NAMES, engineNamed } from '../../deploy/engines/index.ts';
import { PLACE_VARIABLE } from './place-variable.ts';

/** A test that waits for what never comes fails. */
const TEST_MS_MAX = 120_000;
const CHECKOUT = resolve(import.meta.dirname, '../..');

async function testEngine(engine: Engine): Promise<number> {
  const standing = join(CHECKOUT, '.engines', engine.name);
  if ((await engineStatus(engine, standing)).isUp) {
    process.stdout.write(`${engine.name}: the one that is up in ${standing}\n`);
    return await runTests(engine, standing);
  }
  const folder = await mkdtemp(join(tmpdir(), `holdfast-${engine.name}-`));
  // The servers may run as another user.
  await chmod(folder, 0o755);
  const end = new AbortController();
  const stop = (): void => end.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    process.stdout.write(`${engine.name}: one of its own in ${folder}\n`);
    await engineUp(engine, folder, 0);
    return end.signal.aborted ? 1 : await runTests(engine, folder, end.signal);
  } finally {
    await engineDown(engine, folder);
    await rm(folder, { recursive: true, force: true });
  }
}

async function runTests(engine: Engine, folder: string, signal?: AbortSignal): Promise<number> {
  const tests: string[] = [];
  for await (const path of glob(`test/engines/${engine.name}/**/*.test.ts`, { cwd: CHECKOUT })) {
    tests.push(path);
  }
  if (tests.length === 0) throw new Error(`There are no tests of ${engine.name}.`);
  // One file after the other: they kill and freeze the servers of one engine.
  const parameters = ['--test', '--test-concurrency=1', `--test-timeout=${TEST_MS_MAX}`];
  parameters.push(...tests.sort());
  const child = spawn(process.execPath, parameters, {
    cwd: CHECKOUT,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, [PLACE_VARIABLE]: folder },
  });
  signal?.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
  const status = await new Promise<number | null>((done, fail) => {
    child.once('error', fail).once('close', done);
  });
  return status ?? 1;
}

const names = process.argv.slice(2);
let failed = 0;
for (const name of names.length === 0 ? ENGINE_NAMES : names) {
  const engine = await engineNamed(name);
  try {
    if (engine === undefined) throw new Error(`There is no engine ${name}.`);
    if ((await testEngine(engine)) !== 0) failed += 1;
  } catch (error) {
    process.stderr.write(`${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    failed += 1;
  }
}
process.exitCode = failed === 0 ? 0 : 1;
