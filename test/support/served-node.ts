// A node in this process, over any journal, with the real HTTP door in front of it. For what cannot
// be arranged with a process of its own: a disk with a quota, a journal that is slow to read.

import { type HttpServer, createHttpServer } from '../../src/api/server.ts';
import { createClock } from '../../src/drivers/system/clock.ts';
import { createEntropy } from '../../src/drivers/system/entropy.ts';
import { HoldfastNode } from '../../src/engine/node.ts';
import type { EngineObserver } from '../../src/engine/observer.ts';
import type { Journal } from '../../src/ports/journal.ts';

export const KEY = 'hk_for-tests-only-0123456789';

const CLUSTER_ID = new Uint8Array(16).fill(0xd1);

const SILENT: EngineObserver = {
  roleChanged: () => {},
  tookOver: () => {},
  appended: () => {},
  applied: () => {},
  impeded: () => {},
  journalAway: () => {},
  replayed: () => {},
};

export class ServedNode implements AsyncDisposable {
  readonly node: HoldfastNode;
  readonly server: HttpServer;
  /** Why the node halted; empty as long as it has not. */
  readonly halts: unknown[] = [];
  /** What the door could not answer properly. */
  readonly failures: string[] = [];

  constructor(journal: Journal) {
    this.node = new HoldfastNode({
      journal,
      clusterId: CLUSTER_ID,
      timeline: 1,
      clock: createClock(),
      entropy: createEntropy(),
      observer: SILENT,
      intakeBounds: { commandsMax: 1000, bytesMax: 64 * 1024 * 1024 },
      groupCommitMs: 1,
      release: 'test',
      onHalted: (error) => this.halts.push(error),
    });
    this.server = createHttpServer({
      engine: this.node,
      apiKey: KEY,
      metricsText: () => Promise.resolve(''),
      logger: {
        error: (_fields, message) => this.failures.push(message),
        info: () => undefined,
      },
    });
  }

  listen(): Promise<string> {
    return this.server.listen({ host: '127.0.0.1', port: 0 });
  }

  async stop(): Promise<void> {
    await this.node.stop(1000);
    await this.server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
