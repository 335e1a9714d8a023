// Runs a command in this process and keeps what people and scripts would see.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FAKE_KEY, FakeNode } from '../../client/testing/fake-node.ts';
import { runCli } from '../cli.ts';

export type Seen = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

export type RunOptions = {
  readonly environment?: Readonly<Record<string, string>>;
  readonly isTTY?: boolean;
  /** What a person says who is asked; left out = nobody is there. */
  readonly answer?: string;
};

export async function runSeen(
  parameters: readonly string[],
  options: RunOptions = {},
): Promise<Seen> {
  const written = { stdout: '', stderr: '' };
  const writer = (name: 'stdout' | 'stderr') => ({
    isTTY: options.isTTY ?? false,
    write: (text: string) => {
      written[name] += text;
    },
  });
  const exitCode = await runCli(['node', 'holdfast', ...parameters], {
    stdout: writer('stdout'),
    stderr: writer('stderr'),
    environment: options.environment ?? {},
    ask: options.answer === undefined ? undefined : () => Promise.resolve(options.answer!),
  });
  return { exitCode, ...written };
}

/** A fake node and a data folder that names it, as `holdfast up` leaves one. */
export class CliBench implements AsyncDisposable {
  readonly node: FakeNode;
  readonly folder: string;

  private constructor(node: FakeNode, folder: string) {
    this.node = node;
    this.folder = folder;
  }

  static async start(): Promise<CliBench> {
    const node = await FakeNode.start();
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-cli-'));
    await writeFile(join(folder, 'node.json'), JSON.stringify({ url: node.url, pid: 1 }));
    await writeFile(join(folder, 'api-key'), `${FAKE_KEY}\n`);
    return new CliBench(node, folder);
  }

  run(...parameters: string[]): Promise<Seen> {
    return runSeen(['--data', this.folder, '--deadline', '1', ...parameters]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}
