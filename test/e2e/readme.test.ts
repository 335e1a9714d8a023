// The README's first steps, run word for word: the commands of its "Start" section in order, one
// shell after the other as a reader would, with what they print compared to what the README shows.
// Ids, keys and times are compared as patterns. `npm start` and `npx holdfast` are what they stand
// for, so that nothing is fetched; the data folder is a temporary one.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PORT_SHOWN = 7400;
/** Each node has three ports in a row, ten after those of the one before. */
const PORTS = [0, 1, 2, 10, 11, 12, 20, 21, 22];
const LOG = 'npm-start.log';

type Step = { readonly command: string; readonly shown: readonly string[] };

/** The steps of the console blocks of a text; a command ends where its quotes are closed. */
function stepsOf(markdown: string): Step[] {
  const steps: { command: string; shown: string[] }[] = [];
  for (const [, block = ''] of markdown.matchAll(/```console\n(.*?)```/gs)) {
    for (const line of block.trimEnd().split('\n')) {
      const step = steps.at(-1);
      const isOpen = step !== undefined && step.command.split("'").length % 2 === 0;
      if (isOpen) step.command += `\n${line}`;
      else if (line.startsWith('$ ')) steps.push({ command: line.slice(2), shown: [] });
      else step?.shown.push(line);
    }
  }
  return steps;
}

/** What the README shows, as a pattern for what a reader sees. */
function patternOf(shown: readonly string[]): RegExp {
  const lines = shown.map((line) => {
    if (line === '...') return '(?:.*\\n)*';
    const pattern = line
      .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll(/\b(leads|follows), pid \d+/g, '(leads|follows), pid \\d+')
      .replaceAll(/node-\d leads/g, 'node-\\d leads')
      .replaceAll(/kill -9 \d+/g, 'kill -9 \\d+')
      .replaceAll(/tr_[0-9a-f]{32}/g, 'tr_[0-9a-f]{32}')
      .replaceAll(/hk_[A-Za-z0-9_-]+/g, 'hk_[A-Za-z0-9_-]{32}')
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\\\.\d{3}Z/g, '\\d{4}-\\d\\d-\\d\\dT[0-9:.]{12}Z');
    return `${pattern}\\n`;
  });
  return new RegExp(`^${lines.join('')}$`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = once(server, 'listening').then(
    () => true,
    () => false,
  );
  server.listen(port, '127.0.0.1');
  const wasFree = await listening;
  if (wasFree) await new Promise((resolve) => server.close(resolve));
  return wasFree;
}

/** Below those that the system gives out by itself. */
async function freeBase(): Promise<number> {
  for (;;) {
    const base = 10_000 + Math.floor(Math.random() * 20_000);
    const free = await Promise.all(PORTS.map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
}

/** A shell that is told one command after the other and keeps its variables. */
class Shell {
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  constructor(folder: string, port: number) {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HOLDFAST_'));
    const path = `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`;
    this.#child = spawn('bash', ['--noprofile', '--norc'], {
      cwd: folder,
      env: {
        ...Object.fromEntries(inherited),
        PATH: path,
        HOLDFAST_PORT: String(port),
        HOLDFAST_MEMORY_AHEAD: 'none',
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    const shim = join(ROOT, 'bin', 'holdfast.js');
    this.#child.stdin?.write(
      `npx() { shift; node '${shim}' "$@" < /dev/null; }\n` +
        `npm() { [ "$1" = ci ] || exec node '${shim}' up --nodes 3 < /dev/null > ${LOG}; }\n`,
    );
  }

  get stderr(): string {
    return this.#stderr;
  }

  async run(command: string): Promise<{ readonly exitCode: number; readonly stdout: string }> {
    this.#stdout = '';
    this.#child.stdin?.write(`${command}\nprintf '<%s>end\\n' "$?"\n`);
    const ended = /<(\d+)>end\n$/;
    await until(() => ended.test(this.#stdout), command);
    const exitCode = Number(ended.exec(this.#stdout)?.[1]);
    return { exitCode, stdout: this.#stdout.replace(ended, '') };
  }

  async close(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await exited;
  }
}

/** The addresses that are shown, as those of the ports that were free. */
function withPorts(text: string, base: number): string {
  return PORTS.reduce(
    (moved, offset) => moved.replaceAll(`:${PORT_SHOWN + offset}`, `:${base + offset}`),
    text,
  );
}

test("the README's first steps do what it says they do", async () => {
  await using folder = await TemporaryFolder.make();
  const base = await freeBase();
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const start = /^## Start$(.*?)^## /ms.exec(readme)?.[1] ?? '';
  const steps = stepsOf(withPorts(start, base));
  const shell = new Shell(folder.path, base);
  const log = join(folder.path, LOG);
  const logged = (pattern: RegExp) => async () =>
    pattern.test(await readFile(log, 'utf8').catch(() => ''));
  try {
    for (const { command, shown } of steps) {
      if (command.startsWith('npm start')) {
        // In the first terminal it stays in the foreground; here all terminals are one shell.
        await shell.run('npm start &');
        await until(logged(/Ctrl-C/), 'the nodes to start');
        assert.match(await readFile(log, 'utf8'), patternOf(shown));
        continue;
      }
      const { exitCode, stdout } = await shell.run(command);
      assert.equal(exitCode, 0, `${command}\n${stdout}${shell.stderr}`);
      if (shown.length > 0) assert.match(stdout, patternOf(shown), command);
    }
    assert.ok(steps.some(({ command }) => command.startsWith('kill -9 ')));
    await until(logged(/node-\d, which led, ended: killed by SIGKILL/), 'the loss of the leader');
    await until(logged(/node-\d is back/), 'the killed node to be back');
    const { stdout } = await shell.run('npx holdfast account get 2 --json');
    const account = JSON.parse(stdout) as { readonly credits_posted: string };
    assert.equal(account.credits_posted, '2750', 'the second answer was no second payment');
    assert.equal((await shell.run('kill $! && wait $!')).exitCode, 0);
    assert.match(await readFile(log, 'utf8'), /All nodes are stopped/);
  } finally {
    await shell.run('kill -9 $! 2>/dev/null');
    await shell.close();
  }
});

test('every npm script that the README names exists', async () => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const text = await readFile(join(ROOT, 'package.json'), 'utf8');
  const { scripts } = JSON.parse(text) as { readonly scripts: Readonly<Record<string, string>> };
  const named = [...readme.matchAll(/npm run ([a-z0-9:-]+)/g)].map(([, name = '']) => name);
  assert.ok(named.length > 0);
  for (const name of named) assert.ok(name in scripts, name);
});
