// A folder for one test, removed with all that is in it when the test is over.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class TemporaryFolder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(parent = tmpdir()): Promise<TemporaryFolder> {
    return new TemporaryFolder(await mkdtemp(join(parent, 'holdfast-test-')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
