// A ZooKeeper ensemble of its own for one run, on free ports: its servers are killed and frozen.

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineDown, engineUp } from '../../../deploy/engines/control.ts';
import { zookeeper } from '../../../deploy/engines/zookeeper.ts';
import { Ensemble } from '../../engines/zookeeper/ensemble.ts';
import { PLACE_VARIABLE } from '../../engines/place-variable.ts';

export class Coordination implements AsyncDisposable {
  readonly ensemble: Ensemble;
  readonly #folder: string;

  private constructor(folder: string, ensemble: Ensemble) {
    this.#folder = folder;
    this.ensemble = ensemble;
  }

  static async start(): Promise<Coordination> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-chaos-zookeeper-'));
    // The servers may run as another user.
    await chmod(folder, 0o755);
    try {
      await engineUp(zookeeper, folder, 0);
      process.env[PLACE_VARIABLE] = folder;
      return new Coordination(folder, await Ensemble.find());
    } catch (error) {
      await engineDown(zookeeper, folder);
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  get settings(): Readonly<Record<string, string>> {
    const servers = this.ensemble.names.map((name) => `127.0.0.1:${this.ensemble.portOf(name)}`);
    return {
      HOLDFAST_COORDINATOR: 'zookeeper',
      HOLDFAST_ZOOKEEPER_SERVERS: servers.join(','),
    };
  }

  /** All servers, as by a power cut. */
  async killAll(): Promise<void> {
    for (const name of this.ensemble.names) await this.ensemble.signal(name, 'SIGKILL');
  }

  /** Whatever was done to it, afterwards it is whole. */
  async mend(): Promise<void> {
    await engineUp(zookeeper, this.#folder, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.ensemble.names) {
      await this.ensemble.signal(name, 'SIGCONT').catch(() => undefined);
    }
    await engineDown(zookeeper, this.#folder);
    await rm(this.#folder, { recursive: true, force: true });
  }
}
