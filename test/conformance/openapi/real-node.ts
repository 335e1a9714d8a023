// A whole node in this process, history and checkpoints included, on a clock that stands still: the
// same requests get the same answers. In front of it the real HTTP door, asked without a socket.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import {
  type HttpServer,
  type HttpServerOptions,
  createHttpServer,
} from '../../../src/api/server.ts';
import { releaseVersion } from '../../../src/config/release.ts';
import { createJournal } from '../../../src/drivers/memory/driver.ts';
import { MemoryLog } from '../../../src/drivers/memory/memory-log.ts';
import { createNodeMetrics } from '../../../src/engine/telemetry-observer.ts';
import { HoldfastNode } from '../../../src/engine/node.ts';
import { JournalHistory } from '../../../src/history/journal-history.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { LiveViews } from '../../../src/views/live-views.ts';
import { CheckpointLog } from '../../support/checkpoint-rig.ts';
import { CLUSTER_ID, HandClock, SILENT } from '../../support/engine-rig.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';

export const KEY = 'hk_for-tests-only-0123456789';
export const REQUEST_ID = 'req_example';

export type Sent = {
  readonly method: string;
  /** With its query. */
  readonly url: string;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: unknown;
};

export type Heard = {
  readonly status: number;
  readonly headers: { readonly [name: string]: unknown };
  readonly mediaType: string;
  /** Parsed where it is JSON; undefined = none. */
  readonly body: unknown;
};

/** With key, request id and, where there is a body, its type; `headers` win. */
export async function ask(
  server: HttpServer,
  { method, url, headers, body }: Sent,
): Promise<Heard> {
  const payload = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const answer = await server.app.inject({
    method: method.toUpperCase() as 'GET',
    url,
    headers: {
      authorization: `Bearer ${KEY}`,
      'request-id': REQUEST_ID,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(payload === undefined ? {} : { payload }),
  });
  const mediaType = (answer.headers['content-type'] ?? '').split(';')[0]!;
  const text = answer.body;
  const parsed: unknown = mediaType.endsWith('json') && text !== '' ? JSON.parse(text) : text;
  return {
    status: answer.statusCode,
    headers: answer.headers,
    mediaType,
    body: text === '' ? undefined : parsed,
  };
}

const SQLITE = new URL('../../../src/drivers/sqlite/driver.ts', import.meta.url).href;

export type RealNodeOptions = {
  /** In memory where it is left out. */
  readonly journal?: Journal;
  readonly keepsViews?: boolean;
};

export class RealNode implements AsyncDisposable {
  readonly node: HoldfastNode;
  /** What a door could not answer properly. */
  readonly failures: unknown[] = [];
  readonly #folder: TemporaryFolder;
  readonly #history: JournalHistory;
  readonly #metricsText: () => Promise<string>;
  readonly #servers: HttpServer[] = [];

  private constructor(folder: TemporaryFolder, options: RealNodeOptions) {
    const { journal = createJournal({ log: new MemoryLog() }), keepsViews = false } = options;
    this.#folder = folder;
    this.#history = new JournalHistory({
      folder: join(folder.path, 'history'),
      runTransfers: 1 << 14,
      poolTransfers: 1 << 17,
      startRepair: undefined,
      log: () => undefined,
    });
    const release = releaseVersion();
    this.node = new HoldfastNode({
      journal,
      clusterId: CLUSTER_ID,
      timeline: 1,
      clock: new HandClock(),
      entropy: { bytes: (count) => new Uint8Array(count).fill(7) },
      observer: SILENT,
      history: this.#history,
      ...(keepsViews && { views: viewsIn(folder.path) }),
      intakeBounds: { commandsMax: 1000, bytesMax: 64 * 1024 * 1024 },
      groupCommitMs: 0,
      release,
      checkpoints: new CheckpointLog().settings(undefined, { periodMs: 2 ** 31 - 1 }),
      onHalted: (error) => this.failures.push(error),
    });
    const metrics = createNodeMetrics(() => this.node, release, this.#history.figures);
    this.#metricsText = () => metrics.text();
  }

  /** Not started: it has no books. */
  static async make(options: RealNodeOptions = {}): Promise<RealNode> {
    return new RealNode(await TemporaryFolder.make(), options);
  }

  static async start(options?: RealNodeOptions): Promise<RealNode> {
    const made = await RealNode.make(options);
    await made.node.start();
    return made;
  }

  serve(options: Partial<HttpServerOptions> = {}): HttpServer {
    const server = createHttpServer({
      engine: this.node,
      checkpoints: this.node,
      apiKey: KEY,
      metricsText: this.#metricsText,
      logger: { error: (fields) => this.failures.push(fields), info: () => undefined },
      ...options,
    });
    this.#servers.push(server);
    return server;
  }

  /** The lists come from the history, which is a moment behind. */
  async historyIsLevel(): Promise<void> {
    const { position } = this.node.status();
    await until(() => this.#history.status().position >= position, 'the history');
  }

  /** Reports come from the views, which are behind the history. */
  async viewsAreLevel(): Promise<void> {
    const { views } = this.node;
    assert.ok(views !== undefined, 'this node keeps views');
    const { position } = this.node.status();
    await until(
      () => views.status().isComplete && views.status().position >= position,
      'the views',
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node.stop(1000);
    for (const server of this.#servers) await server.close();
    await this.#history.close();
    await this.#folder[Symbol.asyncDispose]();
  }
}

function viewsIn(folder: string): LiveViews {
  return new LiveViews({
    store: { url: SQLITE, options: { file: join(folder, 'views', 'views.sqlite') } },
    identity: { clusterId: Buffer.from(CLUSTER_ID).toString('hex'), timeline: 1 },
    log: () => undefined,
  });
}
