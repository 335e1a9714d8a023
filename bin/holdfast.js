#!/usr/bin/env node
// The door of the command line, in plain JavaScript so that any Node can read it. A checkout runs
// its TypeScript as it is and therefore needs Node 24.16 or later; so does the package, which has
// JavaScript in dist/ instead. On an older Node this file looks for the Node 24 that `npm ci`
// brought along and starts itself again with it, or says what to do.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import nodeModule from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NEEDED = [24, 16];
const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
}

function runAgainWithOwnNode() {
  const own = join(root, 'node_modules', 'node', 'bin', 'node');
  if (!existsSync(own) || process.env.HOLDFAST_SHIM === '1') {
    process.stderr.write(
      `Holdfast needs Node ${NEEDED.join('.')} or later; this is Node ${process.versions.node}.\n` +
        'Nothing was started. Install a newer Node, or run `npm ci` in the checkout, which brings one.\n',
    );
    process.exitCode = 2;
    return;
  }
  const child = spawn(own, process.argv.slice(1), {
    stdio: 'inherit',
    env: { ...process.env, HOLDFAST_SHIM: '1' },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('exit', (code, signal) => {
    if (signal !== null) {
      // Without our own listeners, so that this process dies of it too and says so.
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    } else process.exitCode = code ?? 1;
  });
}

// The journal's write must not queue behind four slower ones of checkpoints and segments: the pool
// of threads reads this when it is first used.
process.env.UV_THREADPOOL_SIZE ??= '16';

if (isNewEnough(process.versions.node)) {
  nodeModule.enableCompileCache();
  // By its name the threads find the cache too: without it each strips and compiles by itself,
  // which doubles the work of a start.
  const cache = nodeModule.getCompileCacheDir();
  if (cache !== undefined) process.env.NODE_COMPILE_CACHE ??= dirname(cache);
  const isCheckout = existsSync(join(root, 'src'));
  const { runCli } = await import(isCheckout ? '../src/cli/cli.ts' : '../dist/cli/cli.js');
  process.exitCode = await runCli(process.argv);
} else {
  runAgainWithOwnNode();
}
