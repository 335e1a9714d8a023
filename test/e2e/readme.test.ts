// The README's first steps, run word for word: the commands of its "Start" section in order, one
// shell after the other as a reader would, with what they print compared to what the README shows.
// Ids, keys and times are compared as patterns. `npm start` and `npx holdfast` are what they stand
// for, so that nothing is fetched; the data folder is a temporary one.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PORT_SHOWN = '7400';
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
      .replaceAll(/tr_[0-9a-f]{32}/g, 'tr_[0-9a-f]{32}')
      .replaceAll(/hk_[A-Za-z0-9_-]+/g, 'hk_[A-Za-z0-9_-]{32}')
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\\\.\d{3}Z/g, '\\d{4}-\\d\\d-\\d\\dT[0-9:.]{12}Z');
    return `${pattern}\\n`;
  });
  return new RegExp(`^${lines.join('')}$`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
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
        `npm() { [ "$1" = ci ] || node '${shim}' up < /dev/null > ${LOG}; }\n`,
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

async function runningPid(folder: string): Promise<number | undefined> {
  const file = join(folder, 'holdfast-data', 'node.json');
  if (!existsSync(file)) return undefined;
  return (JSON.parse(await readFile(file, 'utf8')) as { readonly pid: number }).pid;
}

async function endNode(folder: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const pid = await runningPid(folder);
  if (pid === undefined) return;
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended already.
  }
}

test("the README's first steps do what it says they do", async () => {
  await using folder = await TemporaryFolder.make();
  const port = await freePort();
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const start = /^## Start$(.*?)^## /ms.exec(readme)?.[1] ?? '';
  const steps = stepsOf(start.replaceAll(PORT_SHOWN, String(port)));
  const shell = new Shell(folder.path, port);
  const log = join(folder.path, LOG);
  let starts = 0;
  try {
    for (const { command, shown } of steps) {
      if (command.startsWith('npm start')) {
        // In the first terminal it stays in the foreground; here all terminals are one shell.
        await shell.run('npm start &');
        starts++;
        if (shown.length === 0) continue;
        await until(
          async () => /Ctrl-C/.test(await readFile(log, 'utf8').catch(() => '')),
          'the node to start',
        );
        assert.match(await readFile(log, 'utf8'), patternOf(shown));
        continue;
      }
      const { exitCode, stdout } = await shell.run(command);
      assert.equal(exitCode, 0, `${command}\n${stdout}${shell.stderr}`);
      if (shown.length > 0) assert.match(stdout, patternOf(shown), command);
    }
    assert.equal(starts, 2);
    assert.ok(steps.some(({ command }) => command.startsWith('kill -9 ')));
    const { stdout } = await shell.run('npx holdfast account get 2 --json');
    const account = JSON.parse(stdout) as { readonly credits_posted: string };
    assert.equal(account.credits_posted, '2000', 'the second answer was no second payment');
    await endNode(folder.path, 'SIGTERM');
    await until(async () => (await runningPid(folder.path)) === undefined, 'the node to stop');
  } finally {
    await endNode(folder.path, 'SIGKILL');
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
